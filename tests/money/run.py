#!/usr/bin/env python3
"""run.py - money under concurrency, leaving clients and cut providers, against a real daemon.

usage: tests/money/run.py [--binary PATH]       last line: N passed, N failed, N skipped
"""
import argparse
import concurrent.futures
import os
import sys

from lab import ROOT, Lab, cost_nano, stream_ending, text_of

TOKENS = 24  # output of the streams that are left or cut
EVENTS = TOKENS + 4


class Score:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, sentence, holds, found=""):
        self.passed += bool(holds)
        self.failed += not holds
        if not holds:
            print(f"FAIL {sentence}: {found}", flush=True)

    def say(self, text):
        print(text, flush=True)


def storm(lab, name, model, calls, **fields):
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        jobs = [pool.submit(lab.call, name, model, False, f"{name}-{number}", 60, **fields) for number in range(calls)]
        return [job.result()[0] for job in jobs]


def check_books(score, lab, name, granted_nano):
    """Balance = grant - charges, never below zero, nothing held."""
    shown = lab.quiet(name)
    rows = lab.rows(customer=name)
    spent = sum(row["charged_nano"] for row in rows)
    score.check(f"{name}: nothing is held", shown["held_nano"] == 0 and shown["holds"] == 0, shown)
    score.check(f"{name}: balance = grant - charges", shown["remaining_nano"] == granted_nano - spent, (shown, spent))
    score.check(f"{name}: never below zero", shown["remaining_nano"] >= 0 and shown["debt_nano"] == 0, shown)
    return rows, shown


def over(score, binary):
    """1,000 concurrent calls on a credit that pays for 10."""
    probe = Lab(binary, [("in", "inside", "sim-fast:output=20"), ("net", "net", "sim-fast:output=20")], [("probe", 1)])
    try:
        probe.call("probe", "in", False, "probe-in", max_tokens=20)
        probe.call("probe", "net", False, "probe-net", max_tokens=20)
        one = {row["model"]: row["charged_nano"] for row in probe.rows(customer="probe")}
    finally:
        probe.stop()
    credits = {"exact": one["in"] * 10 / 1e9, "bound": one["net"] * 10 / 1e9, "open": one["net"] * 10 / 1e9}
    lab = Lab(binary, [("in", "inside", "sim-fast:output=20"), ("net", "net", "sim-fast:output=20")], list(credits.items()))
    try:
        statuses = storm(lab, "exact", "in", 1000, max_tokens=20)
        rows, shown = check_books(score, lab, "exact", one["in"] * 10)
        score.check("exact bound: exactly 10 served, 990 x 402", sorted(statuses) == [200] * 10 + [402] * 990,
                    {status: statuses.count(status) for status in set(statuses)})
        score.check("exact bound: the credit is used up", shown["remaining_nano"] == 0, shown)
        for name, fields in (("bound", {"max_tokens": 20}), ("open", {})):
            statuses = storm(lab, name, "net", 1000, **fields)
            rows, shown = check_books(score, lab, name, one["net"] * 10)
            served = statuses.count(200)
            score.check(f"{name}: at most what fits, at least one, the rest 402",
                        1 <= served <= 10 and statuses.count(402) == 1000 - served,
                        {status: statuses.count(status) for status in set(statuses)})
            score.check(f"{name}: rows = answers", sum(row["charged_nano"] > 0 for row in rows) == served, len(rows))
            score.say(f"     {name}: {served} served, {shown['remaining_nano']} nano left of {one['net'] * 10}")
    finally:
        score.check("the daemon ends cleanly", lab.stop()[0] == 0)


