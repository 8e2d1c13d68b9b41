#!/usr/bin/env python3
"""test.py - runs every suite, one line each, and ends with "N passed, N failed, N skipped" alone on its last line.

usage: tools/test.py [--list] [suite…]
A suite is either a Meson build whose programs are run (each cmocka case counts as one), or a script. A script may end
with a line "N passed, N failed, N skipped"; otherwise its exit code makes one case. Logs: build/test-logs/<suite>.log.
Builds run alone; what comes after them two at a time, for most of it waits; two of one folder never together.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

from fixtures import UNPACKED, fixtures

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "test-logs"
SUITE_SECONDS_MAX = 600
TAIL_LINES = 40
EXIT_SKIPPED = 77
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped\b", re.M)
THREADED = ["net", "journal", "book", "govern", "gateway"]  # layers whose code runs on several threads


class Outcome:
    """What a suite came to: counts, and for each failure its name and its last words."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.notes = []

    def fail(self, name, text, cases=1):
        self.failed += cases
        self.failures.append((name, text))

    def skip(self, why):
        self.skipped += 1
        self.notes.append(why)


def environment():
    result = dict(os.environ)
    result["ASAN_OPTIONS"] = "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=0"
    result["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1"
    result["TSAN_OPTIONS"] = "halt_on_error=1:second_deadlock_stack=1"
    if UNPACKED.exists():
        result["COTA_FIXTURES"] = str(UNPACKED)
    return result


def run(command, log, seconds=SUITE_SECONDS_MAX):
    """Runs to the end or the deadline; everything that it says goes to the log. Returns (exit code, text)."""
    with log.open("ab") as out:
        position = out.tell()
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=environment(),
                                   stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)  # the session that we started, and nothing else
            process.wait()
            code = "timeout"
            out.write(f"\nstopped after {seconds} s\n".encode())
        except BaseException:
            os.killpg(process.pid, 15)
            raise
    with log.open("rb") as text:
        text.seek(position)
        return code, text.read().decode(errors="replace")


def script(*command, needs=None, seconds=SUITE_SECONDS_MAX):
    """A suite that is one program. `needs`: a file without which it is skipped."""

    def suite(log, outcome):
        if not (ROOT / command[0]).exists():
            return outcome.skip(f"{command[0]} does not exist yet")
        if needs and not (ROOT / needs).exists():
            return outcome.skip(f"{needs} was not built")
        interpreter = [sys.executable] if command[0].endswith(".py") else []
        code, text = run(interpreter + list(command), log, seconds)
        counts = SUMMARY.findall(text)
        if counts:
            passed, failed, skipped = map(int, counts[-1])
            outcome.passed += passed
            outcome.skipped += skipped
            if failed or code not in (0, 1):
                outcome.fail(command[0], text, max(failed, 1))
            elif code == 1:
                outcome.fail(command[0], text)
            outcome.notes += re.findall(r"^skip(?:ped)?:? (.*)$", text, re.M)
        elif code == 0:
            outcome.passed += 1
        elif code == EXIT_SKIPPED:
            outcome.skip((text.strip().splitlines() or ["skipped"])[-1])
        else:
            outcome.fail(command[0], text)

    return suite


def count_case(row, outcome):
    """One program of `meson test`: a row of testlog.json."""
    said = row.get("stdout") or ""
    passed = len(re.findall(r"^\[ +OK +\] \S", said, re.M))
    failed = len(re.findall(r"^\[ +FAILED +\] \w+$", said, re.M))
    skipped = len(re.findall(r"^\[ +SKIPPED +\] \w+$", said, re.M))
    text = said + (row.get("stderr") or "")
    good = row["result"] in ("OK", "SKIP", "EXPECTEDFAIL")
    outcome.passed += passed
    outcome.skipped += skipped
    outcome.notes += re.findall(r"^skip(?:ped)?:? (.*)$", text, re.M)
    if row["result"] == "SKIP":
        outcome.skip(f"{row['name']}: {(text.strip().splitlines() or ['says nothing'])[-1]}")
    elif good and passed + failed + skipped == 0:
        outcome.passed += 1
    elif not good:
        outcome.fail(f"{row['name']} ({row['result'].lower()})", text, max(failed, 1))


