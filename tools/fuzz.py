#!/usr/bin/env python3
"""fuzz.py - builds the libFuzzer targets (clang, ASan, UBSan) and runs each for a number of seconds.

Findings go to build/fuzz/findings, the grown corpora to build/fuzz/corpus. Ends with a table; exit 1 on a finding.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "fuzz"
FINDINGS = BUILD / "findings"
PROGRESS_S = 10


def build():
    if not (BUILD / "build.ninja").exists():
        environment = dict(os.environ, CC="clang-14")
        subprocess.run(["meson", "setup", str(BUILD), "-Dfuzz=true", "-Doptimization=1",
                        "-Db_sanitize=address,undefined", "-Db_lundef=false"],
                       cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    else:  # a target that is new since then must not be missed
        subprocess.run(["meson", "setup", "--reconfigure", str(BUILD)], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)
    listing = subprocess.run(["ninja", "-C", str(BUILD), "-t", "targets", "all"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
    targets = sorted(re.findall(r"^tests/fuzz/fuzz_(\w+):", listing, re.M))
    if targets:
        subprocess.run(["ninja", "-C", str(BUILD), "--quiet"] + [f"tests/fuzz/fuzz_{name}" for name in targets],
                       check=True)
    return targets


def run(name, seconds):
    """One target to its end. Returns (name, executions, executions per second, findings, last words)."""
    grown = BUILD / "corpus" / name
    grown.mkdir(parents=True, exist_ok=True)
    seeds = ROOT / "tests" / "fuzz" / "corpus" / name
    dictionary = ROOT / "tests" / "fuzz" / f"{name}.dict"
    before = set(FINDINGS.glob(f"{name}-*"))
    command = [str(BUILD / "tests" / "fuzz" / f"fuzz_{name}"), f"-max_total_time={seconds}",
               f"-artifact_prefix={FINDINGS}/{name}-", "-print_final_stats=1", "-timeout=10",
               "-rss_limit_mb=2048", str(grown)]
    if seeds.is_dir():
        command.append(str(seeds))
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    log = BUILD / f"{name}.log"
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=1",
                       UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment)
        started = time.monotonic()
        while True:
            try:
                process.wait(timeout=PROGRESS_S)
                break
            except subprocess.TimeoutExpired:
                pulse = re.findall(r"^#(\d+).*cov: (\d+).*$", log.read_text(errors="replace"), re.M)
                executions, coverage = pulse[-1] if pulse else ("0", "0")
                print(f"  {name}: {time.monotonic() - started:.0f} s, {int(executions):,} inputs, "
                      f"{coverage} edges", flush=True)
                if time.monotonic() - started > seconds + 60:
                    process.kill()
    text = log.read_text(errors="replace")
    executions = re.findall(r"stat::number_of_executed_units:\s*(\d+)", text)
    rate = re.findall(r"stat::average_exec_per_sec:\s*(\d+)", text)
    findings = sorted(set(FINDINGS.glob(f"{name}-*")) - before)
    bad = len(findings) or int(process.returncode != 0)
    return (name, int(executions[-1]) if executions else 0, int(rate[-1]) if rate else 0, bad,
            "" if not bad else "\n".join(text.splitlines()[-25:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("target", nargs="*")
    options = parser.parse_args()
    if not shutil.which("clang-14"):
        sys.exit("clang-14 is missing: tools/bootstrap.sh test")
    targets = build()
    if unknown := set(options.target) - set(targets):
        sys.exit(f"no such fuzz target: {', '.join(sorted(unknown))} (there are: {', '.join(targets)})")
    targets = options.target or targets
    FINDINGS.mkdir(parents=True, exist_ok=True)
    print(f"{len(targets)} targets, {options.seconds} s each", flush=True)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(lambda name: run(name, options.seconds), targets))
    for name, _, _, bad, words in rows:
        if bad:
            print(f"--- {name}\n{words}")
    print(f"\n{'target':<14} {'execs':>14} {'execs/s':>10} {'findings':>9}")
    for name, executions, rate, bad, _ in rows:
        print(f"{name:<14} {executions:>14,} {rate:>10,} {bad:>9}")
    if not targets:
        print("no fuzz target exists yet")
    return 1 if any(row[3] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
