#!/usr/bin/env python3
"""million.py - a large catalogue beside a small one with the same rules: start, memory, calls, lists.

usage: tools/million.py [--customers 100000] [--keys 10] [--rounds 3] [--minutes 0] [--binary build/cota] [--programs build/release/bench]
bench_million fills one data directory with CUSTOMERS x KEYS keys and one with 100 x KEYS. Two daemons serve them, turn by
turn: "small" and "large" get the same calls, of 100 customers' keys drawn at random; "scattered" is the large one with
calls drawn from all its keys, where hardly two of 100,000 calls are of one customer and nothing is in a cache of any
kind. Then each list of openapi.yaml is asked: its first page, a page far behind, every order and every filter. Times of
pages are the client's over 127.0.0.1, so the server took less.
Results: bench/results/million.json. Exit 1 when an answer was wrong or a promise (a page within 50 ms; a call of the
worker's CPU time within 10 % of the small catalogue's, large against small) is broken.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.parse

import yaml

import bench

PAGE_MS_MAX = 50
CALL_MAX = 1.10
READY_S = 120
PAGES_DEEP = 40
LIST_ROUNDS = 5  # a question is asked so often
SMALL_CUSTOMERS = 100
CONFIG = """listen: 127.0.0.1:{port}
admin_token: {token}
data_dir: {data}
workers: 1
store: sqlite
durability: group
providers:
  - {{name: up, dialect: openai, base_url: "http://127.0.0.1:{upstream}/v1", api_key: "sk-up"}}
models:
  - {{name: gpt-4o-mini, provider: up, model: gpt-4o-mini, max_output_tokens: 16384, price: {{input: 0.15, output: 0.60}}}}
"""


class NoQuestion(Exception):
    """A made-up value that the document's schema does not know."""