def meson(name, *options, only=None):
    """A suite that is a Meson build: configure once, build, run. `only`: these Meson suites, and no others."""

    def suite(log, outcome):
        folder = ROOT / "build" / name
        if not (folder / "build.ninja").exists():
            code, text = run(["meson", "setup", str(folder), "-Doptimization=1", "-Ddebug=true", *options], log)
            if code != 0:
                return outcome.fail("configure", text)
        code, text = run(["ninja", "-C", str(folder), "--quiet", "build.ninja"], log)
        if code != 0:
            return outcome.fail("configure", text)
        listing = json.loads(subprocess.run(["meson", "introspect", str(folder), "--tests"], check=True,
                                            stdout=subprocess.PIPE).stdout)
        chosen = [test for test in listing
                  if only is None or any(part.split(":")[-1] in only for part in test["suite"])]
        if not chosen:
            return outcome.skip(f"no test of {', '.join(only or ['any layer'])} exists yet")
        programs = [os.path.relpath(test["cmd"][0], folder) for test in chosen]
        targets = sorted(set(programs)) if only else []
        code, text = run(["ninja", "-C", str(folder), "--quiet", *targets], log)
        if code != 0:
            return outcome.fail("build", text)
        # TSan of gcc 12 does not know every layout of a randomised address space.
        steady = ["setarch", "-R"] if "thread" in " ".join(options) and can_steady() else []
        rows = folder / "meson-logs" / "testlog.json"
        rows.unlink(missing_ok=True)
        command = steady + ["meson", "test", "-C", str(folder), "--no-rebuild", "--quiet"]
        code, text = run(command + sorted({test["name"] for test in chosen}), log)
        if not rows.exists():
            return outcome.fail("meson test", text)
        for line in rows.read_text(errors="replace").splitlines():
            count_case(json.loads(line), outcome)
        if code == "timeout":
            outcome.fail("meson test", text)

    return suite


def can_steady():
    return shutil.which("setarch") and subprocess.run(["setarch", "-R", "true"], stderr=subprocess.DEVNULL).returncode == 0


def release(log, outcome):
    code, text = run(["tools/build.sh"], log)
    if code == 0:
        outcome.passed += 1
    else:
        outcome.fail("tools/build.sh", text)


ASAN = "build/asan/src/cota"
COTA = "build/cota"
SUITES = {  # in this order: what is quick and tells most comes first
    "tidy": script("tools/tidy.py"),
    "format": script("tools/format.sh", "--check"),
    "tools": script("tools/test_tidy.py"),
    "asan": meson("asan", "-Db_sanitize=address,undefined"),
    "tsan": meson("tsan", "-Db_sanitize=thread", only=THREADED),
    "release": release,
    "docs": script("tools/docs_check.sh"),
    "sim": script("build/asan/tests/sim/sim", "--runs", "40", "--seed", "1"),
    "e2e": script("tests/e2e/run.py", "--binary", COTA, needs=COTA),
    "team": script("tests/e2e/team.py", "--binary", COTA, needs=COTA),
    "team-asan": script("tests/e2e/team.py", "--binary", ASAN, needs=ASAN),
    "management": script("tests/e2e/management.py", "--binary", COTA, needs=COTA),
    "management-asan": script("tests/e2e/management.py", "--binary", ASAN, needs=ASAN),
    "governance": script("tests/e2e/governance.py", "--binary", COTA, needs=COTA),
    "governance-asan": script("tests/e2e/governance.py", "--binary", ASAN, needs=ASAN),
    "decisions": script("tests/e2e/decisions.py", "--binary", COTA, needs=COTA),
    "decisions-asan": script("tests/e2e/decisions.py", "--binary", ASAN, needs=ASAN),
    "money-terms": script("tests/e2e/money_terms.py", "--binary", COTA, needs=COTA),
    "money-terms-asan": script("tests/e2e/money_terms.py", "--binary", ASAN, needs=ASAN),
    "alerts": script("tests/e2e/alerts.py", "--binary", COTA, needs=COTA),
    "alerts-asan": script("tests/e2e/alerts.py", "--binary", ASAN, needs=ASAN),
    "events": script("tests/e2e/events.py", "--binary", COTA, needs=COTA),
    "events-asan": script("tests/e2e/events.py", "--binary", ASAN, needs=ASAN),
    "identity": script("tests/e2e/identity.py", "--binary", COTA, needs=COTA),
    "identity-asan": script("tests/e2e/identity.py", "--binary", ASAN, needs=ASAN),
    "million": script("tests/e2e/million.py", "--binary", COTA, needs=COTA),
    "million-asan": script("tests/e2e/million.py", "--binary", ASAN, needs=ASAN),
    "compat": script("tests/e2e/compat.py", "--binary", COTA, needs=COTA),
    "compat-asan": script("tests/e2e/compat.py", "--binary", ASAN, needs=ASAN),
    "assistants": script("tests/e2e/assistants.py", "--binary", COTA, needs=COTA),
    "assistants-asan": script("tests/e2e/assistants.py", "--binary", ASAN, needs=ASAN),
    "own-keys": script("tests/e2e/own_keys.py", "--binary", COTA, needs=COTA),
    "own-keys-asan": script("tests/e2e/own_keys.py", "--binary", ASAN, needs=ASAN),
    "files": script("tests/e2e/files.py", "--binary", COTA, needs=COTA),
    "files-asan": script("tests/e2e/files.py", "--binary", ASAN, needs=ASAN),
    "e2e-asan": script("tests/e2e/run.py", "--binary", ASAN, needs=ASAN),
    "money": script("tests/money/run.py", "--binary", COTA, needs=COTA),
    "money-asan": script("tests/money/run.py", "--binary", ASAN, needs=ASAN),
    "faults": script("tests/money/faults.py", "--binary", COTA, needs=COTA),
    "faults-asan": script("tests/money/faults.py", "--binary", ASAN, needs=ASAN),
    "hostile": script("tests/hostile/run.py", "--binary", COTA, needs=COTA),
    "hostile-asan": script("tests/hostile/run.py", "--binary", ASAN, needs=ASAN),
    "sql": script("tests/e2e/sql.py", "--binary", COTA, needs=COTA),
    "sql-asan": script("tests/e2e/sql.py", "--binary", ASAN, needs=ASAN),
    "forecast": script("tests/e2e/forecast.py", "--binary", COTA, needs=COTA),
    "forecast-asan": script("tests/e2e/forecast.py", "--binary", ASAN, needs=ASAN),
    "sdk": script("tests/sdk/run.sh", COTA, needs=COTA),
    "sdk-typescript": script("tests/sdk/typescript.sh", COTA, needs=COTA),
    "property": script("tests/property/run.sh", "--binary", COTA, needs=COTA),
    "property-asan": script("tests/property/run.sh", "--binary", ASAN, "--runs", "30", needs=ASAN),
    "crash": script("tests/crash/run.py", "--binary", COTA, "--kills", "8", needs=COTA),
}


