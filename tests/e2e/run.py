#!/usr/bin/env python3
"""run.py - end to end: the binary as an operator and a client meet it.

usage: tests/e2e/run.py --binary build/cota [TEST…]
Ends with "N passed, N failed, N skipped".
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import (Daemon, KEY, config, cota, folder, free_port, json_lines, run_tests, serving)  # noqa: E402

COMMANDS = ["serve", "demo", "check", "keygen", "key create", "key list", "key revoke", "credit grant", "credit show",
            "usage", "health", "version", "simulate", "completion", "man"]


# --- the command line, without a daemon ------------------------------------------------------------------------------
def test_command_line(t, binary):
    code, out, err = cota(binary)
    t.check(code == 0 and "try: cota demo" in out and not err, "no arguments: short help", out + err)
    for command in COMMANDS:
        code, out, err = cota(binary, *command.split(), "--help")
        t.check(code == 0 and "examples:\n  cota " in out and "usage: cota " + command in out and not err,
                f"help of {command}", out + err)
    for line, code, said in [("servve", 2, 'did you mean "serve"'), ("key crate", 2, 'did you mean "key create"'),
                             ("usage --sinse 1h", 2, "did you mean --since"), ("usage -o yaml", 2, "table json csv"),
                             ("credit grant --customer a", 2, "--amount USD is missing"),
                             ("credit grant --customer a --amount 1e3", 2, "decimal number"),
                             ("credit grant --customer a --amount -5", 2, "decimal number"),
                             ("credit grant --customer a --amount 0.0000000001", 2, "decimal number"),
                             ("key create --customer a --name b --expires-at never", 2, "--expires-at"),
                             ("completion tcsh", 2, "bash, zsh and fish")]:
        got, out, err = cota(binary, *line.split())
        t.check(got == code and said in err and not out, f"{line}: exit {code}", f"{got} {out} {err}")
    code, out, err = cota(binary, "version", "--json")
    t.check(code == 0 and re.fullmatch(r"\d+\.\d+\.\d+", json.loads(out)["version"]), "version --json", out)
    code, out, err = cota(binary, "keygen")
    t.check(code == 0 and re.fullmatch(r"[A-Za-z0-9_-]{43}=\n", out), "keygen prints a Fernet key", out)
    t.check(cota(binary, "keygen")[1] != out, "keygen prints another one each time")
    with folder() as path:
        code, out, err = cota(binary, "usage", "--data", str(path))
        t.check(code == 6 and "cota serve" in err and not out, "no daemon: exit 6 and what to do", err)
        code, out, err = cota(binary, "health", "--json", "--data", str(path))
        t.equal(code, 6, "health without a daemon: exit 6")


def test_texts(t, binary):
    for shell, tool in [("bash", ["bash", "-n"]), ("fish", None), ("zsh", None)]:
        code, out, err = cota(binary, "completion", shell)
        t.check(code == 0 and len(out) > 1000 and not err, f"completion {shell}", err)
        if tool:
            with folder() as path:
                (path / "completion").write_text(out)
                code, said, err = cota(tool[0], *tool[1:], str(path / "completion"))
                t.check(code == 0 and not err, f"{shell} can read its completion", err)
                probe = ('source "$1"; COMP_WORDS=(cota key re); COMP_CWORD=2; _cota; echo "${COMPREPLY[*]}"; '
                         'COMP_WORDS=(cota usage --si); COMP_CWORD=2; _cota; echo "${COMPREPLY[*]}"; '
                         'COMP_WORDS=(cota usage -o c); COMP_CWORD=3; _cota; echo "${COMPREPLY[*]}"')
                code, said, err = cota(shell, "-c", probe, "-", str(path / "completion"))
                t.equal(said.split("\n")[:3], ["revoke", "--since", "csv"], "bash completes words, options, values")
    code, out, err = cota(binary, "man")
    t.check(code == 0 and out.startswith(".TH COTA 1") and ".SS \"cota key revoke KEY\"" in out, "man", out[:300])


EVERYTHING = """
listen: 127.0.0.1:8787       # tls: {cert: …, key: …} optional
data_dir: ./cota-data
workers: auto
store: sqlite
durability: group            # group | strict
encryption_keys: ["${env:ENCRYPTION_KEY}"]
providers:
  - {name: up, dialect: openai, base_url: "http://127.0.0.1:9001/v1", api_key: "sk-up", ca_file: null,
     timeouts: {connect_ms: 5000, first_byte_ms: 60000, idle_ms: 120000}}
models:
  - {name: gpt-4o-mini, provider: up, model: gpt-4o-mini, max_output_tokens: 16384, price: {input: 0.15, output: 0.60, cached_input: 0.075}}
customers:
  - {id: acme, credit_usd: 100, keys: [{name: main, secret: "ck_test_0123456789abcdef0123456789abcdef", requests_per_minute: null}]}
  - {id: free-for-all, unlimited: true, keys: [{name: bench, secret: "ck_test_bench0000000000000000000000"}]}
