#!/usr/bin/env python3
"""own_keys.py - customers' own provider keys, their rotation, and jobs, against a provider that notes whose key came.

usage: tests/e2e/own_keys.py [--binary build/cota] [TEST…]      last line: N passed, N failed, N skipped
"""
import base64
import concurrent.futures
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from governance import Saas  # noqa: E402
from harness import config, cota, folder, run_tests, serving  # noqa: E402

HOUSE, OWN, OTHER, BAD = "sk-house-0123456789abcdef", "sk-own-SECRETSECRET-9f3a", "sk-own-TWOTWOTWOTWO-77aa", "sk-refused-00000000-bad0"
RINGS = [base64.urlsafe_b64encode(hashlib.sha256(bytes([number])).digest()).decode() for number in range(3)]


class Provider(http.server.ThreadingHTTPServer):
    """Speaks OpenAI's dialect; `calls` has (key, model) of each."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls, self.refused, self.delay = [], {BAD}, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, address):
        pass  # a daemon that was killed


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        key = self.headers["authorization"].removeprefix("Bearer ")
        self.server.calls.append((key, body["model"]))
        time.sleep(self.server.delay)
        answer = {"id": "x", "object": "chat.completion", "model": body["model"],
                  "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
                  "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}}
        status = 200
        if key in self.server.refused:
            status, answer = 401, {"error": {"message": f"Incorrect API key provided: {key}", "code": "invalid_api_key"}}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def configured(provider, ring=RINGS[:1]):
    text = config(more_models="  - {name: big, provider: ext, max_output_tokens: 64, price: {input: 1, output: 2}}")
    where = f"http://127.0.0.1:{provider.server_address[1]}/v1"
    text = text.replace("providers:\n", f"providers:\n  - {{name: ext, base_url: \"{where}\", api_key: {HOUSE}}}\n")
    return text + (f"encryption_keys: [{', '.join(json.dumps(key) for key in ring)}]\n" if ring else "")


def seal(ring_key, plain):
    """A Fernet token as the Python product has stored it: AES-128-CBC by the openssl command, HMAC-SHA256."""
    raw, iv = base64.urlsafe_b64decode(ring_key), os.urandom(16)
    done = subprocess.run(["openssl", "enc", "-aes-128-cbc", "-K", raw[16:].hex(), "-iv", iv.hex()], input=plain.encode(),
                          stdout=subprocess.PIPE, check=True)
    head = b"\x80" + int(time.time()).to_bytes(8, "big") + iv + done.stdout
    return base64.urlsafe_b64encode(head + hmac.new(raw[:16], head, hashlib.sha256).digest()).decode()


class World(Saas):
    def call(self, customer, model="big", **headers):
        sent = {f"x-cota-{name}": value for name, value in headers.items()}
        status, said, answer = self.daemon.chat(self.keys[customer], model=model, headers=sent, timeout=60)
        return status, said, json.loads(answer)

    def own(self, customer, key=OWN, wanted=201, **more):
        body = {"customer": customer, "provider": "ext", **({"api_key": key} if key else {}), **more}
        status, _, answer = self.api("POST", "/api/v1/ai-configs", body)
        self.t.equal(status, wanted, f"POST ai-configs {customer} {answer}")
        return answer

    def rows(self, customer):
        self.api("GET", "/api/v1/limits")  # flushes
        answer = self.daemon.request("GET", f"/api/v1/usage?customer={customer}", None, "admin-token-of-the-test")[2]
        return [json.loads(line) for line in answer.splitlines()]

    def job(self, body, until=("done", "failed", "cancelled"), seconds=240):
        made = self.post("jobs", body, (202,))
        return self.wait(made["id"], until, seconds)

    def wait(self, name, until=("done", "failed", "cancelled"), seconds=240):
        deadline = time.monotonic() + seconds
        while True:
            job = self.api("GET", f"/api/v1/jobs/{name}")[2]
            if job["status"] in until or time.monotonic() > deadline:
                return job
            time.sleep(0.05)


def place(customer):
    return f"/api/v1/ai-configs/{customer}%2Fext"


def nowhere(t, path, daemon, secrets, answers=()):
    """No secret in the data directory, the log, the exports or the answers."""
    texts = {str(file.relative_to(path)): file.read_bytes() for file in (path / "data").rglob("*") if file.is_file()}
    texts["log"] = daemon.said().encode()
    texts["answers"] = "".join(map(str, answers)).encode()
    for name, text in texts.items():
        for secret in secrets:
            t.check(secret.encode() not in text, f"{secret[:9]}… is not in {name}")


# --- tests ----------------------------------------------------------------------------------------------------------------
def test_calls(t, binary):
    """The call goes out with the customer's key, costs nothing here, counts, and nobody else gets the key."""
    provider = Provider()
    with folder() as path, serving(binary, configured(provider), path) as daemon:
        saas = World(daemon, t)
        saas.customer("aurora")
        saas.customer("outra")
        saas.customer("livre", amount="0.000001")
        t.equal(saas.call("aurora")[0], 200, "before")
        t.equal(provider.calls[-1], (HOUSE, "big"), "the house's key")
        made = saas.own("aurora", model="gpt-own", features_off=["legal-reports"], models_off=["small"])
        t.equal((made["id"], made["key_last_four"], "api_key" in made, "api_key_sealed" in made), ("aurora/ext", "9f3a", False, False), "shown")
        before = saas.held("aurora")
        status, headers, _ = saas.call("aurora")
        t.equal((status, provider.calls[-1], headers["x-cota-cost"]), (200, (OWN, "gpt-own"), "0"), "own key, own model, no charge")
        after = saas.held("aurora")
        t.equal((after["available_nano"], after["held_nano"]), (before["available_nano"], 0), "credit is not touched")
        row = next(row for row in saas.rows("aurora") if row["own_key"])
        t.equal((row["cost_nano"], row["charged_nano"], row["list_nano"], row["input_tokens"], row["upstream_model"]),
                (0, 0, 120000, 100, "gpt-own"), "the row has tokens and the list price")
        t.equal(saas.call("outra")[0], 200, "another customer")
        t.equal(provider.calls[-1][0], HOUSE, "goes out with the house's key")
        t.equal(saas.call("livre")[2].get("error", {}).get("code"), "insufficient_credits", "without credit nothing goes")
        saas.own("livre", OTHER)
        t.equal((saas.call("livre")[0], provider.calls[-1][0]), (200, OTHER), "but with its own key it does")
        t.equal(saas.call("aurora", model="sim-fast")[0], 200, "another provider is not touched")
        count = len(provider.calls)
        status, _, answer = saas.call("aurora", feature="legal-reports")
        t.equal((status, answer["error"]["code"], len(provider.calls)), (403, "feature_not_enabled", count), "a feature that is off")
        saas.put("limits/agg", {"owner": "customer", "owner_id": "aurora", "name": "agg", "metric": "requests", "window": "month", "value": 5})
        codes = [saas.call("aurora")[0] for _ in range(8)]
        t.check(codes[-1] == 429 and 200 in codes, "limits count calls with an own key", codes)
        saas.api("PATCH", place("aurora"), {"active": False})
        saas.api("DELETE", "/api/v1/limits/agg")
        t.equal((saas.call("aurora")[0], provider.calls[-1][0]), (200, HOUSE), "switched off: the house's key")
        saas.api("PATCH", place("aurora"), {"active": True, "api_key": OTHER})
        t.equal((saas.call("aurora")[0], provider.calls[-1][0]), (200, OTHER), "another key, from the next call on")
        status, _, shown = saas.api("PUT", place("aurora"), {"customer": "aurora", "provider": "ext"})
        t.equal((status, shown["key_last_four"], "model" in shown), (200, "77aa", False), "PUT without a key keeps it")
        t.equal(saas.api("DELETE", place("aurora"))[0], 204, "deleted")
        t.equal((saas.call("aurora")[0], provider.calls[-1][0]), (200, HOUSE), "the house's key again")
        answers = [saas.api("GET", "/api/v1/ai-configs"), saas.api("GET", "/api/v1/audit?limit=100"), cota(binary, "export", "--data", str(path / "data"))]
        t.check("api_key_sealed" not in str(answers) and "gAAAA" not in str(answers), "no sealed key in answers, audit and export", str(answers)[:300])
        t.equal(saas.api("GET", "/api/v1/audit/verify")[2]["valid"], True, "the audit chain holds")
        t.equal(daemon.stop(), 0, "stops")
        nowhere(t, path, daemon, (OWN, OTHER), answers)


