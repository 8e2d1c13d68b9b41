#!/usr/bin/env python3
"""faults.py - every fault of the simulated provider, plain and streamed, over the network and inside: what the
client sees, what is charged, whether anything stays held, and how memory moves.

usage: tests/money/faults.py [--binary PATH] [--table FILE]       last line: N passed, N failed, N skipped
"""
import argparse
import os
import pathlib
import re
import sys
import time

from lab import ROOT, Lab, cost_nano, stream_ending

OK, ERR = "ok", "error event"
FREE, PROVIDER, ESTIMATE = "free", "provider", "estimated"
# fault: (plain: wire, charge; stream: wire, charge). A set is "one of". None: not for this kind.
WIRE = {
    "refuse": (({502}, FREE), ({502}, FREE)),
    "reset": (({502}, FREE), ({502}, FREE)),
    "stall": (({504}, FREE), ({504}, FREE)),
    "slow-head": (({504}, FREE), ({504}, FREE)),
    "huge-head": (({502}, FREE), ({502}, FREE)),
    "nothing-after-head": (({504}, FREE), ({504}, FREE)),
    "reset-mid-stream": (({502}, FREE), ({ERR}, ESTIMATE)),
    "cut-mid-stream": (({502}, FREE), ({ERR}, ESTIMATE)),
    "stall-mid-stream": (({504}, FREE), ({ERR}, ESTIMATE)),
    "truncated-chunk": (({502}, FREE), ({ERR}, ESTIMATE)),
    "bad-chunk": (({502}, FREE), ({ERR}, ESTIMATE)),
    "invalid-json": (({502}, FREE), ({ERR}, ESTIMATE)),
    "length-too-long": (({502}, FREE), ({ERR, OK}, {ESTIMATE, PROVIDER})),
    "length-too-short": (({502}, FREE), ({ERR, OK}, {ESTIMATE, PROVIDER})),
    "two-lengths": (({502}, FREE), ({502}, FREE)),
    "endless-line": (({502}, FREE), ({502, ERR}, {FREE, ESTIMATE})),
    "endless-stream": (({502}, FREE), ({ERR}, {ESTIMATE, "hold"})),
    "no-usage": (({OK}, ESTIMATE), ({OK}, ESTIMATE)),
    "usage-twice": (None, ({OK}, PROVIDER)),
    "usage-after-done": (None, ({OK}, PROVIDER)),
    "usage-with-choices": (None, ({OK}, PROVIDER)),
    "usage-cumulative": (None, ({OK}, PROVIDER)),
    "zero-usage": (({OK}, "zero"), ({OK}, "zero")),
    "absurd-usage": (({OK}, "hold"), ({OK}, "hold")),
    "status=418": (({502}, FREE), ({502}, FREE)),
    "status=429,retry-after=7": (({429}, FREE), ({429}, FREE)),
    "500": (({502}, FREE), ({502}, FREE)),
    "503": (({503}, FREE), ({503}, FREE)),
    "529": (({503}, FREE), ({503}, FREE)),
    "401": (({502}, FREE), ({502}, FREE)),
    "404": (({404}, FREE), ({404}, FREE)),
    "error-in-stream": (None, ({ERR}, ESTIMATE)),
    "error-body": (({502}, FREE), ({502, ERR}, {FREE, ESTIMATE})),
    "html": (({502}, FREE), ({502}, FREE)),
    "redirect": (({502}, FREE), ({502}, FREE)),
    "no-done": (None, ({OK}, PROVIDER)),
    "gzip": (({OK}, PROVIDER), ({OK}, PROVIDER)),
    "http10": (({OK}, PROVIDER), ({OK}, PROVIDER)),
    "crlf": (None, ({OK}, PROVIDER)),
    "cr": (None, ({OK}, PROVIDER)),
    "bom": (None, ({OK}, PROVIDER)),
    "interim": (({OK}, PROVIDER), ({OK}, PROVIDER)),
    "twice": (({OK}, PROVIDER), ({OK}, PROVIDER)),
    "one-byte": (({OK}, PROVIDER), ({OK}, PROVIDER)),
}
RSS_GROWTH_KIB_MAX = 200 * 1024


