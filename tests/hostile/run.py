#!/usr/bin/env python3
"""run.py - hostile clients, hostile providers and recorded traffic against a real daemon.

usage: tests/hostile/run.py [--binary build/cota] [--only PART] [--keep]
Own wire cases run always; the shared fixtures' black-box runners (HTTP, JSON, faults, clients, replay) and the bad
certificates only where the fixtures are. Every finding of a runner is a failed case. The daemon must answer after each
part, must end cleanly, and its log must hold no sanitizer report. Last line: N passed, N failed, N skipped.
"""
import argparse
import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from fixtures import fixtures  # noqa: E402 - it lies in tools/

KEY = "ck_test_hostile_0123456789abcdef0123456789abcdef"
READY_S = 20
STOP_S = 30
CERTIFICATES = {"good": 200, "expired": 502, "self": 502, "wronghost": 502, "cnonly": 502, "wildcard": 502}
REPORTS = re.compile(r"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|must_failed|detected memory leaks)")


class Score:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def case(self, good, sentence, detail=""):
        self.passed += bool(good)
        self.failed += not good
        if not good:
            print(f"FAILED: {sentence} {detail}", flush=True)

    def skip(self, why):
        self.skipped += 1
        print(f"skipped: {why}", flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process, what):
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{what} does not listen on port {port}")


