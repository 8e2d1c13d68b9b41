#!/usr/bin/env python3
"""bench.py - Cota beside a blind relay, nginx and HAProxy, in one run on one machine.

usage: tools/bench.py [--short] [--rounds N] [--shapes chat_240,idle] [--only relay,nginx] [--soak MILLIONS]
The proxy has one core, the load generator and the provider have the other; rounds are interleaved, so that noise hits
all alike. CPU is that of the proxy's whole process tree, from before the load until it has come to rest (Cota: until
its database holds everything). Figures of different runs do not compare; the ratios inside one run do.
Results: bench/results/latest.json. Exit 1 when an answer was wrong or a contender is missing.
"""
import argparse
import base64
import contextlib
import datetime
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "build" / "release" / "bench"
WORK = ROOT / "build" / "bench"
RESULTS = ROOT / "bench" / "results" / "latest.json"
KEY = "ck_test_bench0000000000000000000000"
ADMIN = "admin-token-of-the-bench"
CONTEXT = "x-cota-feature: chat\r\nx-cota-user: ana\r\n"  # what a governed call says about itself
ALL_CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE = {ALL_CORES[-1]}
LOAD_CORES = set(ALL_CORES[:1])
FILES_MAX = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
READY_S = 10
REST_S = 60
IDLE_STREAMS = min(10000, (FILES_MAX - 500) // 2)  # a proxy has two sockets for each
NOISE_CORES_MAX = 0.05


class Shape:
    """What is asked, how, and how long."""

    def __init__(self, title, mode, connections, ms, warmup_ms, rate=1, body=240, answer=450, tokens=1, tokens_rate=0,
                 rounds=3, direct=False):
        self.title, self.mode, self.connections = title, mode, connections
        self.ms, self.warmup_ms, self.rate, self.body = ms, warmup_ms, rate, body
        self.answer, self.tokens, self.tokens_rate = answer, tokens, tokens_rate
        self.rounds, self.direct = rounds, direct
        self.streams = mode in ("streams", "idle")


SHAPES = {
    "chat_240": Shape("240-byte chat, 450-byte answer, 64 connections", "closed", 64, 2200, 300, rounds=5),
    "body_8k": Shape("8 kB body, 64 connections", "closed", 64, 2200, 300, body=8000),
    "body_200k": Shape("200 kB body, 64 connections", "closed", 64, 2200, 300, body=200000),
    "rate_3000": Shape("3,000 requests/s, time from when each was due", "open", 64, 4000, 500, rate=3000, direct=True),
    "streams_1000": Shape("1,000 streams of 20 tokens/s", "streams", 1000, 5000, 2000, tokens=60, tokens_rate=20,
                          rounds=2, direct=True),
    "idle": Shape(f"{IDLE_STREAMS:,} idle streams", "idle", IDLE_STREAMS, 60000, 0, rate=2000, rounds=1),
}
WARM_UP = Shape("the processor wakes up", "closed", 64, 500, 0)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tree(pid):
    """The process and everything that it started."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                parent = int(pathlib.Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def cpu_ns(pids):
    """Time on a core of all threads that live; none of the contenders ends threads while it runs."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(OSError):
                    total += int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total


def rss_kib(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            resident = re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
            total += int(resident[1]) if resident else 0
    return total


def others_busy_s():
    """Time on a core of everything on this machine that is not ours, dead children included; about."""
    ours = set(tree(os.getpid()))
    total = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in ours:
            with contextlib.suppress(OSError):
                total += sum(map(int, pathlib.Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


class Program:
    """A process that we started, and stop by its own id."""

    def __init__(self, name, command, cores, port, environment=None):
        self.name, self.port = name, port
        self.log = (WORK / f"{name}.log").open("ab")
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, env=environment, cwd=WORK,
                                        preexec_fn=lambda: os.sched_setaffinity(0, cores))
        deadline = time.monotonic() + READY_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                sys.exit(f"{name} did not start; see {WORK / (name + '.log')}")
            time.sleep(0.02)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


class Contender:
    """One proxy: how it is started, and what is measured of it."""

    binary = ROOT / "build" / "cota"

    def __init__(self, name):
        self.name = name
        self.port, self.stream_port, self.upstream_port = free_port(), free_port(), free_port()

    def start(self):
        command, environment = getattr(self, f"command_{self.name}")()
        self.program = Program(self.name, command, PROXY_CORE, self.port, environment)
        self.pid = self.program.process.pid
        if self.name == "governed":
            self.govern()

    def govern(self):
        """All of the governance at once: a plan with ten limits, included quota, a matrix, an override, a licence."""
        windows = ["second", "minute", "hour", "day", "month"]
        limits = [{"name": f"{metric}-{window}", "metric": metric, "window": window, "value": 10 ** 15, "mode": "hard"}
                  for metric in ("requests", "tokens") for window in windows]
        documents = {
            "features/chat": {"type": "metered", "category": "chat", "name": {"en": "Chat"}},
            "plans/bench": {"name": {"en": "Bench"}},
            "plan-versions/bench-1": {
                "plan": "bench", "number": 1, "status": "active", "interval": "month", "limits": limits,
                "items": [{"feature": "*", "included": 1000, "metric": "requests", "reset": "month", "overage": "block", "overage_cap": None}]},
            "plan-matrix/bench-chat": {"plan": "bench", "feature": "chat", "provider": "up", "profile": "*", "daily_limit": 10 ** 12,
                                       "monthly_limit": 10 ** 12, "active": True, "origin": "default"},
            "groups/promo": {"name": {"en": "Promotion"}, "priority": 1},
            "group-members/promo-governed": {"group": "promo", "customer": "governed"},
            "overrides/promo": {"scope": "group", "scope_id": "promo", "target": "limit", "selector": {"name": "requests-day"},
                                "op": "multiply", "value": "2"},
            "customer-profiles/governed": {"customer": "governed", "time_zone": "America/Sao_Paulo"},
            "subscriptions/governed": {"customer": "governed", "plan_version": "bench-1", "status": "active"},
            "licenses/governed": {"customer": "governed", "modules": ["ai"], "ai_enabled": True, "ai_token_limit": 10 ** 15, "status": "active"},
        }
        for path, body in documents.items():
            request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1/{path}", json.dumps(body).encode(), method="PUT",
                                             headers={"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"})
            urllib.request.urlopen(request, timeout=10).read()

    def command_relay(self):
        self.stream_port = self.port
        return [PROGRAMS / "bench_relay", self.port, self.upstream_port], None

    def command_nginx(self):
        path = WORK / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        server = f"""server {{
        listen 127.0.0.1:%d backlog=4096;
        location / {{ proxy_pass http://provider; proxy_buffering %s; }}
    }}"""
        path.write_text(f"""daemon off; {user} worker_processes 1; worker_rlimit_nofile {FILES_MAX};
pid {WORK}/nginx.pid; error_log {WORK}/nginx.log crit;
events {{ worker_connections {FILES_MAX * 5 // 4}; multi_accept on; }}
http {{
    access_log off; tcp_nodelay on; keepalive_timeout 300s; keepalive_requests 1000000000;
    client_max_body_size 64m; client_body_buffer_size 512k; proxy_read_timeout 300s;
    client_body_temp_path {WORK}/nginx-body; proxy_temp_path {WORK}/nginx-proxy;
    fastcgi_temp_path {WORK}/nginx-fastcgi; uwsgi_temp_path {WORK}/nginx-uwsgi; scgi_temp_path {WORK}/nginx-scgi;
    proxy_http_version 1.1; proxy_set_header Connection "";
    upstream provider {{
        server 127.0.0.1:{self.upstream_port} max_fails=0;
        keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 300s;
    }}
    {server % (self.port, "on")}
    {server % (self.stream_port, "off")}
}}
""")
        return [shutil.which("nginx") or "/usr/sbin/nginx", "-p", WORK, "-c", path], None

    def command_haproxy(self):
        path = WORK / "haproxy.cfg"
        path.write_text(f"""global
    nbthread 1
    maxconn {(FILES_MAX - 200) // 2}
defaults
    mode http
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    timeout http-keep-alive 300s
    http-reuse always
frontend plain
    bind 127.0.0.1:{self.port} backlog 4096
    default_backend provider
frontend streams
    option http-no-delay
    bind 127.0.0.1:{self.stream_port} backlog 4096
    default_backend provider_streams
backend provider
    server one 127.0.0.1:{self.upstream_port}
backend provider_streams
    option http-no-delay
    server one 127.0.0.1:{self.upstream_port}
""")
        return [shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", path], None

    def command_governed(self):
        return self.command_cota("{id: governed, credit_usd: 1000000000, keys: [{name: bench, secret: \"%s\"}]}" % KEY)

    def command_cota(self, customer="{id: free-for-all, unlimited: true, keys: [{name: bench, secret: \"%s\"}]}" % KEY):
        """A customer with credit and keys alone; `governed` is the same daemon under a plan with everything on."""
        path = WORK / f"{self.name}.yaml"
        self.stream_port = self.port
        path.write_text(f"""listen: 127.0.0.1:{self.port}
admin_token: {ADMIN}
data_dir: {WORK}/{self.name}-data
workers: 1
store: sqlite
durability: group
encryption_keys: ["${{env:ENCRYPTION_KEY}}"]
providers:
  - {{name: up, dialect: openai, base_url: "http://127.0.0.1:{self.upstream_port}/v1", api_key: "sk-up"}}
models:
  - {{name: gpt-4o-mini, provider: up, model: gpt-4o-mini, max_output_tokens: 16384, price: {{input: 0.15, output: 0.60, cached_input: 0.075}}}}
customers:
  - {customer}
""")
        environment = dict(os.environ, ENCRYPTION_KEY=base64.urlsafe_b64encode(os.urandom(32)).decode())
        return [self.binary, "serve", "-c", path], environment

    def rest(self):
        """Waits until the work that the load caused is done, so that all of it is counted."""
        time.sleep(0.1)
        if self.name not in ("cota", "governed"):
            return
        deadline = time.monotonic() + REST_S
        while True:
            text = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10).read().decode()
            lag = re.search(r"^cota_projection_lag_records(?:\{[^}]*\})? (\S+)", text, re.M)
            if lag is None:
                sys.exit("cota: /metrics has no cota_projection_lag_records")
            if float(lag[1]) == 0:
                return
            if time.monotonic() > deadline:
                sys.exit(f"cota: the projection is {lag[1]} records behind after {REST_S} s")
            time.sleep(0.05)


class Sampler:
    """The highest RSS of a proxy while a load runs."""

    def __init__(self, pids):
        self.pids, self.peak_kib, self.over = pids, rss_kib(pids), threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.wait(0.2):
            self.peak_kib = max(self.peak_kib, rss_kib(self.pids))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def load(shape, name, port, requests_max=0, on_ready=None, ms=None):
    """Runs the load generator; its JSON. `on_ready` is called while idle streams are held."""
    command = [PROGRAMS / "bench_load", port, shape.mode, shape.connections, ms or shape.ms, shape.warmup_ms, shape.rate,
               shape.body, requests_max, KEY, *([CONTEXT] if name == "governed" else [])]
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: os.sched_setaffinity(0, LOAD_CORES))
    before = ""
    if shape.mode == "idle":
        before = process.stdout.readline()
        if before.strip() == "ready":
            on_ready()
    out, complaint = process.communicate(timeout=max(ms or shape.ms, 1) / 1000 + 120)
    text = out if before.strip() == "ready" or not before else before
    try:
        result = json.loads(text)
    except ValueError:
        sys.exit(f"the load generator failed: {complaint}{text}")
    if process.returncode != 0:
        print(f"  WRONG: {name}: {result['errors']} errors, {result['unanswered']} unanswered: {complaint.strip()}")
    result["wrong"] = process.returncode != 0
    return result


def start_upstream(shape, contenders, direct_port):
    ports = [direct_port] + [contender.upstream_port for contender in contenders]
    return Program("upstream", [PROGRAMS / "bench_upstream", shape.answer, shape.tokens, shape.tokens_rate, *ports],
                   LOAD_CORES, direct_port)


def measure(shape, contender, direct_port):
    """One contender, one round."""
    if contender is None:
        return load(shape, "direct", direct_port)
    pids = tree(contender.pid)
    before_kib, before_ns = rss_kib(pids), cpu_ns(pids)
    held = {}

    def streams_held():
        time.sleep(2)
        held.update(rss_kib=rss_kib(pids))

    with Sampler(pids) as sampler:
        result = load(shape, contender.name, contender.stream_port if shape.streams else contender.port,
                      on_ready=streams_held)
        contender.rest()
    spent_us = (cpu_ns(pids) - before_ns) / 1000
    result["rss_before_kib"] = before_kib
    result["rss_peak_kib"] = held.get("rss_kib", sampler.peak_kib)
    if shape.mode == "idle":
        result["kib_per_stream"] = (result["rss_peak_kib"] - before_kib) / shape.connections
    elif shape.mode == "streams":
        result["cpu_us_per_stream_second"] = spent_us / max(result["stream_seconds"], 0.001)
    else:
        result["cpu_us_per_request"] = spent_us / max(result["requests"], 1)
    return result


def run_shape(shape, contenders, direct_port, rounds):
    """All rounds, interleaved. Returns {contender: [result of each round]}."""
    print(f"\n{shape.title}: {rounds} round{'s' * (rounds > 1)}", flush=True)
    upstream = start_upstream(shape, contenders, direct_port)
    results = {}
    try:
        load(WARM_UP, "direct", direct_port)
        busy_before, started = others_busy_s(), time.monotonic()
        turns = ([None] if shape.direct else []) + contenders
        for number in range(rounds):
            first = number % len(turns)
            for contender in turns[first:] + turns[:first]:
                name = contender.name if contender else "direct"
                results.setdefault(name, []).append(measure(shape, contender, direct_port))
        noise = (others_busy_s() - busy_before) / (time.monotonic() - started)
    finally:
        upstream.stop()
    if noise > NOISE_CORES_MAX:
        print(f"  note: something else used {noise:.2f} cores of this machine meanwhile")
    return results


def middle(rows, *path):
    values = []
    for row in rows:
        for step in path:
            row = row[step]
        values.append(row)
    return statistics.median(values)


def summarize(shape, results):
    """The medians and spread of a shape, for the table and for the JSON."""
    cost = {"idle": "kib_per_stream", "streams": "cpu_us_per_stream_second"}.get(shape.mode, "cpu_us_per_request")
    summary = {}
    for name, rows in results.items():
        entry = {"requests_per_second": middle(rows, "requests_per_second")}
        for quantile in ("p50", "p99", "p999"):
            entry[f"latency_{quantile}_us"] = middle(rows, "latency_us", quantile)
            if shape.mode == "streams":
                entry[f"token_{quantile}_us"] = middle(rows, "token_us", quantile)
            if "direct" in results:
                entry[f"added_{quantile}_us"] = (entry[f"latency_{quantile}_us"]
                                                 - middle(results["direct"], "latency_us", quantile))
        if name != "direct":
            values = [row[cost] for row in rows]
            entry[cost] = statistics.median(values)
            entry["spread"] = [min(values), max(values)]
            entry["rss_peak_kib"] = max(row["rss_peak_kib"] for row in rows)
        entry["wrong"] = sum(row["wrong"] for row in rows)
        summary[name] = entry
    return cost, summary


def show(shape, cost, summary):
    unit = {"kib_per_stream": "KiB/stream", "cpu_us_per_stream_second": "CPU us/str-s"}.get(cost, "CPU us/req")
    first = "ttft" if shape.mode == "streams" else "lat"
    added = any("added_p50_us" in entry for entry in summary.values())
    head = f"{'':10}{unit:>13}{'lowest':>9}{'highest':>9}{'x nginx':>9}{'req/s':>9}{'RSS MiB':>9}"
    if shape.mode != "idle":
        head += f"{first + ' p50':>11}{'p99':>9}{'p99.9 us':>10}"
    if added:
        head += f"{'added p50':>11}{'p99':>9}{'p99.9 us':>10}"
    print(head)
    base = summary.get("nginx", {}).get(cost)
    for name, entry in summary.items():
        line = f"{name:<10}"
        if cost in entry:
            ratio = f"{entry[cost] / base:.3f}" if base else "-"
            line += (f"{entry[cost]:13.2f}{entry['spread'][0]:9.2f}{entry['spread'][1]:9.2f}{ratio:>9}"
                     f"{entry['requests_per_second']:9.0f}{entry['rss_peak_kib'] / 1024:9.1f}")
        else:
            line += f"{'':40}{entry['requests_per_second']:9.0f}{'':9}"
        if shape.mode != "idle":
            line += f"{entry['latency_p50_us']:11.0f}{entry['latency_p99_us']:9.0f}{entry['latency_p999_us']:10.0f}"
        if added:
            line += f"{entry['added_p50_us']:11.0f}{entry['added_p99_us']:9.0f}{entry['added_p999_us']:10.0f}"
        print(line)
    sys.stdout.flush()


def stages(contender):
    """{stage: ns} of the calls that Cota has timed since its start."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{contender.port}/metrics", timeout=10).read().decode()
    samples = float(re.search(r"^cota_stage_samples_total (\S+)", text, re.M)[1])
    spent = re.findall(r'^cota_stage_nanoseconds_total\{stage="(\w+)"\} (\S+)', text, re.M)
    return {name: round(float(value) / max(samples, 1)) for name, value in spent}


def goals(shapes):
    """The promises of the project that these figures can judge: (what, figure, limit)."""
    found = []
    for name, what, limit in (("cota", "CPU per request, x nginx", 1.15), ("governed", "CPU per governed request, x nginx", 1.2)):
        with contextlib.suppress(KeyError):
            costs = {each: shapes["chat_240"][each]["cpu_us_per_request"] for each in (name, "nginx")}
            found.append((what, costs[name] / costs["nginx"], limit))
    with contextlib.suppress(KeyError):
        for quantile in ("p50", "p99"):
            added = {name: shapes["rate_3000"][name][f"added_{quantile}_us"] for name in ("cota", "nginx")}
            found.append((f"added latency at 3,000/s, {quantile}, x nginx", added["cota"] / max(added["nginx"], 1), 1.3))
    with contextlib.suppress(KeyError):
        mib = shapes["idle"]["cota"]["rss_peak_kib"] / 1024
        found.append((f"MB for 10,000 idle streams (from {IDLE_STREAMS:,})", mib * 1.048576 * 10000 / IDLE_STREAMS, 200))
    return found


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {"cpu": model[1] if model else platform.machine(), "cores": len(ALL_CORES), "kernel": platform.release(),
            "open_files_max": FILES_MAX}


def soak(millions, contenders):
    """RSS over millions of plain requests: flat, or not."""
    shape = SHAPES["chat_240"]
    upstream = start_upstream(shape, contenders, free_port())
    wrong = False
    try:
        for contender in contenders:
            pids = tree(contender.pid)
            samples, requests = [], 0
            while requests < millions * 1000000:
                result = load(shape, contender.name, contender.port, requests_max=200000, ms=600000)
                wrong |= result["wrong"]
                requests += result["requests"]
                contender.rest()
                samples.append(rss_kib(pids))
                print(f"  {contender.name}: {requests:>9,} requests, RSS {samples[-1] / 1024:.1f} MiB", flush=True)
            warm = samples[len(samples) // 4]
            grown_kib = samples[-1] - warm
            print(f"{contender.name}: RSS {grown_kib:+,} KiB from {len(samples) // 4 + 1} x 200,000 requests to the end")
            wrong |= grown_kib > 8192
    finally:
        upstream.stop()
    return 1 if wrong else 0


def bench(options, contenders):
    report = {"when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine(),
              "shapes": {}, "rounds": {}}
    chosen = ["chat_240"] if options.short else options.shapes.split(",") if options.shapes else list(SHAPES)
    direct_port = free_port()
    for key in chosen:
        shape = SHAPES[key]
        rounds = options.rounds or (3 if options.short else shape.rounds)
        some = [each for each in contenders if each.name != "governed" or not shape.streams]
        results = run_shape(shape, some, direct_port, rounds)
        cost, summary = summarize(shape, results)
        show(shape, cost, summary)
        for contender in contenders:
            if key == "chat_240" and contender.name in ("cota", "governed"):
                report.setdefault("stage_ns", {})[contender.name] = timed = stages(contender)
                print(f"{contender.name}: ns in each stage: " + ", ".join(f"{name} {value}" for name, value in timed.items()))
        report["shapes"][key], report["rounds"][key] = summary, results
    first = report["shapes"].get("chat_240", {})
    report["cpu_us_per_request"] = {name: round(entry["cpu_us_per_request"], 3) for name, entry in first.items()}
    if "cota" in first and "nginx" in first:
        report["ratio_cota_nginx"] = round(first["cota"]["cpu_us_per_request"] / first["nginx"]["cpu_us_per_request"], 4)
    if "governed" in first and "nginx" in first:
        report["ratio_governed_nginx"] = round(first["governed"]["cpu_us_per_request"] / first["nginx"]["cpu_us_per_request"], 4)
    report["goals"] = [{"what": what, "figure": round(figure, 3), "limit": limit, "met": figure <= limit}
                       for what, figure, limit in goals(report["shapes"])]
    print()
    for goal in report["goals"]:
        print(f"{'met   ' if goal['met'] else 'MISSED'} {goal['what']}: {goal['figure']} (limit {goal['limit']})")
    if "ratio_cota_nginx" in report:
        print(f"ratio_cota_nginx {report['ratio_cota_nginx']}")
    if "ratio_governed_nginx" in report:
        print(f"ratio_governed_nginx {report['ratio_governed_nginx']}")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written: {RESULTS.relative_to(ROOT)}")
    return 1 if any(entry["wrong"] for summary in report["shapes"].values() for entry in summary.values()) else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="the first shape alone, in under a minute")
    parser.add_argument("--rounds", type=int, help="of every shape")
    parser.add_argument("--shapes", help=f"some of {','.join(SHAPES)}")
    parser.add_argument("--only", default="relay,nginx,haproxy,cota,governed", help="contenders; governed: Cota under a plan, with everything on")
    parser.add_argument("--soak", type=int, metavar="MILLIONS", help="is RSS flat over so many million requests?")
    parser.add_argument("--binary", type=pathlib.Path, default=Contender.binary, help="the cota to measure")
    options = parser.parse_args()
    Contender.binary = options.binary.resolve()
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    names = options.only.split(",") if not options.soak or "," not in options.only else ["cota"]
    if len(ALL_CORES) < 2:
        print("note: this machine has one core; proxy, load and provider share it")
    contenders = []
    try:
        for name in names:
            contender = Contender(name)
            contender.start()
            contenders.append(contender)
        if options.soak:
            return soak(options.soak, contenders)
        return bench(options, contenders)
    finally:
        for contender in contenders:
            contender.program.stop()


if __name__ == "__main__":
    sys.exit(main())