def fault_names():
    """Every row of faults.def, so that a new fault cannot be forgotten here."""
    text = (ROOT / "src" / "sim" / "faults.def").read_text()
    return re.findall(r'^X\(\w+,\s*"([^"]+)"', text, re.M)


def wire(status, body, stream):
    if status != 200:
        return status
    if not stream:
        return OK
    return {"done": OK, "error": ERR}.get(stream_ending(body), stream_ending(body))


def charge(row):
    if row is None:
        return "no row"
    if row["cost_nano"] != cost_nano(row):
        return f"wrong cost {row['cost_nano']}"
    if row["cost_nano"] == 0:
        return "zero" if row["usage_source"] == PROVIDER and row["outcome"] == "ok" else FREE
    if row["held_nano"] == row["cost_nano"] and row["usage_source"] == ESTIMATE:
        return "hold"
    return row["usage_source"]


def matches(found, wanted):
    return found in wanted if isinstance(wanted, set) else found == wanted


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(ROOT / "build" / "cota"))
    parser.add_argument("--table", help="write the table as Markdown")
    options = parser.parse_args()
    passed, failed, table = 0, 0, []
    missing = set(fault_names()) - {name.split("=")[0].split(",")[0] for name in WIRE}
    for name in sorted(missing):
        failed += 1
        print(f"FAIL the fault {name} is in faults.def, but not here")
    models = [("good", "net", "sim-fast:output=20"), ("in-good", "inside", "sim-fast:output=20")]
    for name in WIRE:
        models += [(name, "net", f"sim-fast:output=20,fault={name}"), ("in-" + name, "inside", f"sim-fast:output=20,fault={name}")]
    lab = Lab(os.path.abspath(options.binary), models, [("acme", 1000)])
    try:
        start_kib = lab.rss_kib()
        for name, kinds in WIRE.items():
            for prefix in ("", "in-"):
                for stream, wanted in ((False, kinds[0]), (True, kinds[1])):
                    if wanted is None:
                        continue
                    request_id = re.sub(r"[^\w.-]", ".", f"{prefix}{name}.{stream}")
                    begun = time.monotonic()
                    status, headers, body = lab.call("acme", prefix + name, stream, request_id, 40)
                    took = time.monotonic() - begun
                    held = lab.quiet("acme", 5)["holds"]
                    row = next(iter(lab.rows(request_id=request_id)), None)
                    good = lab.call("acme", prefix + "good", False, request_id + ".next")[0]
                    seen, paid = wire(status, body, stream), charge(row)
                    fine = matches(seen, wanted[0]) and matches(paid, wanted[1]) and held == 0 and good == 200
                    if "429" in name:
                        fine = fine and headers.get("retry-after") == "7"
                    passed += fine
                    failed += not fine
                    kind = "stream" if stream else "plain"
                    table.append(f"| {name} | {'inside' if prefix else 'network'} | {kind} | {seen} | {paid} | {held} | {took:.1f} s | {lab.rss_kib() // 1024} MiB |")
                    if not fine:
                        print(f"FAIL {prefix}{name} {kind}: wire {seen} (want {wanted[0]}), charge {paid} (want {wanted[1]}), "
                              f"held {held}, next call {good}, body {body[:200]!r} row {row}", flush=True)
        growth = lab.rss_kib() - start_kib
        sanitized = b"__asan_init" in pathlib.Path(options.binary).read_bytes()  # it keeps what was freed
        bounded = sanitized or growth < RSS_GROWTH_KIB_MAX
        passed += bounded
        failed += not bounded
        print(f"memory: {start_kib // 1024} MiB at start, +{growth // 1024} MiB after all faults")
        spent = sum(row["charged_nano"] for row in lab.rows(customer="acme"))
        balanced = lab.credit("acme")["remaining_nano"] == 1000 * 10**9 - spent
        passed += balanced
        failed += not balanced
    finally:
        code, log = lab.stop()
    passed += code == 0
    failed += code != 0
    if "ck_test_" in log:
        failed += 1
        print("FAIL a key is in the log")
    if options.table:
        head = ["| fault | provider | kind | the client sees | charged | held | took | RSS |", "|---|---|---|---|---|---|---|---|"]
        pathlib.Path(options.table).write_text("\n".join(head + table) + "\n")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