class Process:
    """A program that we started, with a log; stopped by its own id."""

    def __init__(self, what, command, port, log, environment=None):
        self.what, self.log = what, log
        with log.open("ab") as out:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, env=environment)
        try:
            wait_for(port, self.process, what)
        except RuntimeError:
            self.stop()
            raise

    def stop(self):
        """TERM, then KILL. Returns the exit code, None when it had to be killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return None
        return self.process.returncode


class World:
    """The daemon, the mock providers that it talks to, and where they are."""

    def __init__(self, binary, work, kit):
        self.binary, self.work, self.kit = binary, work, kit
        self.sanitized = b"__asan_init" in binary.read_bytes() or b"__tsan_init" in binary.read_bytes()
        self.port, self.mock_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.mocks = []
        self.tls_ports = {}
        if kit:
            mock = [sys.executable, kit / "mock_upstream.py"]
            self.mocks.append(Process("mock", [*mock, "--port", self.mock_port], self.mock_port, work / "mock.log"))
            for name in CERTIFICATES:
                port = self.tls_ports[name] = free_port()
                certificate = [kit / "certs" / f"{name}.pem", kit / "certs" / f"{name}.key"]
                command = [*mock, "--port", port, "--corpus", work / "none", "--tls", *certificate]
                self.mocks.append(Process(f"mock-{name}", command, port, work / f"mock-{name}.log"))
        self.write_config()
        self.cota = None

    def write_config(self):
        timeouts = "timeouts: {connect_ms: 2000, first_byte_ms: 2500, idle_ms: 2500}"
        price = "price: {input: 0.15, output: 0.60, cached_input: 0.075}"
        providers = [f'{{name: mock, dialect: openai, base_url: "http://127.0.0.1:{self.mock_port}/v1", '
                     f'api_key: "sk-mock-provider", {timeouts}}}']
        models = [f"{{name: m, provider: mock, model: m, max_output_tokens: 16384, {price}}}"]
        for name, port in self.tls_ports.items():
            providers.append(f'{{name: tls-{name}, dialect: openai, base_url: "https://localhost:{port}/v1", '
                             f'api_key: "sk-mock-provider", ca_file: "{self.kit}/certs/ca.pem", {timeouts}}}')
            models.append(f"{{name: tls-{name}, provider: tls-{name}, model: m, max_output_tokens: 16384, {price}}}")
        customers = [f'{{id: hostile, credit_usd: 1000000, keys: [{{name: main, secret: "{KEY}"}}]}}']
        lines = [f"listen: 127.0.0.1:{self.port}", f'data_dir: "{self.work}/data"', "workers: auto", "store: sqlite",
                 "durability: group", 'encryption_keys: ["${env:ENCRYPTION_KEY}"]']
        for title, items in (("providers", providers), ("models", models), ("customers", customers)):
            lines += [f"{title}:"] + [f"  - {item}" for item in items]
        (self.work / "cota.yaml").write_text("\n".join(lines) + "\n")

    def start(self):
        environment = dict(os.environ, ENCRYPTION_KEY=base64.urlsafe_b64encode(b"hostile-test-key-of-32-bytes-ok!").decode(),
                           ASAN_OPTIONS="detect_leaks=1:quarantine_size_mb=16", TSAN_OPTIONS="halt_on_error=0",
                           UBSAN_OPTIONS="print_stacktrace=1")
        command = [self.binary, "serve", "-c", self.work / "cota.yaml"]
        self.cota = Process("cota", command, self.port, self.work / "cota.log", environment)

    def stop(self):
        for mock in self.mocks:
            mock.stop()

    def chat(self, model="m", headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "[[fx:syn;rid=hostile]]"}]})
        connection.request("POST", "/v1/chat/completions", body,
                           {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **dict(headers)})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text


# --- own cases: no fixture needed ---------------------------------------------------------------

BODY = b'{"model":"m","messages":[]}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
REFUSED = [  # sentence, bytes, allowed statuses (0: closed without an answer)
    ("Content-Length and Transfer-Encoding together", HEAD + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    ("two different Content-Length", HEAD + LENGTH + b"Content-Length: 5\r\n\r\n" + BODY, {400}),
    ("two equal Content-Length", HEAD + LENGTH + LENGTH + b"\r\n" + BODY, {400}),
    ("a list as Content-Length", HEAD + b"Content-Length: 27, 27\r\n\r\n" + BODY, {400}),
    ("a signed Content-Length", HEAD + b"Content-Length: +27\r\n\r\n" + BODY, {400}),
    ("a folded header line", HEAD + b"X-A: b\r\n c\r\n" + LENGTH + b"\r\n" + BODY, {400}),
    ("bare LF line ends", HEAD.replace(b"\r\n", b"\n") + LENGTH.replace(b"\r\n", b"\n") + b"\n" + BODY, {400}),
    ("a space before the colon", HEAD + b"Content-Length : 27\r\n\r\n" + BODY, {400}),
    ("an unknown transfer coding", HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", {400, 415, 501}),
    ("chunked twice", HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", {400, 415}),
    ("a chunk size that is no number", HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", {400}),
    ("a chunk size of 17 digits", HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\nabc\r\n", {400, 413}),
    ("NUL in a header value", HEAD + b"X-A: b\0c\r\n" + LENGTH + b"\r\n" + BODY, {400}),
    ("two Host headers", HEAD + b"Host: y\r\n" + LENGTH + b"\r\n" + BODY, {400}),
    ("no Host header", HEAD.replace(b"Host: x\r\n", b"") + LENGTH + b"\r\n" + BODY, {400}),
    ("two Authorization headers", HEAD + b"Authorization: Bearer other\r\n" + LENGTH + b"\r\n" + BODY, {400}),
    ("a head of 40 kB", HEAD + b"X-A: " + b"a" * 40000 + b"\r\n\r\n", {431}),
    ("200 header lines", HEAD + b"X-A: b\r\n" * 200 + b"\r\n", {431}),
    ("a target of 9 kB", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {414, 431}),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505, 0}),
    ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64, {400, 0}),
]
REFUSED_ONLY = [  # the framing is sound: the connection may stay
    ("CONNECT", b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", {400, 404, 405, 501}),
    ("100 MB by Content-Length", HEAD + b"Content-Length: 104857600\r\n\r\n", {413}),
    ("a body that is cut JSON", HEAD + b"Content-Length: 5\r\n\r\n{\"a\":", {400}),
    ("a body of 200 nested arrays", HEAD + b"Content-Length: 400\r\n\r\n" + b"[" * 200 + b"]" * 200, {400}),
]


def exchange(port, raw, seconds=5):
    """Sends raw bytes; the first status that comes back (0: none), and whether the daemon closed."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.settimeout(seconds)
        received, closed = b"", False
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            connection.sendall(raw)
        try:
            while not (data := connection.recv(65536)) == b"":
                received += data
            closed = True
        except TimeoutError:
            pass
        except ConnectionError:
            closed = True
    found = re.match(rb"HTTP/1\.1 (\d{3})", received)
    return int(found[1]) if found else 0, closed