def test_refusals(t, binary):
    """What cannot be: no ring, a token nobody can open, a key that the provider refuses."""
    provider = Provider()
    with folder() as path, serving(binary, configured(provider, ring=None), path) as daemon:
        saas = World(daemon, t)
        saas.customer("aurora")
        answer = saas.own("aurora", wanted=400)
        t.check("encryption_keys" in answer["detail"] and answer["param"] == "api_key", "without a ring it says what to do", answer)
        t.equal(saas.api("POST", "/api/v1/jobs", {"kind": "reseal"})[0], 409, "nothing to reseal with")
        daemon.stop()
    with folder() as path:
        with serving(binary, configured(provider), path) as daemon:
            saas = World(daemon, t)
            saas.customer("aurora")
            saas.own("aurora", key=None, wanted=400)
            saas.own("aurora", key="two words", wanted=400)
            saas.own("aurora", api_key_sealed=seal(RINGS[0], OTHER), wanted=400)
            saas.own("aurora", key=None, api_key_sealed=seal(RINGS[1], OTHER), wanted=400)
            t.equal(saas.api("POST", "/api/v1/ai-configs", {"customer": "aurora", "provider": "none", "api_key": OWN})[2]["param"], "provider", "no such provider")
            t.equal(saas.api("POST", "/api/v1/ai-configs", {"customer": "nobody", "provider": "ext", "api_key": OWN})[2]["param"], "customer", "no such customer")
            made = saas.own("aurora", key=None, api_key_sealed=seal(RINGS[0], OTHER))
            t.equal((made["key_last_four"], saas.call("aurora")[0], provider.calls[-1][0]), ("77aa", 200, OTHER), "a token of the Python product")
            saas.api("PATCH", place("aurora"), {"api_key": BAD})
            status, _, answer = saas.call("aurora")
            t.equal((status, answer["error"]["code"]), (424, "own_key_refused"), "the provider refuses the key: the customer is told")
            t.check(BAD not in str(answer), "without the key", answer)
            t.equal(daemon.wait_event("own_key_refused")[0]["id"], "aurora/ext", "and the log names it")
            t.equal((daemon.events("provider_auth"), saas.held("aurora")["held_nano"]), ([], 0), "it is not our key, nothing is held")
            status, _, answer = daemon.chat(saas.keys["aurora"], model="big", headers={"Accept-Language": "pt-BR"})
            t.check("chave" in json.loads(answer)["error"]["message"], "in Portuguese", answer)
            saas.api("PATCH", place("aurora"), {"api_key": OWN})
            keys = saas.keys
            daemon.stop()
        count = len(provider.calls)
        with serving(binary, configured(provider, ring=RINGS[2:]), path) as daemon:
            saas = World(daemon, t)
            saas.keys = keys
            status, _, answer = saas.call("aurora")
            t.equal((status, answer["error"]["code"], len(provider.calls)), (503, "own_key_unusable", count), "another ring: refused, never the house's key")
            t.equal(daemon.events("own_key_unusable")[0]["id"], "aurora/ext", "the log says which")
            daemon.stop()
            nowhere(t, path, daemon, (OWN, OTHER, BAD))
        with serving(binary, configured(provider), path) as daemon:
            saas = World(daemon, t)
            saas.keys = keys
            t.equal((saas.call("aurora")[0], provider.calls[-1][0]), (200, OWN), "the ring is back, so is the key")
            daemon.stop()


