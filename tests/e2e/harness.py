"""harness.py - starts the real binary, talks to it as a client or an operator would, and counts what holds."""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import traceback

READY_SECONDS_MAX = 30
STOP_SECONDS_MAX = 45
KEY = "ck_test_0123456789abcdef0123456789abcdef"
CONFIG = """
listen: 127.0.0.1:{port}
workers: 2
drain_timeout_ms: {drain_ms}
admin_token: admin-token-of-the-test
providers:
  - {{name: sim, dialect: simulated}}
models:
  - {{name: sim-fast, provider: sim, max_output_tokens: 64, price: {{input: 0.15, output: 0.60, cached_input: 0.075}}}}
  - {{name: sim-slow, provider: sim, max_output_tokens: 64, price: {{input: 0.15, output: 0.60}}}}
{more_models}
customers:
  - {{id: acme, credit_usd: {credit}, keys: [{{name: main, secret: "{key}"}}]}}
{more_customers}
"""


def config(port=0, credit="100", drain_ms=5000, key=KEY, more_models="", more_customers=""):
    return CONFIG.format(port=port, credit=credit, drain_ms=drain_ms, key=key, more_models=more_models,
                         more_customers=more_customers)


class Checks:
    """Each check is one case; the first failure of a test ends that test only."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, condition, what, detail=""):
        if condition:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAILED: {what}\n    {detail}"[:3000], flush=True)

    def equal(self, got, wanted, what):
        self.check(got == wanted, what, f"wanted {wanted!r}, got {got!r}")

    def run(self, test, *arguments):
        before = self.passed, self.failed
        started = time.monotonic()
        try:
            test(self, *arguments)
        except Exception:
            self.failed += 1
            print(f"FAILED: {test.__name__}\n{traceback.format_exc()}"[-3000:], flush=True)
        print(f"{test.__name__:<44} {self.passed - before[0]:3} passed {self.failed - before[1]:2} failed "
              f"{time.monotonic() - started:5.1f} s", flush=True)


def run_tests(description, tests, before=lambda: None):
    """The main program of a file of tests; `before` runs ahead of each. The exit code."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="build/cota")
    parser.add_argument("test", nargs="*", help="names of tests; all when absent")
    options = parser.parse_args()
    binary = str(pathlib.Path(options.binary).resolve())
    checks = Checks()
    for test in tests:
        if not options.test or test.__name__ in options.test:
            before()
            checks.run(test, binary)
    print(f"{checks.passed} passed, {checks.failed} failed, {checks.skipped} skipped")
    return 1 if checks.failed else 0


class Daemon:
    """One process of `cota serve` or `cota demo`; `ready` is the line that it printed."""

    def __init__(self, binary, *arguments, cwd=None, env=None):
        self.binary = binary
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([binary, *arguments, "--json"], stdout=subprocess.PIPE, stderr=self.log,
                                        stdin=subprocess.DEVNULL, cwd=cwd, env={**environment(), **(env or {})})
        self.lines = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not self.lines and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if not self.lines:
            self.kill()
            raise RuntimeError(f"not ready: exit {self.process.returncode}, {self.said()}")
        self.ready = json.loads(self.lines[0])
        self.host, port = self.ready["url"].split("://")[1].rsplit(":", 1)
        self.port = int(port)

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def events(self, name):
        rows = []
        for line in self.said().splitlines():
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                if row.get("event") == name:
                    rows.append(row)
        return rows

    def wait_event(self, name, count=1, seconds=10):
        deadline = time.monotonic() + seconds
        while len(self.events(name)) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.events(name)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """TERM, and the exit code."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            code = "did not stop"
        if code != 0:
            print(f"    exit {code}: {self.said()[-2500:]}")
        return code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def request(self, method, path, body=None, key=None, headers=None, timeout=30):
        """(status, headers, body as bytes)"""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        sent = {"Content-Type": "application/json"} if body is not None else {}
        if key:
            sent["Authorization"] = f"Bearer {key}"
        sent.update(headers or {})
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, sent)
            answer = connection.getresponse()
            return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), answer.read()
        finally:
            connection.close()

    def chat(self, key=KEY, model="sim-fast", text="hello", stream=False, headers=None, timeout=30):
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}
        return self.request("POST", "/v1/chat/completions", body, key, headers, timeout)


def environment():
    result = dict(os.environ)
    for name in ("COTA_DATA", "NO_COLOR"):
        result.pop(name, None)
    return result


def cota(binary, *arguments, cwd=None, seconds=60):
    """(exit code, stdout, stderr)"""
    done = subprocess.run([binary, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
                          stdin=subprocess.DEVNULL, timeout=seconds, env=environment())
    return done.returncode, done.stdout, done.stderr


def json_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.strip()]


@contextlib.contextmanager
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="cota-e2e-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def serving(binary, text, path, *arguments, env=None):
    """`cota serve` with this configuration in the folder; killed at the end if it still runs."""
    (path / "cota.yaml").write_text(text)
    daemon = Daemon(binary, "serve", "-c", str(path / "cota.yaml"), "--data", str(path / "data"), *arguments, env=env)
    try:
        yield daemon
    finally:
        daemon.kill()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