def leave(score, binary, drain_ms):
    """The client is gone after event k, for every k."""
    paced = f"sim-fast:output={TOKENS},tokens-per-second=400"
    lab = Lab(binary, [("net", "net", paced), ("in", "inside", paced)], [("acme", 100)],
              f'{{"on_disconnect": {{"drain_ms": {drain_ms}}}}}')
    try:
        for model in ("net", "in"):
            for k in range(EVENTS):
                lab.leave_after("acme", model, f"leave-{model}-{k}", k)
        check_books(score, lab, "acme", 100 * 10**9)
        rows = {row["request_id"]: row for row in lab.rows(customer="acme")}
        exact = 0
        for model in ("net", "in"):
            for k in range(EVENTS):
                row = rows.get(f"leave-{model}-{k}")
                if k == 0 and row is None:
                    continue  # left before its request was read: nothing was sent, nothing is charged
                score.check(f"drain {drain_ms}, {model}, event {k}: one row", row is not None)
                if row is None:
                    continue
                exact += row["usage_source"] == "provider"
                score.check(f"drain {drain_ms}, {model}, event {k}: charged by its tokens",
                            row["cost_nano"] == cost_nano(row) and (row["input_tokens"] > 0 or row["cost_nano"] == 0), row)
                score.check(f"drain {drain_ms}, {model}, event {k}: at most what the provider made",
                            row["output_tokens"] <= TOKENS + 1, row)
                if k > 1:
                    score.check(f"drain {drain_ms}, {model}, event {k}: input and at least what was delivered",
                                row["cost_nano"] > 0 and row["output_tokens"] >= min(k - 2, TOKENS) // 2, row)
                if drain_ms:
                    score.check(f"drain {drain_ms}, {model}, event {k}: drained to the provider's usage",
                                row["cost_nano"] == 0 or row["usage_source"] == "provider", row)
        score.say(f"     leave at every event, drain {drain_ms} ms: {exact} of {len(rows)} charged by the provider's usage")
    finally:
        score.check("the daemon ends cleanly", lab.stop()[0] == 0)


def cut(score, binary):
    """The provider cuts or resets after event k, for every k; plain answers after every 97th byte."""
    models = []
    for kind in ("cut", "reset"):
        for k in range(EVENTS):
            models.append((f"{kind}-{k}", "net", f"sim-fast:output={TOKENS},fault={kind}-mid-stream={k}"))
            models.append((f"in-{kind}-{k}", "inside", f"sim-fast:output={TOKENS},fault={kind}-mid-stream={k}"))
    lab = Lab(binary, models, [("acme", 100)])
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            jobs = {alias: pool.submit(lab.call, "acme", alias, True, alias) for alias, _, _ in models}
            answers = {alias: job.result() for alias, job in jobs.items()}
        check_books(score, lab, "acme", 100 * 10**9)
        rows = {row["request_id"]: row for row in lab.rows(customer="acme")}
        for alias, (status, _, body) in answers.items():
            row = rows.get(alias)
            ending = stream_ending(body) if status == 200 else f"status {status}"
            score.check(f"{alias}: one row", row is not None)
            if row is None:
                continue
            if status == 200:
                delivered = text_of(body)
                score.check(f"{alias}: an error event, or all of it", ending in ("error", "done"), ending)
                score.check(f"{alias}: input and what was delivered",
                            row["cost_nano"] == cost_nano(row) > 0 and
                            row["output_tokens"] >= len(delivered.encode()) // 4 and row["output_tokens"] <= TOKENS + 1, row)
            else:
                score.check(f"{alias}: an error before the first byte is 502 and free",
                            status == 502 and row["cost_nano"] == 0, (status, row))
        begun = sum(answer[0] == 200 for answer in answers.values())
        score.say(f"     cut and reset at every event: {len(answers)} streams, {begun} began and were charged, {len(answers) - begun} free")
    finally:
        score.check("the daemon ends cleanly", lab.stop()[0] == 0)


def repeat(score, binary):
    """The same Idempotency-Key: one upstream call, one charge, one answer; also across kill -9."""
    lab = Lab(binary, [("net", "net", "sim-fast:output=20"), ("slow", "net", "sim-fast:output=40,tokens-per-second=20")],
              [("acme", 100)])
    try:
        for stream in (False, True):
            key = f"same-{stream}"
            with concurrent.futures.ThreadPoolExecutor(20) as pool:
                jobs = [pool.submit(lab.call, "acme", "net", stream, f"{key}-{number}", 30, idempotency_key=key)
                        for number in range(20)]
                answers = [job.result() for job in jobs]
            again = lab.call("acme", "net", stream, f"{key}-again", 30, idempotency_key=key)
            bodies = {body for status, _, body in answers + [again] if status == 200}
            score.check(f"stream {stream}: 200 or 409, one answer",
                        {status for status, _, _ in answers} <= {200, 409} and len(bodies) == 1 and again[0] == 200,
                        [status for status, _, _ in answers])
            score.check(f"stream {stream}: one charge", sum(row["request_id"].startswith(key) for row in lab.rows()) == 1)
            other = lab.call("acme", "slow", stream, f"{key}-other", 30, idempotency_key=key)
            score.check(f"stream {stream}: another request with the key is refused", other[0] == 422, other[0])
        lab.leave_after("acme", "slow", "killed", 3, idempotency_key="killed")
        lab.daemon.kill()
        lab.daemon.wait()
        lab.start()
        kept = lab.call("acme", "net", True, "kept", 30, idempotency_key="same-True")
        score.check("after kill -9 the stored answer is still there", kept[0] == 200 and kept[2] in bodies, kept[0])
        lost = lab.call("acme", "slow", True, "lost", 30, idempotency_key="killed")
        score.check("after kill -9 an interrupted call is not repeated", lost[0] == 409, lost[0])
        check_books(score, lab, "acme", 100 * 10**9)
    finally:
        score.check("the daemon ends cleanly", lab.stop()[0] == 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(ROOT / "build" / "cota"))
    binary = os.path.abspath(parser.parse_args().binary)
    score = Score()
    for name, suite in (("1,000 calls on a credit for 10", over), ("clients that leave", lambda s, b: leave(s, b, 1000)),
                        ("clients that leave, no drain", lambda s, b: leave(s, b, 0)), ("providers that cut", cut), ("the same Idempotency-Key", repeat)):
        score.say(f"---- {name}")
        suite(score, binary)
    print(f"{score.passed} passed, {score.failed} failed, 0 skipped")
    sys.exit(1 if score.failed else 0)


if __name__ == "__main__":
    main()