class Served:
    """A daemon over a filled data directory."""

    def __init__(self, name, options, customers, work):
        self.name, self.options, self.customers, self.keys = name, options, customers, customers * options.keys
        self.data = work / name
        self.port, self.upstream_port, self.config = bench.free_port(), bench.free_port(), work / f"{name}.yaml"

    def fill(self):
        out = subprocess.run([self.options.programs / "bench_million", self.data, str(self.customers), str(self.options.keys)],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=550)
        if out.returncode != 0:
            sys.exit(f"bench_million: exit {out.returncode}")
        filled = json.loads(out.stdout.splitlines()[-1])
        filled["journal_bytes"] = sum(file.stat().st_size for file in (self.data / "journal").iterdir())
        return filled

    def start(self, env=None, before=()):
        """Seconds until it is ready."""
        self.config.write_text(CONFIG.format(port=self.port, token=bench.ADMIN, data=self.data, upstream=self.upstream_port))
        started = time.monotonic()
        self.process = subprocess.Popen([*before, str(self.options.binary), "serve", "-c", str(self.config), "--json"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        preexec_fn=lambda: os.sched_setaffinity(0, bench.PROXY_CORE), env=env)
        if not self.process.stdout.readline():
            sys.exit(f"{self.name}: it did not start")
        return time.monotonic() - started

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(timeout=60)
        self.process.stdout.close()

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers={"authorization": f"Bearer {bench.ADMIN}"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def timed(self, path):
        begun = time.perf_counter()
        status, body = self.get(path)
        took_ms = (time.perf_counter() - begun) * 1e3
        if status == 400:
            raise NoQuestion(path)
        if status not in (200, 404):  # 404: there is no such customer
            sys.exit(f"GET {path}: {status} {body[:300]}")
        return took_ms, json.loads(body)

    def rss_bytes(self):
        return bench.rss_kib([self.process.pid]) * 1024

    def threads_ns(self):
        """{name: CPU time of the threads of this name}."""
        found = {}
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with contextlib.suppress(OSError):
                folder = pathlib.Path(f"/proc/{self.process.pid}/task/{task}")
                name = folder.joinpath("comm").read_text().strip()
                found[name] = found.get(name, 0) + int(folder.joinpath("schedstat").read_text().split()[0])
        return found

    def stage_ns(self):
        text = self.get("/metrics")[1].decode()
        samples = float(re.search(r"^cota_stage_samples_total (\S+)", text, re.M)[1])
        spent = re.findall(r'^cota_stage_nanoseconds_total\{stage="(\w+)"\} (\S+)', text, re.M)
        return samples, {name: float(value) for name, value in spent}

    def rest(self):
        deadline = time.monotonic() + bench.REST_S
        while time.monotonic() < deadline:
            lag = re.search(r"^cota_projection_lag_records(?:\{[^}]*\})? (\S+)", self.get("/metrics")[1].decode(), re.M)
            if float(lag[1]) == 0:
                return
            time.sleep(0.05)
        sys.exit(f"{self.name}: the projection is behind")


# --- calls ------------------------------------------------------------------------------------------------------
def ask(served, ms, keys):
    """Calls of so many keys, drawn at random: what one costs, whole and by stage."""
    samples, stages = served.stage_ns()
    before = served.threads_ns()
    command = [served.options.programs / "bench_load", served.port, "closed", 64, ms, 300, 1, 240, 0,
               "ck_live_million_########", bench.CONTEXT, keys]
    out = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         timeout=120, preexec_fn=lambda: os.sched_setaffinity(0, bench.LOAD_CORES))
    served.rest()
    if out.returncode != 0:
        sys.exit(f"{served.name}: wrong answers: {out.stderr}{out.stdout}")
    result = json.loads(out.stdout)
    after, (samples_after, stages_after) = served.threads_ns(), served.stage_ns()
    spent = {name: (value - before.get(name, 0)) / result["requests"] / 1e3 for name, value in after.items()}
    timed = max(samples_after - samples, 1)
    return {"requests_per_second": result["requests_per_second"], "p99_us": result["latency_us"]["p99"],
            "cpu_us": sum(spent.values()), "threads_us": spent,
            "stage_ns": {name: (value - stages[name]) / timed for name, value in stages_after.items()}}


def middle(rows, *path):
    values = []
    for row in rows:
        for step in path:
            row = row.get(step, 0)
        values.append(row)
    return statistics.median(values)


def calls(small, large, rounds):
    upstream = bench.Program("upstream", [small.options.programs / "bench_upstream", 450, 1, 0, small.upstream_port,
                                          large.upstream_port], bench.LOAD_CORES, small.upstream_port)
    turns = {"small": (small, small.keys), "large": (large, small.keys), "scattered": (large, large.keys)}
    results = {name: [] for name in turns}
    try:
        for served, keys in turns.values():
            ask(served, 1000, keys)
        for number in range(rounds):
            order = list(turns.items())
            for name, (served, keys) in order if number % 2 == 0 else order[::-1]:
                results[name].append(ask(served, 3000, keys))
    finally:
        upstream.stop()
    summary = {}
    for name, rows in results.items():
        summary[name] = {"requests_per_second": round(middle(rows, "requests_per_second")),
                         "p99_us": middle(rows, "p99_us"), "cpu_us": round(middle(rows, "cpu_us"), 2),
                         "threads_us": {each: round(middle(rows, "threads_us", each), 2) for each in rows[0]["threads_us"]},
                         "stage_ns": {each: round(middle(rows, "stage_ns", each)) for each in rows[0]["stage_ns"]}}
        print(f"{name:9}", json.dumps(summary[name]), flush=True)
    return summary


# --- lists ------------------------------------------------------------------------------------------------------
SAMPLES = {"customer": "customer-{n:06d}", "plan": "plan-1", "plan_version": "plan-1-v1", "group": "group-07", "feature": "chat",
           "provider": "up", "profile": "user", "status": "active", "active": "true", "ai_enabled": "true", "user": "ana",
           "scope": "customer", "scope_id": "customer-{n:06d}", "target": "limit", "op": "multiply", "external_id": "crm-{n}",
           "locale": "pt-BR", "kind": "license", "actor": "bench_million", "id": "license-{n:06d}", "since": "1h", "until": "0s",
           "type": "metered", "category": "chat", "currency": "BRL", "dialect": "openai", "role": "fallback", "owner": "customer"}
NUMBERS = ("since", "until", "number")  # filters that take no name


def lists_of(openapi):
    """(path, names of its query parameters, {name: enum}) of everything that gives pages."""
    for path, item in openapi["paths"].items():
        operation = item.get("get")
        if operation is None or "{" in path:
            continue
        names, words = [], {}
        for parameter in operation.get("parameters", []):
            if "$ref" in parameter:
                parameter = openapi["components"]["parameters"][parameter["$ref"].rsplit("/", 1)[1]]
            if parameter["in"] == "query":
                names.append(parameter["name"])
                schema = parameter["schema"]
                words[parameter["name"]] = ["true", "false"] if schema.get("type") == "boolean" else schema.get("enum", [])
        if "cursor" in names:  # what gives no pages is of one customer, or of the whole as it is
            yield path, names, words


def query_of(path, **parameters):
    return path + ("?" + urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote) if parameters else "")


def questions(path, names, words, number):
    """(what, parameters) of each way to ask one list."""
    yield "first", {}
    yield "first of 200", {"limit": 200}
    for order in words.get("sort", []):
        yield f"sort {order}", {"sort": order}
    filters = [name for name in names if name not in ("limit", "cursor", "sort", "fields", "facets")]
    for name in filters:
        values = words[name] or [SAMPLES[name].format(n=number) if name in SAMPLES else "nothing", "none"]
        if name in NUMBERS or name == "currency":
            values = [SAMPLES.get(name, "7")]
        for value in values:
            yield f"{name}={value}", {name: value}
    with_words = {name: words[name][-1] if words[name] else "none" for name in filters
                  if name not in NUMBERS and name != "currency"}
    if len(with_words) > 1:
        yield "all filters", with_words
        last = list(with_words)[-1]
        for order in words.get("sort", [])[-1:]:
            yield f"{last}, {order}", {last: with_words[last], "sort": order}


