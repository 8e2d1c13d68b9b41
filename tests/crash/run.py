#!/usr/bin/env python3
"""run.py - kill -9 under load, again and again, and reconcile the books with what was really served.

What:  `cota simulate` writes down every request it served; the daemon is killed at random instants while
       plain and streamed calls run. After each restart every served request must be in the usage rows
       exactly once (settled, or recovered and marked), balances must equal grants minus charges to the
       nano, and nothing may be held.
Last line: N kills, N served, 0 lost, 0 doubled, 0 held, 0 overspent
"""
import argparse
import asyncio
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CUSTOMERS = {
    "rich": ("ck_test_rich_0123456789abcdef", 1000.0),
    "poor": ("ck_test_poor_0123456789abcdef", 0.02),
    "free": ("ck_test_free_0123456789abcdef", None),
}
CONFIG = """
listen: 127.0.0.1:{port}
data_dir: {data}
workers: {workers}
durability: {durability}
providers:
  - {{name: sim, dialect: openai, base_url: "{upstream}/v1", output_cap_field: max_tokens}}
models:
  - {{name: quick, provider: sim, model: "sim-fast:output=12", max_output_tokens: 64, price: {{input: 3, output: 15}}}}
  - {{name: paced, provider: sim, model: "sim-fast:output=40,tokens-per-second=200", max_output_tokens: 64, price: {{input: 3, output: 15}}}}
customers:
  - {{id: rich, credit_usd: 1000, keys: [{{name: main, secret: ck_test_rich_0123456789abcdef}}]}}
  - {{id: poor, credit_usd: 0.02, keys: [{{name: main, secret: ck_test_poor_0123456789abcdef}}]}}
  - {{id: free, unlimited: true, keys: [{{name: main, secret: ck_test_free_0123456789abcdef}}]}}
"""


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Lab:
    """The simulator, the daemon under test, and what the clients saw."""

    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cota-crash-"))
        self.served_file = self.folder / "served.jsonl"
        self.data = self.folder / "data"
        self.port = free_port()
        self.log = open(self.folder / "daemon.log", "ab")
        self.running = asyncio.Event()
        self.busy = 0
        self.whole = set()       # ids whose client got the whole answer
        self.refused = set()     # ids whose client got a status >= 400
        self.statuses = collections.Counter()
        self.restart_s = []
        self.daemon = None

    def start_simulator(self):
        self.simulator = subprocess.Popen(
            [self.options.binary, "simulate", "--listen", "127.0.0.1:0", "--served", str(self.served_file),
             "--latency-ms", "0", "--json"], stdout=subprocess.PIPE, stderr=self.log)
        self.upstream = json.loads(self.simulator.stdout.readline())["url"]
        config = CONFIG.format(port=self.port, data=self.data, upstream=self.upstream,
                               workers=self.options.workers, durability=self.options.durability)
        (self.folder / "cota.yaml").write_text(config)

    async def start_daemon(self):
        begun = time.monotonic()
        self.daemon = subprocess.Popen([self.options.binary, "serve", "-c", str(self.folder / "cota.yaml")],
                                       stdout=self.log, stderr=self.log)
        while True:
            if self.daemon.poll() is not None:
                raise SystemExit(f"the daemon ended by itself: {self.tail()}")
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = await reader.read()
                writer.close()
                if b" 200 " in answer[:20]:
                    break
            except OSError:
                pass
            if time.monotonic() - begun > 60:
                raise SystemExit(f"the daemon was not ready within 60 s: {self.tail()}")
            await asyncio.sleep(0.01)
        self.restart_s.append(time.monotonic() - begun)

    def tail(self):
        self.log.flush()
        return (self.folder / "daemon.log").read_text(errors="replace")[-2000:]

    def command(self, *words):
        result = subprocess.run([self.options.binary, *words, "--data", str(self.data), "--json"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if result.returncode != 0:
            raise SystemExit(f"cota {' '.join(words)}: exit {result.returncode}: {result.stderr.decode()}")
        return result.stdout

    async def client(self, number):
        dice = random.Random(self.options.seed * 1000 + number)
        count = 0
        while True:
            await self.running.wait()
            count += 1
            name = dice.choice(list(CUSTOMERS))
            request_id = f"s{self.options.seed}.{number}.{count}"
            stream = dice.random() < 0.5
            self.busy += 1
            try:
                await asyncio.wait_for(self.call(dice, name, request_id, stream), 20)
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError):
                await asyncio.sleep(0.01)
            finally:
                self.busy -= 1

    async def call(self, dice, name, request_id, stream):
        body = json.dumps({"model": dice.choice(["quick", "paced"]), "stream": stream,
                           "messages": [{"role": "user", "content": "x" * dice.randint(1, 400)}]}).encode()
        head = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                f"Authorization: Bearer {CUSTOMERS[name][0]}\r\nx-request-id: {request_id}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(head.encode() + body)
            if stream and dice.random() < 0.1:
                await reader.read(dice.randint(1, 2000))
                return  # leaves mid-stream
            answer = await reader.read()
        finally:
            writer.close()
        status = int(answer[9:12] or 0)
        self.statuses[status] += 1
        ended = b"data: [DONE]" in answer if stream else answer.rstrip().endswith(b"}")
        if status == 200 and ended:
            self.whole.add(request_id)
        elif status >= 400:
            self.refused.add(request_id)

    def served(self):
        if not self.served_file.exists():
            return []
        return [json.loads(line) for line in self.served_file.read_text().splitlines() if line]

    async def settle_down(self):
        """Until no call runs and the simulator has written its last line."""
        self.running.clear()
        for _ in range(1000):
            if self.busy == 0:
                break
            await asyncio.sleep(0.02)
        lines = -1
        while lines != len(self.served()):
            lines = len(self.served())
            await asyncio.sleep(0.3)

    def reconcile(self):
        """Every broken rule, as a Counter and a list of sentences."""
        broken, sentences = collections.Counter(), []
        rows = [json.loads(line) for line in self.command("usage").splitlines()]
        charged = collections.Counter(row["request_id"] for row in rows if row["cost_nano"] > 0)
        by_id = {row["request_id"]: row for row in rows if row["cost_nano"] > 0}
        served = [line for line in self.served() if line["status"] == 200]

        def broke(rule, text):
            broken[rule] += 1
            if len(sentences) < 20:
                sentences.append(f"{rule}: {text}")

        for line in served:
            row = by_id.get(line["id"])
            if not row:
                broke("lost", f"{line['id']} was served ({line}), and is in no row")
            elif row["outcome"] == "ok" and line["complete"] and row["output_tokens"] != line["completion_tokens"]:
                broke("lost", f"{line['id']}: {line['completion_tokens']} tokens served, {row['output_tokens']} charged")
        for request_id, times in charged.items():
            if times > 1:
                broke("doubled", f"{request_id} was charged {times} times")
        known = {line["id"] for line in served}
        self.unsent = sum(1 for request_id in charged if request_id not in known)
        for request_id in self.whole - set(charged):
            broke("lost", f"{request_id}: its client has the whole answer")
        for request_id in self.refused & set(charged):
            if request_id not in known:
                broke("doubled", f"{request_id} was refused and charged")
        self.check_balances(rows, broke)
        return broken, sentences, len(served)

    def check_balances(self, rows, broke):
        database = sqlite3.connect(f"file:{self.data}/cota.db?mode=ro", uri=True)
        for name, (_, credit) in CUSTOMERS.items():
            mine = [row for row in rows if row["customer"] == name]
            shown = json.loads(self.command("credit", "show", "--customer", name))
            if shown["held_nano"] != 0 or shown["holds"] != 0:
                broke("held", f"{name}: {shown}")
            spent = sum(row["charged_nano"] for row in mine)
            if credit is None:
                continue
            granted = round(credit * 1e9)
            if shown["remaining_nano"] != granted - spent:
                broke("overspent", f"{name}: {granted} - {spent} is not {shown['remaining_nano']}")
            if shown["remaining_nano"] < 0 or shown["debt_nano"] != 0:
                broke("overspent", f"{name}: {shown}")
            ledger = database.execute("SELECT coalesce(sum(amount_nano), 0) FROM ledger_entry "
                                      "WHERE customer_id = ? AND account = 'credit'", (name,)).fetchone()[0]
            if ledger != shown["remaining_nano"]:
                broke("overspent", f"{name}: ledger {ledger}, balance {shown['remaining_nano']}")
        database.close()

    def stop(self):
        for process in (self.daemon, self.simulator):
            if process and process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
        self.log.close()


async def run(options):
    lab = Lab(options)
    total, kills, served = collections.Counter(), 0, 0
    begun = time.monotonic()
    try:
        lab.start_simulator()
        await lab.start_daemon()
        clients = [asyncio.create_task(lab.client(number)) for number in range(options.clients)]
        while kills < options.kills:
            lab.running.set()
            await asyncio.sleep(lab.random.uniform(0.05, options.seconds))
            lab.daemon.send_signal(signal.SIGKILL)
            lab.daemon.wait()
            kills += 1
            await lab.settle_down()
            await lab.start_daemon()
            broken, sentences, served = lab.reconcile()
            total += broken
            for sentence in sentences:
                print("VIOLATION", sentence)
            if sys.stdout.isatty() or kills % 10 == 0 or broken:
                print(f"{kills}/{options.kills} kills, {served} served, {sum(total.values())} violations, "
                      f"{time.monotonic() - begun:.0f} s", flush=True)
            if broken and not options.keep_going:
                break
        for task in clients:
            task.cancel()
    finally:
        lab.stop()
    slowest = sorted(lab.restart_s)
    print(f"seed {options.seed}, statuses {dict(lab.statuses)}, charged but never sent {lab.unsent}, "
          f"restart to ready: median {slowest[len(slowest) // 2]:.2f} s, slowest {slowest[-1]:.2f} s")
    if total:
        print(f"kept for inspection: {lab.folder}")
    else:
        shutil.rmtree(lab.folder, ignore_errors=True)
    print(f"{kills} kills, {served} served, {total['lost']} lost, {total['doubled']} doubled, "
          f"{total['held']} held, {total['overspent']} overspent")
    return 1 if total else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(ROOT / "build" / "cota"))
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=1.5, help="longest load between two kills")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100000)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--workers", default="2")
    parser.add_argument("--durability", default="group", choices=["group", "strict"])
    parser.add_argument("--keep-going", action="store_true")
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    sys.exit(asyncio.run(run(options)))


if __name__ == "__main__":
    main()