def test_rotation(t, binary):
    """A new key in front of the ring, while calls run: none fails, and the old key can go."""
    provider = Provider()
    with folder() as path:
        with serving(binary, configured(provider), path) as daemon:
            saas = World(daemon, t)
            customers = [f"c{number}" for number in range(40)]
            for name in customers:
                saas.customer(name)
                saas.own(name, f"sk-own-{name}-0123456789abcdef")
            stop, bad = threading.Event(), []

            def load(start):
                number = start
                while not stop.is_set():
                    name = customers[number % len(customers)]
                    status = saas.call(name)[0]
                    if status != 200:
                        bad.append((name, status))
                    number += 1

            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                for start in range(4):
                    pool.submit(load, start)
                (path / "cota.yaml").write_text(configured(provider, [RINGS[1], RINGS[0]]))
                daemon.signal(signal.SIGHUP)
                daemon.wait_event("reloaded")
                code, out, _ = cota(binary, "rotate", "--data", str(path / "data"))
                t.check(code == 0 and "40 of 40, 40 sealed anew" in out, "cota rotate", out)
                code, out, _ = cota(binary, "rotate", "--data", str(path / "data"), "--json")
                t.equal((code, json.loads(out)["changed"], json.loads(out)["done"]), (0, 0, 40), "again: nothing to do")
                (path / "cota.yaml").write_text(configured(provider, [RINGS[1]]))
                daemon.signal(signal.SIGHUP)
                daemon.wait_event("reloaded", 2)
                time.sleep(0.5)
                stop.set()
            t.equal(bad, [], "no call failed")
            t.check(all(key.startswith("sk-own-c") for key, _ in provider.calls) and len(provider.calls) > 40, "none went out with the house's key")
            entry = saas.api("GET", "/api/v1/audit?kind=ai_config&id=c3%2Fext")[2]["items"][0]
            t.check(entry["actor"].startswith("job:"), "each is in the audit trail", entry)
            t.equal(saas.api("GET", place("c3"))[2]["key_last_four"], "cdef", "what is shown stays")
            keys = saas.keys
            daemon.kill()
        with serving(binary, configured(provider, [RINGS[1]]), path) as daemon:
            saas = World(daemon, t)
            saas.keys = keys
            t.equal((saas.call("c7")[0], provider.calls[-1][0]), (200, "sk-own-c7-0123456789abcdef"), "after kill -9 with the new ring alone")
            daemon.stop()
            nowhere(t, path, daemon, ["sk-own-c3-0123456789abcdef"])


