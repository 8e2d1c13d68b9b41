"""lab.py - a daemon in front of the simulated provider, and raw clients, for the money and fault suites."""
import json
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRICE = {"input": 3, "output": 15}  # USD per 1M tokens: 3000 and 15000 nano per token


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cost_nano(row):
    return row["input_tokens"] * PRICE["input"] * 1000 + row["output_tokens"] * PRICE["output"] * 1000


class Lab:
    """`models` is a list of (alias, provider, upstream model); `customers` of (id, credit or None)."""

    def __init__(self, binary, models, customers, extra=""):
        self.binary = binary
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cota-lab-"))
        self.data = self.folder / "data"
        self.log = open(self.folder / "log", "ab")
        self.port = free_port()
        self.simulator = subprocess.Popen([binary, "simulate", "--listen", "127.0.0.1:0", "--latency-ms", "0", "--json"],
                                          stdout=subprocess.PIPE, stderr=self.log)
        upstream = json.loads(self.simulator.stdout.readline())["url"]
        config = {
            "listen": f"127.0.0.1:{self.port}", "data_dir": str(self.data), "workers": 2,
            "providers": [
                {"name": "net", "base_url": upstream + "/v1", "output_cap_field": "max_tokens",
                 "timeouts": {"connect_ms": 2000, "first_byte_ms": 1500, "idle_ms": 1500, "total_ms": 20000}},
                {"name": "inside", "dialect": "simulated",
                 "timeouts": {"connect_ms": 2000, "first_byte_ms": 1500, "idle_ms": 1500, "total_ms": 20000}},
            ],
            "models": [{"name": alias, "provider": provider, "model": model, "max_output_tokens": 4096, "price": PRICE}
                       for alias, provider, model in models],
            "customers": [{"id": name, "unlimited": credit is None,
                           **({} if credit is None else {"credit_usd": credit}),
                           "keys": [{"name": "main", "secret": self.key(name)}]} for name, credit in customers],
        }
        config.update(json.loads(extra or "{}"))
        (self.folder / "cota.yaml").write_text(json.dumps(config))  # JSON is YAML
        self.start()

    def start(self):
        self.daemon = subprocess.Popen([self.binary, "serve", "-c", str(self.folder / "cota.yaml")],
                                       stdout=self.log, stderr=self.log)
        self.wait_ready()

    @staticmethod
    def key(name):
        return f"ck_test_{name}_0123456789abcdef"

    def wait_ready(self):
        for _ in range(1500):
            if self.daemon.poll() is not None:
                break
            try:
                if self.get("/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        self.log.flush()
        raise SystemExit("the daemon is not ready: " + (self.folder / "log").read_text(errors="replace")[-3000:])

    def connect(self, timeout=30):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def request_bytes(self, name, model, stream, request_id, idempotency_key="", **fields):
        once = f"Idempotency-Key: {idempotency_key}\r\n" if idempotency_key else ""
        body = json.dumps({"model": model, "stream": stream,
                           "messages": [{"role": "user", "content": "Olá, mundo."}], **fields}).encode()
        return (f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                f"Authorization: Bearer {self.key(name)}\r\nx-request-id: {request_id}\r\n{once}"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body

    def get(self, path, name=None):
        with self.connect(5) as client:
            key = f"Authorization: Bearer {self.key(name)}\r\n" if name else ""
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{key}Connection: close\r\n\r\n".encode())
            return parse(read_all(client))

    def call(self, name, model, stream, request_id, timeout=30, **fields):
        with self.connect(timeout) as client:
            client.sendall(self.request_bytes(name, model, stream, request_id, **fields))
            return parse(read_all(client))

    def leave_after(self, name, model, request_id, events, **fields):
        """Reads `events` data events of a stream, then resets the connection. Returns the text seen."""
        client = self.connect()
        client.sendall(self.request_bytes(name, model, True, request_id, **fields))
        seen = b""
        while seen.count(b"data: {") < events:
            some = client.recv(4096)
            if not some:
                break
            seen += some
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        return seen

    def command(self, *words):
        result = subprocess.run([self.binary, *words, "--data", str(self.data), "--json"], capture_output=True)
        if result.returncode != 0:
            raise SystemExit(f"cota {' '.join(words)}: exit {result.returncode}: {result.stderr.decode()}")
        return result.stdout

    def rows(self, **filters):
        words = [word for key, value in filters.items() for word in ("--" + key.replace("_", "-"), value)]
        return [json.loads(line) for line in self.command("usage", *words).splitlines()]

    def credit(self, name):
        return json.loads(self.command("credit", "show", "--customer", name))

    def quiet(self, name, seconds=15):
        """Waits until nothing is held; returns the credit."""
        deadline = time.monotonic() + seconds
        while True:
            shown = self.credit(name)
            if shown["held_nano"] == 0 and shown["holds"] == 0 or time.monotonic() > deadline:
                return shown
            time.sleep(0.05)

    def rss_kib(self):
        status = pathlib.Path(f"/proc/{self.daemon.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def stop(self):
        codes = []
        for process in (self.daemon, self.simulator):
            process.terminate()
            try:
                codes.append(process.wait(40))
            except subprocess.TimeoutExpired:
                process.kill()
                codes.append("killed")
        self.log.close()
        text = (self.folder / "log").read_text(errors="replace")
        shutil.rmtree(self.folder, ignore_errors=True)
        return codes[0], text


def read_all(client):
    parts = []
    while True:
        try:
            some = client.recv(65536)
        except ConnectionResetError:
            break
        if not some:
            break
        parts.append(some)
    return b"".join(parts)


def parse(answer):
    """(status, headers, body) of an answer on a closed connection; chunked bodies are put together."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if not head:
        return 0, {}, b""
    lines = head.decode("latin1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
    if headers.get("transfer-encoding") == "chunked":
        body, whole = b"", False
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            if not size or int(size, 16) == 0:
                whole = bool(size)
                break
            body += rest[:int(size, 16)]
            rest = rest[int(size, 16) + 2:]
        headers["whole"] = whole
        return int(lines[0].split()[1]), headers, body
    return int(lines[0].split()[1]), headers, rest


def events(body):
    """The data of each event of a stream."""
    found = []
    for block in body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n"):
        data = [line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:")]
        if data:
            found.append(b"\n".join(data))
    return found


def text_of(body):
    text = ""
    for data in events(body):
        if data == b"[DONE]":
            continue
        try:
            for choice in json.loads(data).get("choices") or []:
                text += (choice.get("delta") or {}).get("content") or ""
        except ValueError:
            pass
    return text


def stream_ending(body):
    """done, error, or cut."""
    found = events(body)
    for data in found:
        if data != b"[DONE]" and b'"error"' in data and "error" in json.loads(data):
            return "error" if found[-1] != b"[DONE]" else "error then done"
    return "done" if found and found[-1] == b"[DONE]" else "cut"
