#!/usr/bin/env python3
"""million.py - the catalogue of bench_million, small: it is filled, served, listed page by page, and calls are ruled by it.

usage: tests/e2e/million.py --binary build/cota; bench_million is looked for beside it, or in $BENCH_MILLION
"""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import harness

CUSTOMERS, KEYS = 1000, 3
CONFIG = """
listen: 127.0.0.1:0
workers: 1
admin_token: admin-token-of-the-test
providers:
  - {name: up, dialect: simulated}
models:
  - {name: sim-fast, provider: up, max_output_tokens: 64, price: {input: 0.15, output: 0.60}}
"""


def program(binary):
    """bench_million of the same build."""
    beside = pathlib.Path(binary).resolve().parent
    places = [os.environ.get("BENCH_MILLION", ""), beside / "bench" / "bench_million", beside / "release" / "bench" / "bench_million",
              beside / "asan" / "bench" / "bench_million",
              beside.parent / "bench" / "bench_million"]
    return next((str(place) for place in places if place and pathlib.Path(place).is_file()), None)


@contextlib.contextmanager
def served(binary):
    with tempfile.TemporaryDirectory() as folder:
        data, config = pathlib.Path(folder, "data"), pathlib.Path(folder, "cota.yaml")
        out = subprocess.run([program(binary), data, str(CUSTOMERS), str(KEYS)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, timeout=120)
        if out.returncode != 0:
            raise RuntimeError(f"bench_million: exit {out.returncode}: {out.stderr}")
        config.write_text(CONFIG)
        daemon = harness.Daemon(binary, "serve", "-c", str(config), "--data", str(data))
        try:
            yield daemon, json.loads(out.stdout.splitlines()[-1]), str(data)
        finally:
            daemon.stop()


def get(daemon, path):
    status, _, body = daemon.request("GET", path, key="admin-token-of-the-test")
    return status, json.loads(body)


def walk(daemon, path, member, limit):
    """All rows of a list, page by page; and how many pages."""
    rows, pages, cursor = [], 0, None
    mark = "&" if "?" in path else "?"
    while True:
        status, page = get(daemon, f"{path}{mark}limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        if status != 200 or pages > 10000:
            raise RuntimeError(f"{path}: {status} {page}")
        rows += page[member]
        pages += 1
        cursor = page["next_cursor"]
        if cursor is None:
            return rows, pages


def test_catalogue(t, binary):
    with served(binary) as (daemon, filled, data):
        t.equal(filled["refused"], 0, "every document means something")
        t.equal(filled["keys"], CUSTOMERS * KEYS, "keys")
        customers, pages = walk(daemon, "/api/v1/customers", "customers", 300)
        t.equal([row["id"] for row in customers], [f"customer-{n:06d}" for n in range(CUSTOMERS)], "each customer once, by id")
        t.equal(pages, 4, "pages of customers")
        keys, pages = walk(daemon, "/api/v1/keys", "keys", 500)
        t.equal(len({row["id"] for row in keys}), CUSTOMERS * KEYS, "each key once")
        t.equal([row["customer"] for row in keys], sorted(row["customer"] for row in keys), "keys by customer")
        t.equal(pages, 6, "a full last page has no next one")
        keys, pages = walk(daemon, "/api/v1/keys?customer=customer-000042", "keys", 2)
        t.equal((sorted(row["name"] for row in keys), pages), (["key-0", "key-1", "key-2"], 2), "keys of one customer, page by page")
        t.equal(get(daemon, "/api/v1/keys?cursor=nothing")[0], 400, "no cursor")
        t.equal(get(daemon, "/api/v1/keys?customer=nobody")[0], 404, "no customer")
        out = subprocess.run([binary, "key", "list", "--data", data, "--json"], stdout=subprocess.PIPE, text=True, timeout=60)
        t.equal(len(json.loads(out.stdout)["keys"]), CUSTOMERS * KEYS, "cota key list: all pages")


def test_lists(t, binary):
    with served(binary) as (daemon, _, _):
        for path, wanted in [("subscriptions?plan_version=plan-1-v1", 200), ("customer-profiles?external_id=crm-77", 1),
                             ("customer-profiles?external_id=crm-77&sort=updated_at", 1), ("customer-profiles?tax_id=none", 0),
                             ("group-members?group=group-07", 6), ("group-members?customer=customer-000010", 1),
                             ("overrides?scope_id=customer-000011", 1), ("users?external_id=ana", 100),
                             ("users?external_id=ana&active=false", 0), ("licenses?ai_enabled=true", 500),
                             ("subscriptions?customer=customer-000005&plan_version=plan-0-v1", 1), ("key-rules?customer=customer-000000", 1)]:
            rows, _ = walk(daemon, f"/api/v1/{path}", "items", 50)
            t.equal(len({row["id"] for row in rows}), wanted, path)
        rows, _ = walk(daemon, "/api/v1/subscriptions?plan_version=plan-1-v1&sort=-id", "items", 7)
        ids = [row["id"] for row in rows]
        t.equal(ids, sorted(ids, reverse=True), "a filter with an index, from the end")
        rows, _ = walk(daemon, "/api/v1/audit?kind=license", "items", 100)
        t.equal(len(rows), 500, "the trail of one kind")


def test_calls(t, binary):
    with served(binary) as (daemon, _, _):
        for number in (0, 4, CUSTOMERS * KEYS - 1):
            status, _, body = daemon.request("POST", "/v1/chat/completions", {"model": "sim-fast", "messages": [{"role": "user", "content": "oi"}]},
                                             key=f"ck_live_million_{number:08d}", headers={"x-cota-feature": "chat"})
            t.equal(status, 200, f"key {number}: {body[:200]}")
        status, _, body = daemon.request("POST", "/v1/chat/completions", {"model": "sim-fast", "messages": [{"role": "user", "content": "oi"}]},
                                         key="ck_live_million_00000000", headers={"x-cota-feature": "reports"})
        t.equal(status, 403, "a key's rules allow one feature")
        status, rights = get(daemon, "/api/v1/entitlements?customer=customer-000001&feature=chat")
        t.equal(status, 200, "entitlements")
        t.check("plan-1" in json.dumps(rights), "its plan", json.dumps(rights)[:300])


if __name__ == "__main__":
    binary_at = sys.argv[sys.argv.index("--binary") + 1] if "--binary" in sys.argv else "build/cota"
    if program(binary_at) is None:
        print("skipped: bench_million is not built (ninja bench_programs)")
        sys.exit(0)
    sys.exit(harness.run_tests(__doc__, [test_catalogue, test_lists, test_calls]))