def features(count, start=0):
    return [{"op": "create", "kind": "feature", "id": f"f-{number}", "document": {"type": "metered", "category": "chat", "name": {"pt": "x", "en": "x"}}}
            for number in range(start, start + count)]


def test_bulk(t, binary):
    """10 000 operations with progress, errors, cancelling, and a bounded queue."""
    provider = Provider()
    with folder() as path, serving(binary, configured(provider), path) as daemon:
        saas = World(daemon, t)
        t.equal(saas.api("POST", "/api/v1/jobs", {"kind": "bulk"})[0], 400, "bulk without operations")
        t.equal(saas.api("POST", "/api/v1/jobs", {"kind": "bulk", "operations": features(10001)})[0], 400, "one too many")
        made = saas.post("jobs", {"kind": "bulk", "operations": features(10000)}, (202,))
        seen, deadline = set(), time.monotonic() + 300
        while time.monotonic() < deadline:
            job = saas.api("GET", f"/api/v1/jobs/{made['id']}")[2]
            seen.add(job["done"])
            if job["status"] not in ("queued", "running"):
                break
            time.sleep(0.1)
        t.equal((job["status"], job["total"], job["done"], job["failed"]), ("done", 10000, 10000, 0), "all are made")
        t.check(len(seen) > 3, "its progress is seen", seen)
        entry = saas.api("GET", "/api/v1/audit?kind=feature&id=f-9999")[2]["items"][0]
        t.equal(entry["actor"], f"job:{made['id']}", "each is audited")
        mixed = [{"op": "update", "kind": "feature", "id": "f-1", "document": {"active": False}},
                 {"op": "delete", "kind": "feature", "id": "f-2"},
                 {"op": "delete", "kind": "feature", "id": "f-2"},
                 {"op": "create", "kind": "feature", "id": "f-3", "document": features(1)[0]["document"]},
                 {"op": "create", "kind": "nothing", "document": {}},
                 {"op": "create", "kind": "job", "document": {}},
                 {"op": "create", "kind": "feature", "id": "bad", "document": {"type": "no"}},
                 {"op": "update", "kind": "feature", "id": "f-4"}]
        job = saas.job({"kind": "bulk", "operations": mixed})
        t.equal((job["status"], job["done"], job["failed"]), ("done", 2, 6), "what fails does not stop the rest")
        t.equal([(row["index"], row["code"]) for row in job["errors"]],
                [(2, "not_found"), (3, "conflict"), (4, "invalid_field"), (5, "invalid_field"), (6, "invalid_field"), (7, "invalid_field")], "and says why")
        t.equal((saas.api("GET", "/api/v1/features/f-1")[2]["active"], saas.api("GET", "/api/v1/features/f-2")[0]), (False, 404), "the others are written")
        slow = saas.post("jobs", {"kind": "bulk", "operations": features(10000, 20000)}, (202,))
        waiting = saas.post("jobs", {"kind": "bulk", "operations": features(1, 40000)}, (202,))
        t.equal(saas.api("POST", f"/api/v1/jobs/{waiting['id']}/cancel")[2]["status"], "cancelled", "one that waits is cancelled at once")
        saas.wait(slow["id"], ("running",))
        t.equal(saas.api("POST", f"/api/v1/jobs/{slow['id']}/cancel")[0], 200, "one that runs is told")
        job = saas.wait(slow["id"])
        t.check(job["status"] == "cancelled" and job["done"] < 10000 and "cancelled after" in job["message"], "and ends", job)
        t.equal(saas.api("POST", f"/api/v1/jobs/{slow['id']}/cancel")[0], 409, "once")
        t.equal(saas.api("GET", "/api/v1/features/f-40000")[0], 404, "what waited was not done")
        secret = {"op": "create", "kind": "ai_config", "document": {"customer": "acme", "provider": "ext", "api_key": OWN}}
        t.equal(saas.job({"kind": "bulk", "operations": [secret]})["done"], 1, "keys come in bulk too")
        t.equal(len(saas.api("GET", "/api/v1/jobs?kind=bulk&status=done")[2]["items"]), 3, "jobs are listed")
        t.equal(saas.daemon.request("GET", "/api/v1/jobs", None, "ck_test_0123456789abcdef0123456789abcdef")[0], 401, "not for customers' keys")
        t.equal(daemon.stop(), 0, "stops")
        nowhere(t, path, daemon, (OWN,))