def part_wire(world, score):
    """Broken and oversized requests are refused, and their connection is closed."""
    for sentence, raw, allowed in REFUSED:
        status, closed = exchange(world.port, raw, 3)
        score.case(status in allowed and closed, f"{sentence}:", f"status {status}, closed {closed}")
    for sentence, raw, allowed in REFUSED_ONLY:
        status, _ = exchange(world.port, raw, 1)
        score.case(status in allowed, f"{sentence}:", f"status {status}")
    held = []
    started = time.monotonic()
    for _ in range(100):
        connection = socket.create_connection(("127.0.0.1", world.port), 5)
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n")
        held.append(connection)
    while time.monotonic() - started < 14:
        for connection in held:
            with contextlib.suppress(OSError):
                connection.sendall(b"X")
        time.sleep(0.5)
    open_still = 0
    for connection in held:
        connection.setblocking(False)
        try:
            while connection.recv(4096) != b"":
                pass
        except BlockingIOError:
            open_still += 1
        except OSError:
            pass
        connection.close()
    score.case(open_still == 0, "heads that never end are closed at their deadline:", f"{open_still} of 100 still open")


# --- the shared fixtures' runners ---------------------------------------------------------------


def runner(world, name, *arguments, seconds=300):
    """Runs one script of the kit. Returns what it said."""
    log = world.work / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, str(world.kit / f"{name.split('-')[0]}.py"), *map(str, arguments)],
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            out.write(b"\nstopped: too slow\n")
    return log.read_text(errors="replace")


def count(score, name, text, total, bad, lines):
    """Turns a runner's figures into cases; `lines` are its own words about what was bad."""
    if total is None or bad is None:
        score.case(False, f"{name}: the runner did not finish:", "\n" + "\n".join(text.splitlines()[-15:]))
        return
    score.passed += total - bad
    score.failed += bad
    for line in lines[:20]:
        print(f"FAILED: {name}: {line[:220]}")


def number(pattern, text):
    found = re.search(pattern, text, re.M)
    return int(found[1]) if found else None


def part_http1(world, score, drip=False):
    """Raw HTTP/1 requests, valid and hostile."""
    name = "run_http1-drip" if drip else "run_http1"
    rows = world.work / f"{name}.tsv"
    text = runner(world, name, "--port", world.port, "--mock", world.mock_port, "--set", "dev", "--out", rows,
                  *(["--drip"] if drip else []))
    good, bad = number(r"^TOTAL .*'pass': (\d+)", text), number(r"^TOTAL .*'FAIL': (\d+)", text)
    lines = [line for line in rows.read_text().splitlines() if "\tFAIL" in line] if rows.exists() else []
    count(score, name, text, None if good is None else good + (bad or 0), bad or 0, lines)
    score.case(number(r"; (\d+) to /smuggled", text) == 0, f"{name}: nothing was smuggled to the provider")
    score.case("alive yes" in text, f"{name}: the daemon listens afterwards")


def part_http1_drip(world, score):
    """The same, one byte at a time."""
    part_http1(world, score, drip=True)


def part_json(world, score):
    """JSON bodies of every kind, and naughty strings."""
    text = runner(world, "run_json", "--gw", world.url, "--mock", world.mock_port, "--set", "dev", "--key", KEY)
    count(score, "run_json", text, number(r"^total (\d+) bad", text), number(r"^total \d+ bad (\d+)", text),
          [line for line in text.splitlines() if line.startswith("(")])


def part_faults(world, score):
    """Providers that fail in 41 ways."""
    extra = [] if world.sanitized else ["--pid", world.cota.process.pid]
    text = runner(world, "faults", "--gw", world.url, "--key", KEY, "--limit", 6, *extra)
    count(score, "faults", text, number(r"^faults (\d+) bad", text), number(r"^faults \d+ bad (\d+)", text),
          [line for line in text.splitlines() if " BAD want " in line or "POISON" in line])