ALONE = {"tidy", "format", "tools", "asan", "tsan", "release", "docs", "sim"}  # compilers take all cores; unit tests are many
PRINTING = threading.Lock()


def show(name, outcome, seconds, log):
    state = f"{outcome.passed:6} passed {outcome.failed:4} failed {outcome.skipped:4} skipped {seconds:6.1f} s"
    print(f"{name:<17}{state}", flush=True)
    for note in sorted(set(outcome.notes))[:8]:
        print(f"    skipped: {note}")
    for case, text in outcome.failures:
        print(f"\n--- {name}: {case} (whole log: {log.relative_to(ROOT)})")
        print("\n".join(text.strip().splitlines()[-TAIL_LINES:]))
        print("---\n", flush=True)


def run_suite(name, folder=contextlib.nullcontext()):
    log = LOGS / f"{name}.log"
    log.write_bytes(b"")
    outcome = Outcome()
    with folder:
        started = time.monotonic()
        SUITES[name](log, outcome)
        seconds = time.monotonic() - started
    with PRINTING:
        show(name, outcome, seconds, log)
    return outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="the names of the suites")
    parser.add_argument("suite", nargs="*")
    options = parser.parse_args()
    if options.list:
        print("\n".join(SUITES))
        return 0
    if unknown := set(options.suite) - set(SUITES):
        parser.error(f"no such suite: {', '.join(sorted(unknown))} (there are: {', '.join(SUITES)})")
    LOGS.mkdir(parents=True, exist_ok=True)
    if fixtures() is None:
        print("no ../shared/fixtures here: the tests that read them are skipped")
    wanted = [name for name in SUITES if not options.suite or name in options.suite]
    total, folders = Outcome(), collections.defaultdict(threading.Lock)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        alone = [run_suite(name) for name in wanted if name in ALONE]
        rest = sorted((name for name in wanted if name not in ALONE), key=lambda name: name.endswith("-asan"))  # far from its twin
        together = [pool.submit(run_suite, name, folders[name.removesuffix("-asan")]) for name in rest]
        for outcome in alone + [each.result() for each in together]:
            total.passed += outcome.passed
            total.failed += outcome.failed
            total.skipped += outcome.skipped
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