def test_killed(t, binary):
    """kill -9 in the middle of a bulk job: it says so, and what it wrote is whole."""
    provider = Provider()
    with folder() as path:
        with serving(binary, configured(provider), path) as daemon:
            saas = World(daemon, t)
            made = saas.post("jobs", {"kind": "bulk", "operations": features(10000)}, (202,))
            deadline = time.monotonic() + 60
            while saas.api("GET", f"/api/v1/jobs/{made['id']}")[2]["done"] < 100 and time.monotonic() < deadline:
                time.sleep(0.02)
            daemon.kill()
        with serving(binary, configured(provider), path) as daemon:
            saas = World(daemon, t)
            job = saas.api("GET", f"/api/v1/jobs/{made['id']}")[2]
            t.check(job["status"] == "failed" and "at least" in job["message"], "it has failed, with a text", job)
            saas.api("GET", "/api/v1/features")
            with sqlite3.connect(f"file:{path}/data/cota.db?mode=ro", uri=True) as database:
                ids = [int(row[0][2:]) for row in database.execute("SELECT id FROM object WHERE kind = 'feature'")]
                audited = database.execute("SELECT count(*) FROM audit WHERE kind = 'feature' AND actor = ?", (f"job:{made['id']}",)).fetchone()[0]
            t.equal(sorted(ids), list(range(len(ids))), "what is there is the beginning of the list, without a gap")
            t.check(len(ids) == audited >= max(job["done"], 100), "each with its audit entry", (len(ids), audited, job["done"]))
            rest = saas.job({"kind": "bulk", "operations": features(10, len(ids))})
            t.equal((rest["status"], rest["done"]), ("done", 10), "the rest can be sent again")
            t.equal(daemon.stop(), 0, "stops")


def test_crash(t, binary):
    """kill -9 while a call with an own key runs: it is ended without a charge."""
    provider = Provider()
    provider.delay = 3
    with folder() as path:
        with serving(binary, configured(provider), path) as daemon:
            saas = World(daemon, t)
            saas.customer("aurora")
            saas.own("aurora")
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                call = pool.submit(saas.call, "aurora")
                while not provider.calls:
                    time.sleep(0.01)
                daemon.kill()
                t.check(call.exception() is not None, "the client is cut off")
        with serving(binary, configured(provider), path) as daemon:
            saas = World(daemon, t)
            row = saas.rows("aurora")[0]
            t.equal((row["own_key"], row["cost_nano"], row["charged_nano"], row["debt_nano"]), (True, 0, 0, 0), "ended, not charged")
            t.check(row["list_nano"] > 0, "with its list price", row)
            shown = saas.held("aurora")
            t.equal((shown["held_nano"], shown["holds"], shown["consumed_nano"]), (0, 0, 0), "nothing is held")
            t.equal(daemon.stop(), 0, "stops")


def test_demo(t, binary):
    """cota demo has a ring, in a file that only its owner reads."""
    from harness import Daemon
    with folder() as path:
        daemon = Daemon(binary, "demo", "--port", "0", "--data", str(path / "data"))
        try:
            file = path / "data" / "encryption.key"
            t.equal((file.stat().st_mode & 0o777, len(file.read_text())), (0o600, 44), "0600")
            body = {"customer": "demo", "provider": "simulado", "api_key": OWN}
            t.equal(daemon.request("POST", "/api/v1/ai-configs", body, daemon.ready["admin_token"])[0], 201, "a key can be stored")
            status, headers, _ = daemon.chat(daemon.ready["api_key"])
            t.equal((status, headers["x-cota-cost"]), (200, "0"), "and used")
        finally:
            daemon.kill()
        text = file.read_text()
        daemon = Daemon(binary, "demo", "--port", "0", "--data", str(path / "data"))
        t.equal(file.read_text(), text, "the same ring at the next start")
        daemon.kill()


TESTS = [test_calls, test_refusals, test_rotation, test_bulk, test_killed, test_crash, test_demo]

if __name__ == "__main__":
    sys.exit(run_tests(__doc__, TESTS))