def part_clients(world, score):
    """Clients that stop, leave, drip, flood. A sanitizer's memory is not the daemon's: no RSS there."""
    extra = [] if world.sanitized else ["--pid", world.cota.process.pid]
    text = runner(world, "clients", "--gw", world.url, "--mock", world.mock_port, "--key", KEY, *extra)
    judged = [line for line in text.splitlines() if re.search(r"\s(ok|BAD want .*)$", line)]
    bad = number(r"^BAD (\d+)", text)
    count(score, "clients", text, len(judged) if bad is not None else None, bad,
          [line for line in judged if " BAD want " in line])


def part_replay(world, score):
    """Recorded answers of real providers come back as they were."""
    for name, vectors in (("replay", "dev"), ("replay-wire", "wire-dev"), ("replay-bytes", "wire-dev")):
        options = ["--opts", "chunk=1"] if name == "replay-bytes" else []
        text = runner(world, name, "--gw", world.url, "--api", "openai.chat", "--set", vectors, "--key", KEY, *options)
        count(score, name, text, number(r"^total (\d+) bad", text), number(r"^total \d+ bad (\d+)", text),
              [line for line in text.splitlines() if line.startswith("(")])


def part_certificates(world, score):
    """A provider whose certificate is not good is never talked to."""
    for name, expected in CERTIFICATES.items():
        status, text = world.chat(f"tls-{name}")
        score.case(status == expected, f"a provider with the certificate '{name}':", f"status {status}, {text[:160]!r}")


PARTS = {"wire": (part_wire, False), "certificates": (part_certificates, True), "http1": (part_http1, True),
         "http1-drip": (part_http1_drip, True), "json": (part_json, True), "replay": (part_replay, True),
         "faults": (part_faults, True), "clients": (part_clients, True)}


def settle(world, score):
    """At rest the daemon holds no customer's money. It has ten seconds to come to rest."""
    deadline = time.monotonic() + 10
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        held = re.search(r"^cota_holds_live(?:\{[^}]*\})? (\S+)", text, re.M)
        if (held and float(held[1]) == 0) or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    score.case(held and float(held[1]) == 0, "nothing is held at rest:", held[0] if held else "no cota_holds_live in /metrics")


def run_part(world, score, name, part):
    started = time.monotonic()
    before = score.failed
    try:
        part(world, score)
        status, text = world.chat() if world.kit else (401, b"")
        if world.kit:
            score.case(status == 200, f"{name}: a good call is served afterwards:", f"status {status}, {text[:160]!r}")
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        score.case(False, f"{name}: stopped by", repr(error))
    died = world.cota.process.poll()
    score.case(died is None, f"{name}: the daemon is alive", f"(it ended with {died})")
    if died is not None:
        world.start()
    print(f"{name:<14} {time.monotonic() - started:6.1f} s  {score.failed - before} failed", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build" / "cota")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; may be given more than once")
    options = parser.parse_args()
    binary = options.binary.resolve()
    folder = fixtures()
    work = ROOT / "build" / "hostile" / ("asan" if "asan" in str(binary) else "plain")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    score = Score()
    world = World(binary, work, folder / "kit" if folder else None)
    try:
        world.start()
        for name, (part, needs_kit) in PARTS.items():
            if options.only and name not in options.only:
                continue
            if needs_kit and not folder:
                score.skip(f"{name}: no ../shared/fixtures here")
                continue
            run_part(world, score, name, part)
        settle(world, score)
        code = world.cota.stop()
        score.case(code == 0, "the daemon ends cleanly on TERM:", f"exit {code}")
        log = (work / "cota.log").read_text(errors="replace")
        report = REPORTS.search(log)
        score.case(report is None, "its log holds no report of a sanitizer or an assertion:",
                   log[report.start():report.start() + 2000] if report else "")
    finally:
        if world.cota:
            world.cota.stop()
        world.stop()
    print(f"{score.passed} passed, {score.failed} failed, {score.skipped} skipped")
    return 1 if score.failed else 0


if __name__ == "__main__":
    sys.exit(main())