def pages(served, path, parameters):
    """Times of one question, asked again and again; and of the pages that follow."""
    took = [served.timed(query_of(path, **parameters))[0] for _ in range(LIST_ROUNDS)]
    _, answer = served.timed(query_of(path, **parameters))
    deep, count = [], 0
    while answer.get("next_cursor") and count < PAGES_DEEP:
        ms, answer = served.timed(query_of(path, **{**parameters, "cursor": answer["next_cursor"]}))
        deep.append(ms)
        count += 1
    return took, deep


def far(served, path, names):
    """A page far behind: from the middle of the ids on."""
    if "sort" not in names:
        return []
    _, answer = served.timed(query_of(path, sort="-id", limit=1))
    if not answer.get("next_cursor"):
        return []
    last = answer["next_cursor"]
    middle_id = re.sub(r"\d{6}", f"{served.customers // 2:06d}", last, count=1)
    return [served.timed(query_of(path, cursor=middle_id))[0] for _ in range(LIST_ROUNDS)]


def lists(served):
    openapi = yaml.safe_load((bench.ROOT / "openapi.yaml").read_text())
    rows = []
    for path, names, words in lists_of(openapi):
        for what, parameters in questions(path, names, words, served.customers // 3):
            try:
                took, deep = pages(served, path, parameters)
            except NoQuestion:
                continue
            rows.append((f"{path} {what}", took))
            if deep:
                rows.append((f"{path} {what}, following pages", deep))
        took = far(served, path, names)
        if took:
            rows.append((f"{path} from the middle", took))
    report = []
    for what, took in rows:
        took.sort()
        report.append({"what": what, "p50_ms": round(took[len(took) // 2], 2), "p99_ms": round(took[int(len(took) * 0.99)], 2),
                       "max_ms": round(took[-1], 2)})
    return sorted(report, key=lambda row: -row["p50_ms"])


# --- the whole --------------------------------------------------------------------------------------------------
def measure(options, small, large):
    report = {"customers": large.customers, "keys": large.keys, "machine": bench.machine()}
    report["fill"] = large.fill()
    small.fill()
    print("filled:", json.dumps(report["fill"]), flush=True)
    report["small_start_s"] = round(small.start(), 3)
    report["start_s"] = round(large.start(), 2)
    time.sleep(1)
    small_rss, rss = small.rss_bytes(), large.rss_bytes()
    report["rss_bytes"], report["rss_per_key"] = rss, round((rss - small_rss) / (large.keys - small.keys))
    report["rss_per_customer"] = report["rss_per_key"] * options.keys
    large.stop(signal.SIGKILL)
    report["start_after_kill_s"] = round(large.start(), 2)
    print(json.dumps({key: value for key, value in report.items() if "start" in key or "rss" in key}), flush=True)
    if options.rounds > 0:
        report["calls"] = calls(small, large, options.rounds)
    found = lists(large)
    report["lists"] = found
    report["pages_slowest"] = found[:12]
    for row in found[:12]:
        print(f"{row['p50_ms']:9.2f} {row['p99_ms']:9.2f} {row['max_ms']:9.2f} ms  {row['what']}", flush=True)
    begun = time.monotonic()
    large.stop()
    report["stop_s"] = round(time.monotonic() - begun, 2)
    return report


def judge(report):
    broken = [f"{row['what']}: {row['p50_ms']} ms" for row in report["lists"] if row["p50_ms"] > PAGE_MS_MAX]
    if "calls" in report:
        cost = {name: each["threads_us"]["worker"] for name, each in report["calls"].items()}
        for name in ("large", "scattered"):
            report[f"ratio_{name}_small"] = round(cost[name] / cost["small"], 3)
            print(f"CPU time of the worker for a call, {name}: {report[f'ratio_{name}_small']} of the small catalogue's")
        if report["ratio_large_small"] > CALL_MAX:
            broken.append(f"a call costs {report['ratio_large_small']} times the small catalogue's")
    for line in broken:
        print(f"MISSED {line}")
    return 1 if broken else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100000)
    parser.add_argument("--keys", type=int, default=10, help="of each customer")
    parser.add_argument("--rounds", type=int, default=3, help="of calls; 0: none")
    parser.add_argument("--binary", type=pathlib.Path, default=bench.ROOT / "build" / "cota")
    parser.add_argument("--programs", type=pathlib.Path, default=bench.PROGRAMS)
    parser.add_argument("--work", type=pathlib.Path, default=bench.ROOT / "build" / "million")
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    bench.WORK = options.work
    small, large = (Served(name, options, count, options.work) for name, count in (("small", SMALL_CUSTOMERS), ("large", options.customers)))
    try:
        report = measure(options, small, large)
    finally:
        for served in (small, large):
            with contextlib.suppress(AttributeError):
                served.stop()
    code = judge(report)
    results = bench.RESULTS.parent / "million.json"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(report, indent=1) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