"""


def test_check(t, binary):
    with folder() as path:
        (path / "all.yaml").write_text(EVERYTHING)
        key = cota(binary, "keygen")[1].strip()
        code, out, err = cota("env", f"ENCRYPTION_KEY={key}", binary, "check", "-c", str(path / "all.yaml"))
        t.check(code == 0 and "1 providers, 1 models, 2 customers" in out, "the documented example is valid", out + err)
        code, out, err = cota("env", "-u", "ENCRYPTION_KEY", binary, "check", "-c", str(path / "all.yaml"))
        t.check(code == 1 and "all.yaml:7:19: encryption_keys: the environment variable ENCRYPTION_KEY is not set" in err,
                "without its variable it is not", err)
        file = path / "cota.yaml"
        file.write_text(config())
        code, out, err = cota(binary, "check", "-c", str(file))
        t.check(code == 0 and "is valid" in out and not err, "a valid file", out + err)
        file.write_text("lisen: x\nworkers: many\n")
        code, out, err = cota(binary, "check", "-c", str(file))
        t.equal((code, out, err), (1, "", f'{file}:1:1: unknown key "lisen" (did you mean "listen"?)\n'
                                   f'{file}:2:10: workers must be a whole number, not "many"\n'),
                "all mistakes, with their places")
        code, out, err = cota(binary, "check", "-c", str(file), "--json")
        answer = json.loads(out)
        t.check(code == 1 and not answer["valid"] and answer["problems"][1]["line"] == 2, "the same as JSON", out)
        code, out, err = cota(binary, "serve", "-c", str(file), "--data", str(path / "data"))
        t.check(code == 1 and "lisen" in err and not (path / "data").exists(), "serve refuses it, and makes nothing", err)
        code, out, err = cota(binary, "check", "-c", str(path / "none.yaml"))
        t.check(code == 1 and "No such file" in err, "a file that is not there", err)


# --- the demo -----------------------------------------------------------------------------------------------------------
def test_demo(t, binary):
    demo = Daemon(binary, "demo", "--port", "0")
    try:
        ready = demo.ready
        t.equal(sorted(ready), ["admin_token", "api_key", "customer", "data_dir", "models", "url"], "the line of demo --json")
        t.check("sim-fast" in ready["models"], "its models", str(ready))
        status, headers, body = demo.chat(ready["api_key"])
        answer = json.loads(body)
        t.check(status == 200 and answer["usage"]["completion_tokens"] > 0, "a chat completion", str(body))
        status, headers, body = demo.chat(ready["api_key"], stream=True)
        t.check(status == 200 and body.rstrip().endswith(b"data: [DONE]"), "a streamed one", str(body[-300:]))
        status, headers, body = demo.request("GET", "/v1/models", key=ready["api_key"])
        t.equal(sorted(row["id"] for row in json.loads(body)["data"]), sorted(ready["models"]), "its models over the API")
        code, out, err = cota(binary, "usage", "--data", ready["data_dir"], "--json")
        t.equal(len(json_lines(out)), 2, "both calls are in the usage at once")
        data = pathlib.Path(ready["data_dir"])
        t.equal(stat.S_IMODE(data.stat().st_mode), 0o700, "the data directory is ours alone")
        t.equal({name: stat.S_IMODE((data / name).stat().st_mode) for name in ("secret.key", "cota.sock")},
                {"secret.key": 0o600, "cota.sock": 0o600}, "so are secret and socket")
        other = Daemon(binary, "demo", "--port", str(demo.port))
        t.check(other.port != demo.port, "a second demo takes another port", str(other.ready))
        t.check(other.ready["api_key"] != ready["api_key"], "and has another key")
        t.equal(other.stop(), 0, "it stops with 0")
        t.equal(demo.stop(), 0, "so does the first")
        t.check(not data.exists(), "its data directory is removed")
        t.equal(len(demo.lines), 1, "stdout had exactly one line")
    finally:
        demo.kill()
    with folder() as path:
        keys = []
        for _ in range(2):
            demo = Daemon(binary, "demo", "--port", "0", "--data", str(path / "kept"))
            keys.append(demo.ready["api_key"])
            status, _, _ = demo.chat(keys[-1])
            t.equal(status, 200, "a demo with --data answers")
            old, _, _ = demo.chat(keys[0])
            t.equal(old, 200 if len(keys) == 1 else 403, "the key of the run before is revoked")
            t.equal(demo.stop(), 0, "and stops")
        t.check((path / "kept" / "cota.db").exists(), "--data is kept")


# --- pages of the daemon ---------------------------------------------------------------------------------------------------
def test_pages(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        for page, part in [("/livez", b"ok"), ("/readyz", b"ready"), ("/readyz?verbose", b"[+] journal ok"),
                           ("/version", b'"version"'), ("/", b'"cota"')]:
            status, headers, body = daemon.request("GET", page)
            t.check(status == 200 and part in body, page, f"{status} {body}")
        daemon.chat()
        status, headers, body = daemon.request("GET", "/metrics")
        text = body.decode()
        t.check(status == 200 and text.endswith("# EOF\n") and "openmetrics" in headers["content-type"], "/metrics", text)
        for name in ["cota_projection_lag_records", 'cota_requests_total{outcome="ok"}', "cota_holds_live",
                     "cota_journal_last_sync_seconds"]:
            t.check(re.search("^" + re.escape(name) + r" [0-9.]+$", text, re.M), f"{name} is there", text)
        t.check(re.search(r'^cota_requests_total\{outcome="ok"\} 1$', text, re.M), "one call was counted", text)
        t.equal(len(set(re.findall(r"^# TYPE (\S+)", text, re.M))), len(re.findall(r"^# TYPE", text, re.M)),
                "each family is there once")
        for row in re.findall(r"^(?!#)(.*)$", text, re.M):
            if row:
                t.check(re.fullmatch(r'[a-z_0-9]+(\{[a-z_]+="[^"]*"\})? -?[0-9.]+', row), "a sample is well formed", row)
        status, headers, body = daemon.request("GET", "/nothing")
        t.check(status == 404 and json.loads(body)["error"]["code"] == "not_found", "an unknown path", str(body))
        status, headers, body = daemon.request("POST", "/livez", {})
        t.check(status == 405 and "GET" in headers.get("allow", ""), "a wrong method", str(headers))
        status, headers, body = daemon.request("HEAD", "/livez")
        t.check(status == 200 and body == b"", "HEAD has no body", str(body))
        code, out, err = cota(binary, "health", "--data", str(path / "data"), "--json")
        answer = json.loads(out)
        t.check(code == 0 and answer["ready"] and answer["workers"] == 2 and answer["url"] == daemon.ready["url"],
                "health --json", out + err)
        t.equal(cota(binary, "health", "--data", str(path / "data"))[:2], (0, "ready\n"), "health")
        t.equal(daemon.stop(), 0, "TERM ends it with 0")
        t.check(not (path / "data" / "cota.sock").exists(), "its socket is gone")


# --- keys, credit, usage -----------------------------------------------------------------------------------------------------
def test_keys(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        data = ["--data", str(path / "data")]
        code, out, err = cota(binary, "key", "create", "--customer", "acme", "--name", "ci", "--json", *data)
        made = json.loads(out)
        t.check(code == 0 and made["secret"].startswith("ck_live_") and len(made["id"]) == 26, "key create --json", out + err)
        for _ in range(4):  # whichever worker answers
            t.equal(daemon.chat(made["secret"])[0], 200, "a fresh key works at once")
        code, out, err = cota(binary, "key", "create", "--customer", "acme", "--name", "ci", *data)
        t.equal(code, 4, "the same name again: exit 4")
        code, out, err = cota(binary, "key", "create", "--customer", "nobody", "--name", "ci", *data)
        t.equal(code, 3, "a customer that does not exist: exit 3")
        code, out, err = cota(binary, "key", "create", "--customer", "fresh", "--name", "one", "--new-customer", "--json", *data)
        t.equal((code, json.loads(out)["customer"]), (0, "fresh"), "--new-customer makes it")
        t.equal(daemon.chat(json.loads(out)["secret"])[0], 402, "it has no credit yet")
        code, out, err = cota(binary, "key", "list", "--json", *data)
        names = sorted((row["customer"], row["name"], row["origin"], row["status"]) for row in json.loads(out)["keys"])
        t.equal(names, [("acme", "ci", "runtime", "active"), ("acme", "main", "file", "active"),
                        ("fresh", "one", "runtime", "active")], "key list --json, with provenance")
        t.check(made["secret"] not in out and KEY not in out, "no secret is listed")
        code, out, err = cota(binary, "key", "list", "--customer", "acme", *data)
        t.check(code == 0 and "CUSTOMER" in out and out.count("\n") == 3, "key list as a table", out)
        code, out, err = cota(binary, "key", "revoke", "--customer", "acme", "ci", *data)
        t.equal(code, 0, "key revoke")
        for _ in range(4):
            t.equal(daemon.chat(made["secret"])[0], 403, "a revoked key is refused by its very next call")
        t.equal(cota(binary, "key", "revoke", "--customer", "acme", "none", *data)[0], 3, "revoking what is not there: exit 3")
        code, out, err = cota(binary, "key", "create", "--customer", "acme", "--name", "short", "--expires-at", "1s", "--json", *data)
        time.sleep(1.2)
        t.equal(daemon.chat(json.loads(out)["secret"])[0], 401, "an expired key is refused")
        code, out, err = cota(binary, "key", "create", "--customer", "acme", "--name", "two", "--requests-per-minute", "2",
                              "--json", *data)
        t.equal([daemon.chat(json.loads(out)["secret"])[0] for _ in range(3)], [200, 200, 429], "a limit of a key")
        t.equal(daemon.stop(), 0, "it stops")
        said = daemon.said()
        t.check(KEY not in said and made["secret"] not in said and "admin-token" not in said, "no secret is in the log", said)


def test_credit_and_usage(t, binary):
    with folder() as path, serving(binary, config(credit="1.5"), path) as daemon:
        data = ["--data", str(path / "data")]
        show = lambda: json.loads(cota(binary, "credit", "show", "--customer", "acme", "--json", *data)[1])  # noqa: E731
        before = show()
        t.equal((before["granted_nano"], before["available_nano"], before["holds"]), (1500000000, 1500000000, 0), "credit of the file")
        for key in ("remaining_nano", "held_nano", "consumed_nano", "debt_nano", "grants"):
            t.check(key in before, f"credit show has {key}", str(before))
        code, out, err = cota(binary, "credit", "grant", "--customer", "acme", "--amount", "0.000000001", "--reference", "r1", "--json", *data)
        t.equal((code, json.loads(out)["granted_nano"]), (0, 1500000001), "a grant of one nano")
        code, out, err = cota(binary, "credit", "grant", "--customer", "acme", "--amount", "0.000000001", "--reference", "r1", "--json", *data)
        t.equal((code, json.loads(out)["existed"], json.loads(out)["granted_nano"]), (0, True, 1500000001), "the same reference gives it once")
        t.equal(cota(binary, "credit", "grant", "--customer", "nobody", "--amount", "1", *data)[0], 3, "an unknown customer: exit 3")
        status, headers, body = daemon.chat(headers={"x-request-id": "my-request-1", "x-cota-user": "ana", "x-cota-feature": "chat"})
        usage = json.loads(body)["usage"]
        t.equal(headers.get("x-request-id"), "my-request-1", "the client's request id is kept")
        code, out, err = cota(binary, "usage", "--customer", "acme", "--json", *data)
        rows = json_lines(out)
        t.equal(len(rows), 1, "one call, one line, at once")
        row = rows[0]
        for key in ("request_id", "hold_id", "customer", "key", "endpoint", "model", "provider", "outcome", "http_status", "stream",
                    "usage_source", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_nano",
                    "charged_nano", "held_nano", "debt_nano", "started_at", "finished_at", "latency_ms", "first_byte_ms"):
            t.check(key in row, f"usage --json has {key}", str(row))
        t.equal((row["request_id"], row["customer"], row["key"], row["user"], row["feature"], row["model"], row["http_status"]),
                ("my-request-1", "acme", "main", "ana", "chat", "sim-fast", 200), "what it says")
        t.equal((row["input_tokens"], row["output_tokens"]), (usage["prompt_tokens"], usage["completion_tokens"]), "the provider's tokens")
        cost = -(-(usage["prompt_tokens"] * 150000 + usage["completion_tokens"] * 600000) // 1000)
        t.equal((row["cost_nano"], row["charged_nano"], row["debt_nano"]), (cost, cost, 0), "the price, to the nano")
        t.check(row["held_nano"] >= cost, "no more than was held", str(row))
        after = show()
        t.equal((after["available_nano"], after["consumed_nano"], after["held_nano"], after["holds"]),
                (1500000001 - cost, cost, 0, 0), "the balance")
        for _ in range(6):
            daemon.chat(stream=True)
        rows = json_lines(cota(binary, "usage", "--json", "--limit", "3", *data)[1])
        t.equal(len(rows), 3, "--limit")
        rows = json_lines(cota(binary, "usage", "--json", *data)[1])
        t.check(len(rows) == 7 and rows == sorted(rows, key=lambda r: r["finished_at"], reverse=True), "newest first", str(len(rows)))
        t.equal(len(json_lines(cota(binary, "usage", "--json", "--request-id", "my-request-1", *data)[1])), 1, "--request-id")
        t.equal(len(json_lines(cota(binary, "usage", "--json", "--key", "main", *data)[1])), 7, "--key by name")
        t.equal(len(json_lines(cota(binary, "usage", "--json", "--until", "1h", *data)[1])), 0, "--until")
        t.equal(len(json_lines(cota(binary, "usage", "--json", "--since", "1h", *data)[1])), 7, "--since")
        t.equal(cota(binary, "usage", "--since", "yesterday", *data)[0], 2, "a --since that is none: exit 2")
        sums = json_lines(cota(binary, "usage", "--json", "--by", "model", *data)[1])
        t.equal([(s["model"], s["requests"], s["cost_nano"]) for s in sums], [("sim-fast", 7, sum(r["cost_nano"] for r in rows))],
                "sums equal their rows")
        for by in ("customer", "key", "provider"):
            t.equal(len(json_lines(cota(binary, "usage", "--json", "--by", by, *data)[1])), 1, f"--by {by}")
        code, out, err = cota(binary, "usage", "-o", "csv", *data)
        t.check(code == 0 and out.startswith("request_id,hold_id,customer") and out.count("\n") == 8, "csv", out)
        code, out, err = cota(binary, "usage", *data)
        t.check(code == 0 and out.startswith("FINISHED") and out.count("\n") == 8, "a table", out)
        t.check("acme" in cota(binary, "credit", "show", "--customer", "acme", *data)[1], "credit show for people")
        t.equal(daemon.stop(), 0, "it stops")


def test_many_rows(t, binary):
    """More rows than one page of the management API."""
    count = 1203
    with folder() as path, serving(binary, config(), path) as daemon:
        def work(calls):
            connection = http.client.HTTPConnection(daemon.host, daemon.port)
            body = json.dumps({"model": "sim-fast", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1})
            for _ in range(calls):
                connection.request("POST", "/v1/chat/completions", body, {"Authorization": "Bearer " + KEY})
                connection.getresponse().read()
            connection.close()
        threads = [threading.Thread(target=work, args=(count // 3,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rows = json_lines(cota(binary, "usage", "--json", "--data", str(path / "data"))[1])
        t.equal((len(rows), len({row["request_id"] for row in rows})), (count, count), "each call once, over all pages")
        t.equal(len(json_lines(cota(binary, "usage", "--json", "--limit", "700", "--data", str(path / "data"))[1])), 700, "a limit across pages")
        for kept in (0, 100, 5000):  # clients that go away: before the answer, at its head, in the middle
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(path / "data" / "cota.sock"))
            client.sendall(b"GET /api/v1/usage HTTP/1.1\r\nHost: cota\r\n\r\n")
            if kept:
                client.recv(kept, socket.MSG_WAITALL)
            client.close()
        t.equal(cota(binary, "health", "--data", str(path / "data"))[0], 0, "clients that go away in the middle do no harm")
        stuck = socket.socket(socket.AF_UNIX)
        stuck.connect(str(path / "data" / "cota.sock"))
        stuck.sendall(b"GET /api/v1/usage HTTP/1.1\r\nHost: cota\r\n\r\n")
        time.sleep(0.5)
        started = time.monotonic()
        t.equal(daemon.stop(), 0, "one that reads nothing does not keep the daemon")
        t.check(time.monotonic() - started < 15, "from stopping in time")
        stuck.close()


# --- the management API over TCP ------------------------------------------------------------------------------------------------
def test_management(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        token = "admin-token-of-the-test"
        for key, wanted in [(None, 401), ("wrong", 401), (KEY, 401), (token + "x", 401), (token[:-1], 401), (token, 200)]:
            status, headers, body = daemon.request("GET", "/api/v1/status", key=key)
            t.equal(status, wanted, f"management with {'no' if key is None else 'some'} token")
            if status != 200:
                t.equal(headers["content-type"], "application/problem+json", "the error's type")
        for method, url, body, wanted, code in [
                ("GET", "/api/v1/nothing", None, 404, "not_found"), ("PUT", "/api/v1/keys", {}, 405, "method_not_allowed"),
                ("GET", "/api/v1/keys?customers=a", None, 400, "invalid_field"), ("POST", "/api/v1/keys", {}, 400, "invalid_field"),
                ("POST", "/api/v1/keys", {"customer": "acme", "name": "k", "nam": 1}, 400, "invalid_field"),
                ("POST", "/api/v1/keys", {"customer": "acme", "name": 5}, 400, "invalid_field"),
                ("POST", "/api/v1/keys", {"customer": "acme", "name": "k", "requests_per_minute": -1}, 400, "invalid_field"),
                ("POST", "/api/v1/keys", {"customer": "acme", "name": "k", "expires_at": "2001-01-01"}, 400, "invalid_field"),
                ("POST", "/api/v1/customers/acme/grants", {"amount_usd": "1e9"}, 400, "invalid_field"),
                ("POST", "/api/v1/customers/acme/grants", {"amount_usd": 0}, 400, "invalid_field"),
                ("POST", "/api/v1/customers/acme/grants", {"amount_usd": "1", "category": "stolen"}, 400, "invalid_field"),
                ("GET", "/api/v1/customers/none/credit", None, 404, "not_found"),
                ("GET", "/api/v1/usage?limit=0", None, 400, "invalid_field"), ("GET", "/api/v1/usage?by=colour", None, 400, "invalid_field"),
                ("DELETE", "/api/v1/keys/acme/none", None, 404, "not_found")]:
            status, headers, answer = daemon.request(method, url, body, token)
            got = json.loads(answer)
            t.equal((status, got["status"], got["code"]), (wanted, wanted, code), f"{method} {url}")
        status, headers, answer = daemon.request("POST", "/api/v1/customers/acme/grants", {"amount_usd": 0.25, "category": "promo"}, token)
        t.equal((status, json.loads(answer)["amount_nano"]), (201, 250000000), "a number is read exactly")
        status, headers, answer = daemon.request("GET", "/api/v1/customers", key=token)
        t.equal([row["id"] for row in json.loads(answer)["customers"]], ["acme"], "customers")
        status, headers, answer = daemon.request("POST", "/api/v1/customers/a%62c%40x/grants", {"amount_usd": "1", "new_customer": True}, token)
        t.equal((status, json.loads(answer)["customer"]), (201, "abc@x"), "a path is decoded")
        status, headers, answer = daemon.request("GET", "/api/v1/customers/%zz/credit", key=token)
        t.equal(status, 404, "a bad escape")
        t.check(len(daemon.events("control_refused")) >= 1, "refused calls are logged")


# --- reload -----------------------------------------------------------------------------------------------------------------------
def test_reload(t, binary):
    with folder() as path:
        other = '  - {id: other, credit_usd: 1, keys: [{name: k, secret: "ck_test_other_0123456789abcdef"}]}'
        with serving(binary, config(more_customers=other), path) as daemon:
            t.equal(daemon.chat("ck_test_other_0123456789abcdef")[0], 200, "the second customer is served")
            t.equal(daemon.chat(model="sim-embed")[0], 404, "a model that is not configured")
            model = "  - {name: sim-tools, provider: sim, price: {input: 1, output: 1}}"
            (path / "cota.yaml").write_text(config(credit="999", port=1, key="ck_test_second_0123456789abcdef", more_models=model))
            daemon.signal(signal.SIGHUP)
            t.equal(len(daemon.wait_event("reloaded")), 1, "HUP reloads")
            t.equal(daemon.chat("ck_test_second_0123456789abcdef", model="sim-tools")[0], 200, "new key, new model")
            t.equal(daemon.chat()[0], 403, "the old secret is revoked")
            t.equal(daemon.chat("ck_test_other_0123456789abcdef")[0], 403, "who left the file is refused")
            ignored = {row.get("key", row.get("customer")) for row in daemon.events("config_ignored")}
            t.check({"listen", "acme"} <= ignored, "what cannot change is said", str(ignored))
            credit = json.loads(cota(binary, "credit", "show", "--customer", "acme", "--json", "--data", str(path / "data"))[1])
            t.equal(credit["granted_nano"], 100000000000, "credit is not granted twice")
            (path / "cota.yaml").write_text("lisen: 5\n")
            daemon.signal(signal.SIGHUP)
            t.check("lisen" in daemon.wait_event("reload_refused")[0]["problems"], "a broken file is refused")
            status, headers, body = daemon.request("POST", "/api/v1/reload", key="admin-token-of-the-test")
            t.check(status == 400 and "lisen" in json.loads(body)["detail"], "so it is over the API", str(body))
            t.equal(daemon.chat("ck_test_second_0123456789abcdef")[0], 200, "and the old one stays in force")
            (path / "cota.yaml").write_text(config(more_customers=other))
            status, headers, body = daemon.request("POST", "/api/v1/reload", key="admin-token-of-the-test")
            t.equal(status, 200, "reload over the API")
            t.equal(daemon.chat("ck_test_other_0123456789abcdef")[0], 200, "who comes back to the file is served again")
            t.equal(daemon.chat()[0], 403, "but a revoked secret stays revoked")
            t.check(any(row.get("key") == "main" for row in daemon.events("config_ignored")), "and the log says so")
            t.equal(daemon.stop(), 0, "it stops")


# --- stop and start ------------------------------------------------------------------------------------------------------------------
def test_drain(t, binary):
    with folder() as path, serving(binary, config(drain_ms=20000), path) as daemon:
        answers = {}

        def stream(name):
            answers[name] = daemon.chat(model="sim-fast:output=60,tokens-per-second=20", stream=True)
        model = '  - {name: "sim-fast:output=60,tokens-per-second=20", provider: sim, max_output_tokens: 64, price: {input: 1, output: 1}}'
        (path / "cota.yaml").write_text(config(drain_ms=20000, more_models=model))
        daemon.signal(signal.SIGHUP)
        daemon.wait_event("reloaded")
        thread = threading.Thread(target=stream, args=("one",))
        thread.start()
        time.sleep(1)
        started = time.monotonic()
        daemon.signal(signal.SIGTERM)
        daemon.wait_event("stopping")
        time.sleep(0.3)
        try:
            daemon.request("GET", "/livez", timeout=2)
            t.check(False, "no new connection is taken while draining")
        except OSError:
            t.check(True, "no new connection is taken while draining")
        code = daemon.process.wait(30)
        thread.join(30)
        t.equal(code, 0, "TERM ends with 0")
        status, headers, body = answers["one"]
        t.check(status == 200 and body.rstrip().endswith(b"[DONE]"), "the running stream ended cleanly", str(body[-200:]))
        t.check(time.monotonic() - started > 1, "and was waited for")
        with serving(binary, config(), path) as again:
            rows = json_lines(cota(binary, "usage", "--json", "--data", str(path / "data"))[1])
            t.equal([(row["outcome"], row["output_tokens"]) for row in rows], [("ok", 60)], "it is in the usage after the restart")
            t.equal(again.stop(), 0, "it stops")


def test_second_term(t, binary):
    model = '  - {name: "sim-fast:output=4000,tokens-per-second=5", provider: sim, price: {input: 1, output: 1}}'
    with folder() as path, serving(binary, config(drain_ms=600000, more_models=model), path) as daemon:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(
            daemon.chat(model="sim-fast:output=4000,tokens-per-second=5", stream=True, timeout=60)))
        thread.start()
        time.sleep(1)
        started = time.monotonic()
        daemon.signal(signal.SIGTERM)
        daemon.wait_event("stopping")
        daemon.signal(signal.SIGTERM)
        t.equal(daemon.process.wait(20), 0, "a second TERM ends it at once")
        t.check(time.monotonic() - started < 10, "within seconds")
        thread.join(10)
        body = answers[0][2] if answers else b""
        t.check(b"[DONE]" not in body, "the cut stream does not end as a whole one", str(body[-300:]))
        t.check(b'"error"' in body, "but with an error event", str(body[-300:]))
        with serving(binary, config(), path) as again:
            rows = json_lines(cota(binary, "usage", "--json", "--data", str(path / "data"))[1])
            t.check(len(rows) == 1 and rows[0]["outcome"] != "ok" and rows[0]["cost_nano"] > 0, "it was charged", str(rows))
            credit = json.loads(cota(binary, "credit", "show", "--customer", "acme", "--json", "--data", str(path / "data"))[1])
            t.equal((credit["held_nano"], credit["holds"]), (0, 0), "nothing is held")
            again.stop()


def test_restart(t, binary):
    with folder() as path:
        data = ["--data", str(path / "data")]
        with serving(binary, config(credit="2"), path) as daemon:
            secret = json.loads(cota(binary, "key", "create", "--customer", "acme", "--name", "kept", "--json", *data)[1])["secret"]
            daemon.chat()
            before = json.loads(cota(binary, "credit", "show", "--customer", "acme", "--json", *data)[1])
            daemon.kill()  # no goodbye at all
        for restart in range(2):
            with serving(binary, config(credit="2"), path) as daemon:
                after = json.loads(cota(binary, "credit", "show", "--customer", "acme", "--json", *data)[1])
                t.equal(after["available_nano"], before["available_nano"], "credit outlives kill -9")
                t.equal(after["granted_nano"], 2000000000, "and is granted once")
                t.equal(len(json_lines(cota(binary, "usage", "--json", *data)[1])), 1 + restart, "so does the usage")
                t.equal(daemon.chat(secret)[0], 200, "and the key made at run time")
                before = json.loads(cota(binary, "credit", "show", "--customer", "acme", "--json", *data)[1])
                cota(binary, "key", "revoke", "--customer", "acme", "main", *data)
                t.equal(daemon.stop(), 0, "it stops")
        with serving(binary, config(credit="2"), path) as daemon:
            t.equal(daemon.chat()[0], 403, "a key of the file that was revoked at run time stays so after a restart")
            t.equal(daemon.chat(secret)[0], 200, "the others do not mind")
            t.equal(daemon.stop(), 0, "it stops")


def test_refusals(t, binary):
    with folder() as path:
        with serving(binary, config(), path) as daemon:
            (path / "second.yaml").write_text(config())
            code, out, err = cota(binary, "serve", "-c", str(path / "second.yaml"), "--data", str(path / "data"))
            t.check(code == 1 and re.search("another|lock|in use", err), "a second daemon on the same data: refused", err)
            code, out, err = cota(binary, "health", "--data", str(path / "data"))
            t.equal(code, 0, "the first one does not notice")
            (path / "third.yaml").write_text(config(port=daemon.port))
            code, out, err = cota(binary, "serve", "-c", str(path / "third.yaml"), "--data", str(path / "data3"))
            t.check(code == 1 and "taken" in err, "a port that is taken: refused", err)
            daemon.stop()
        os.chmod(path / "data" / "secret.key", 0o644)
        code, out, err = cota(binary, "serve", "-c", str(path / "cota.yaml"), "--data", str(path / "data"))
        t.check(code == 1 and "may be read by others" in err, "a secret that others can read: refused", err)
        os.remove(path / "data" / "secret.key")
        code, out, err = cota(binary, "serve", "-c", str(path / "cota.yaml"), "--data", str(path / "data"))
        t.check(code == 1 and "is missing" in err and not (path / "data" / "secret.key").exists(), "a lost secret: refused", err)


def test_unix_socket_path(t, binary):
    """-c names the data directory, and so do COTA_DATA and the working directory."""
    with folder() as path:
        (path / "cota.yaml").write_text(config() + f"data_dir: {path}/dd\n")
        daemon = Daemon(binary, "serve", "-c", str(path / "cota.yaml"))
        try:
            t.equal(cota(binary, "health", "-c", str(path / "cota.yaml"))[0], 0, "found by -c")
            t.equal(cota("env", f"COTA_DATA={path}/dd", binary, "health")[0], 0, "found by COTA_DATA")
            t.equal(daemon.stop(), 0, "it stops")
        finally:
            daemon.kill()
        daemon = Daemon(binary, "serve", cwd=path)
        try:
            t.check((path / "dd" / "cota.sock").exists(), "./cota.yaml is taken when it exists")
            t.equal(cota(binary, "health", cwd=path)[0], 0, "by the commands too")
            t.equal(daemon.stop(), 0, "it stops")
        finally:
            daemon.kill()


def test_simulate(t, binary):
    port = free_port()
    with folder() as path:
        simulator = Daemon(binary, "simulate", "--listen", f"127.0.0.1:{port}", "--served", str(path / "served"))
        try:
            text = config(more_models="  - {name: m, provider: up, model: sim-fast, price: {input: 1, output: 1}}").replace(
                "models:", f"  - {{name: up, base_url: \"http://127.0.0.1:{port}/v1\", api_key: sk-up}}\nmodels:", 1)
            with serving(binary, text, path) as daemon:
                status, headers, body = daemon.chat(model="m", headers={"x-request-id": "over-the-wire"})
                t.equal(status, 200, "a call over a real provider connection")
                row = json_lines(cota(binary, "usage", "--json", "--data", str(path / "data"))[1])[0]
                served = json_lines((path / "served").read_text())
                t.equal([(s["id"], s["prompt_tokens"], s["completion_tokens"]) for s in served],
                        [("over-the-wire", row["input_tokens"], row["output_tokens"])], "what was served is what was recorded")
                t.equal(daemon.stop(), 0, "it stops")
            t.equal(simulator.stop(), 0, "so does the simulator")
        finally:
            simulator.kill()


def test_notify(t, binary):
    """What systemd hears."""
    with folder() as path:
        heard = []
        inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        inbox.bind(str(path / "notify"))
        inbox.settimeout(0.1)

        def listen(seconds, until):
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and not any(until in text for text in heard):
                with contextlib.suppress(TimeoutError):
                    heard.append(inbox.recv(4096).decode())
        with serving(binary, config(), path, env={"NOTIFY_SOCKET": str(path / "notify"), "WATCHDOG_USEC": "3000000"}) as daemon:
            listen(5, "READY=1")
            t.check(any("READY=1" in text for text in heard), "READY when calls are answered", str(heard))
            listen(6, "WATCHDOG=1")
            t.check(any("WATCHDOG=1" in text for text in heard), "the watchdog is fed", str(heard))
            t.equal(daemon.stop(), 0, "it stops")
            listen(2, "STOPPING=1")
            t.check(any("STOPPING=1" in text for text in heard), "STOPPING", str(heard))
        inbox.close()


def test_tls(t, binary):
    if not shutil.which("openssl"):
        t.skipped += 1
        print("skipped: no openssl command to make a certificate with")
        return
    with folder() as path:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
                        str(path / "key.pem"), "-out", str(path / "cert.pem")], check=True, capture_output=True)
        text = config() + f"tls: {{cert: {path}/cert.pem, key: {path}/key.pem}}\n"
        with serving(binary, text, path) as daemon:
            t.check(daemon.ready["url"].startswith("https://"), "its url", str(daemon.ready))
            context = ssl.create_default_context(cafile=str(path / "cert.pem"))
            connection = http.client.HTTPSConnection("127.0.0.1", daemon.port, context=context, timeout=20)
            body = json.dumps({"model": "sim-fast", "stream": True, "messages": [{"role": "user", "content": "x"}]})
            connection.request("POST", "/v1/chat/completions", body, {"Authorization": "Bearer " + KEY})
            answer = connection.getresponse()
            t.check(answer.status == 200 and answer.read().rstrip().endswith(b"[DONE]"), "a stream over TLS")
            t.check(connection.sock is None or connection.sock.version() in ("TLSv1.2", "TLSv1.3"), "its version")
            connection.close()
            t.equal(daemon.stop(), 0, "it stops")
        (path / "cota.yaml").write_text(text.replace("cert.pem", "none.pem"))
        code, out, err = cota(binary, "serve", "-c", str(path / "cota.yaml"), "--data", str(path / "data"))
        t.check(code == 1 and "none.pem" in err, "a certificate that is not there", err)


TESTS = [test_command_line, test_texts, test_check, test_pages, test_demo, test_keys, test_credit_and_usage, test_many_rows,
         test_management, test_reload, test_drain, test_second_term, test_restart, test_refusals, test_unix_socket_path,
         test_simulate, test_notify, test_tls]


if __name__ == "__main__":
    sys.exit(run_tests(__doc__, TESTS))
