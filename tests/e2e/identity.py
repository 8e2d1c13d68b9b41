#!/usr/bin/env python3
"""identity.py - end users who call with a JWT: what is accepted, what is refused, who pays, whose limits are met.

usage: tests/e2e/identity.py [--binary build/cota] [TEST…]      last line: N passed, N failed, N skipped
"""
import base64
import collections
import concurrent.futures
import hashlib
import hmac
import http.server
import json
import pathlib
import re
import signal
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from governance import Saas, between_hours, limit  # noqa: E402
from harness import config, folder, json_lines, run_tests, serving  # noqa: E402

SECRET = "a-secret-of-the-test-0123456789abcdef"
OTHER = "another-secret-of-the-test-0123456789"
ISSUER, AUDIENCE = "https://login.example", "cota"
INVALID, EXPIRED, REVOKED = (401, "invalid_token"), (401, "expired_api_key"), (403, "revoked_api_key")
FORBIDDEN = (403, "forbidden")


def encode(data):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def run(*command, given=b""):
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, timeout=60).stdout


def raw_signature(der):
    """r and s, 32 bytes each, of OpenSSL's DER."""
    at, numbers = 2, []
    for _ in range(2):
        size = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + size], "big").to_bytes(32, "big"))
        at += 2 + size
    return b"".join(numbers)


class Key:
    """A private key that the openssl CLI made, and signs with."""

    MAKE = {"RS256": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "ES256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            "EdDSA": ["-algorithm", "ED25519"]}

    def __init__(self, path, algorithm, name):
        self.file, self.algorithm, self.name = path / f"{name}.pem", algorithm, name
        run("openssl", "genpkey", *self.MAKE[algorithm], "-out", str(self.file))

    def public_pem(self):
        return run("openssl", "pkey", "-in", str(self.file), "-pubout")

    def sign(self, text):
        if self.algorithm == "EdDSA":
            whole = self.file.with_suffix(".text")
            whole.write_bytes(text)
            return run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", str(self.file), "-in", str(whole))
        signature = run("openssl", "dgst", "-sha256", "-sign", str(self.file), given=text)
        return raw_signature(signature) if self.algorithm == "ES256" else signature

    def jwk(self):
        row = {"kid": self.name, "alg": self.algorithm, "use": "sig"}
        if self.algorithm == "RS256":
            modulus = run("openssl", "rsa", "-in", str(self.file), "-noout", "-modulus").decode().strip().split("=")[1]
            return {**row, "kty": "RSA", "n": encode(bytes.fromhex(modulus)), "e": "AQAB"}
        der = run("openssl", "pkey", "-in", str(self.file), "-pubout", "-outform", "DER")
        if self.algorithm == "ES256":
            return {**row, "kty": "EC", "crv": "P-256", "x": encode(der[-64:-32]), "y": encode(der[-32:])}
        return {**row, "kty": "OKP", "crv": "Ed25519", "x": encode(der[-32:])}


def claims(**more):
    now = int(time.time())
    row = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 600, "customer": "acme", "sub": "ana", **more}
    return {name: value for name, value in row.items() if value is not None}


def token(key=SECRET, head=None, **more):
    """Signed by a Key, or with a shared secret; a claim that is None is left out."""
    algorithm = key.algorithm if isinstance(key, Key) else "HS256"
    head = {"alg": algorithm, "typ": "JWT"} if head is None else head
    text = f"{encode(head)}.{encode(claims(**more))}".encode()
    if isinstance(key, Key):
        signature = key.sign(text)
    else:
        signature = hmac.new(key.encode() if isinstance(key, str) else key, text, hashlib.sha256).digest()
    return f"{text.decode()}.{encode(signature)}"


def settings(**jwt):
    """cota.yaml with a section jwt; JSON is YAML."""
    section = {"secret": SECRET, "issuer": ISSUER, "audience": AUDIENCE, **jwt}
    section = {name: value for name, value in section.items() if value is not None}
    other = '  - {id: other, unlimited: true, keys: [{name: main, secret: "ck_test_of_the_other_customer"}]}'
    return config(more_customers=other) + f"jwt: {json.dumps(section)}\n"


def call(daemon, credential, body=None, **headers):
    """(status, code of the error)"""
    sent = {("" if name == "idempotency-key" else "x-cota-") + name: value for name, value in
            ((name.replace("_", "-"), value) for name, value in headers.items())}
    asked = {"model": "sim-fast", "messages": [{"role": "user", "content": "hello"}], **(body or {})}
    status, _, answer = daemon.request("POST", "/v1/chat/completions", asked, credential, sent)
    return status, json.loads(answer).get("error", {}).get("code")


def ask(daemon, path, credential):
    status, _, answer = daemon.request("GET", path, None, credential)
    return status, json.loads(answer)


def usage(saas, wanted, **query):
    """Rows of finished calls, newest first; the database is a moment behind."""
    text = "&".join(f"{name}={value}" for name, value in query.items())
    for _ in range(100):
        _, _, answer = saas.daemon.request("GET", f"/api/v1/usage?{text}", None, "admin-token-of-the-test")
        rows = json_lines(answer.decode())
        if len(rows) >= wanted:
            return rows
        time.sleep(0.05)
    return rows


def token_keys(saas, customer):
    return [row for row in saas.api("GET", f"/api/v1/keys?customer={customer}")[2]["keys"] if row["name"] == "jwt"]


def reload(daemon, path, text):
    before = len(daemon.events("reloaded")) + len(daemon.events("reload_refused"))
    (path / "cota.yaml").write_text(text)
    daemon.signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while len(daemon.events("reloaded")) + len(daemon.events("reload_refused")) == before and time.monotonic() < deadline:
        time.sleep(0.02)


def says_no_token(t, daemon, tokens):
    """No token, and no part of one that proves anything, is in the log."""
    said = daemon.said()
    t.check(not any(part in said for one in tokens for part in one.split(".")[1:] if len(part) > 8), "no token is in the log")


# --- who it is ------------------------------------------------------------------------------------------------------------
def test_accepted(t, binary):
    with folder() as path:
        keys = [Key(path, algorithm, algorithm.lower()) for algorithm in Key.MAKE]
        (path / "jwks.json").write_text(json.dumps({"keys": [key.jwk() for key in keys]}))
        with serving(binary, settings(jwks_file=str(path / "jwks.json")), path) as daemon:
            saas, used = Saas(daemon, t), []
            for key in [SECRET, *keys]:
                name = key.algorithm if isinstance(key, Key) else "HS256"
                used.append(token(key, sub=f"user-{name}"))
                t.equal([call(daemon, used[-1])[0] for _ in range(3)], [200] * 3, f"{name}, verified and remembered")
            rows = usage(saas, 12, customer="acme", key="jwt")
            t.equal(collections.Counter(row["user"] for row in rows), {f"user-{name}": 3 for name in ("HS256", *Key.MAKE)},
                    "each call is its user's")
            t.equal(len(token_keys(saas, "acme")), 1, "one key pays for them all")
            one = used[0]
            status, answer = ask(daemon, "/v1/models", one)
            t.equal((status, len(answer["data"])), (200, 2), "the list of models")
            t.equal(ask(daemon, "/v1/models/sim-fast", one)[0], 200, "one model")
            t.equal(ask(daemon, "/v1/models", token(customer="other"))[0], 200, "… of a customer without a key for tokens")
            t.equal(token_keys(saas, "other"), [], "looking makes no key")
            status, answer = ask(daemon, "/v1/me/usage", one)
            t.equal((status, answer["error"]["code"]), FORBIDDEN, "what the customer uses is not for its users")
            status, _, _ = daemon.request("GET", "/v1/models", headers={"x-api-key": one})
            t.equal(status, 200, "in the header of another SDK")
            t.equal(call(daemon, token(exp=int(time.time()) - 30))[0], 200, "clocks may be a minute apart")
            t.equal(call(daemon, token(nbf=int(time.time()) + 30))[0], 200, "… in both directions")
            t.equal(call(daemon, token(aud=["web", AUDIENCE]))[0], 200, "one of several audiences")
            t.equal(call(daemon, token(keys[0], head={"alg": "RS256", "kid": "rs256"}))[0], 200, "by its key id")
            t.equal(daemon.chat()[0], 200, "API keys work as before")
            says_no_token(t, daemon, used)


def test_refused(t, binary):
    with folder() as path:
        keys = {algorithm: Key(path, algorithm, algorithm.lower()) for algorithm in Key.MAKE}
        stranger = Key(path, "RS256", "stranger")
        (path / "jwks.json").write_text(json.dumps({"keys": [key.jwk() for key in keys.values()]}))
        public, now = keys["RS256"].public_pem(), int(time.time())
        good = token()
        unsigned = f"{encode({'alg': 'none'})}.{encode(claims())}."
        head, body, signature = good.split(".")
        rows = [
            ("expired", token(exp=now - 61), EXPIRED),
            ("not yet valid", token(nbf=now + 120), INVALID),
            ("issued in the future", token(iat=now + 120), INVALID),
            ("without an end", token(exp=None), INVALID),
            ("wrong issuer", token(iss="https://evil.example"), INVALID),
            ("no issuer", token(iss=None), INVALID),
            ("wrong audience", token(aud="other-app"), INVALID),
            ("none of its audiences", token(aud=["a", "b"]), INVALID),
            ("another secret", token(OTHER), INVALID),
            ("alg none", unsigned + "x", INVALID),
            ("alg none without a signature", unsigned, INVALID),
            ("alg none over a good signature", f"{encode({'alg': 'none'})}.{body}.{signature}", INVALID),
            ("HS256 with the RSA public key", token(public, head={"alg": "HS256"}), INVALID),
            ("… and its key id", token(public, head={"alg": "HS256", "kid": "rs256"}), INVALID),
            ("RS256 said, HS256 made with the public key", token(public, head={"alg": "RS256"}), INVALID),
            ("ES256 said, RS256 made", token(keys["RS256"], head={"alg": "ES256"}), INVALID),
            ("a key id that nobody has", token(keys["RS256"], head={"alg": "RS256", "kid": "2019"}), INVALID),
            ("the key id of another key", token(keys["RS256"], head={"alg": "RS256", "kid": "es256"}), INVALID),
            ("a stranger's key", token(stranger), INVALID),
            ("a stranger's key under our key id", token(stranger, head={"alg": "RS256", "kid": "rs256"}), INVALID),
            ("claims that were changed", f"{head}.{encode(claims(sub='root'))}.{signature}", INVALID),
            ("a customer that does not exist", token(customer="nobody"), INVALID),
            ("no customer", token(customer=None), INVALID),
            ("no user", token(sub=None), INVALID),
            ("rubbish in three parts", "ey.ey.ey", INVALID),
            ("two parts: a key, and none of ours", "eyJhbGciOiJIUzI1NiJ9.e30", (401, "invalid_api_key")),
        ]
        with serving(binary, settings(jwks_file=str(path / "jwks.json")), path) as daemon:
            for sentence, bad, wanted in rows:
                t.equal([call(daemon, bad), call(daemon, bad)], [wanted] * 2, sentence)
            t.equal(call(daemon, good)[0], 200, "and the good one is fine")
            status, _, answer = daemon.chat(rows[4][1], headers={"Accept-Language": "pt-BR"})
            error = json.loads(answer)["error"]
            t.equal((status, error["message"]), (401, "o token não é válido"), "said in Portuguese, without the reason")
            status, answer = ask(daemon, "/v1/models", rows[4][1])
            t.equal((status, answer["error"]["code"]), INVALID, "no list of models either")
            time.sleep(1.1)
            before, started = len(daemon.events("token_refused")), time.monotonic()
            for _ in range(200):
                ask(daemon, "/v1/models", rows[4][1])
            lines = daemon.events("token_refused")
            seconds = time.monotonic() - started
            t.check(1 <= len(lines) - before <= 2 * (seconds + 1), "each worker logs a reason, at most once a second",
                    f"{len(lines) - before} lines in {seconds:.1f} s")
            t.check(any(line["unlogged"] > 0 for line in lines), "and how many it did not log", lines)
            t.check("iss is another one" in [line["reason"] for line in lines], "with the reason", lines)
            says_no_token(t, daemon, [row[1] for row in rows] + [good])
        with serving(binary, config(), path) as daemon:
            t.equal(call(daemon, good), (401, "invalid_api_key"), "without the section a JWT is no key")


def test_context(t, binary):
    """The token says who it is; headers may repeat it."""
    with folder() as path, serving(binary, settings(), path) as daemon:
        saas = Saas(daemon, t)
        plain, full = token(), token(role="professional", groups=["vip", "beta"])
        for sentence, credential, headers, wanted in [
                ("the same user", plain, {"user": "ana"}, 200), ("another user", plain, {"user": "bia"}, FORBIDDEN),
                ("the default profile", plain, {"profile": "user"}, 200), ("a better profile", plain, {"profile": "admin"}, FORBIDDEN),
                ("the token's profile", full, {"profile": "professional"}, 200), ("a worse one", full, {"profile": "user"}, FORBIDDEN),
                ("one of its groups", full, {"group": "beta"}, 200), ("another group", full, {"group": "staff"}, FORBIDDEN),
                ("a group without any", plain, {"group": "vip"}, FORBIDDEN), ("a feature", plain, {"feature": "chat"}, 200)]:
            got = call(daemon, credential, **headers)
            t.equal(got if wanted == FORBIDDEN else got[0], wanted, sentence)
        status, _, answer = daemon.chat(plain, headers={"x-cota-user": "bia"})
        t.equal(json.loads(answer)["error"]["param"], "x-cota-user", "the refusal names the header")
        t.equal(call(daemon, plain, {"user": "somebody-else"})[0], 200, "the field of the body is only a hint")
        rows = usage(saas, 6, customer="acme")
        t.equal({row["user"] for row in rows}, {"ana"}, "the token's user has them all")
        first = call(daemon, plain, idempotency_key="same")
        second = call(daemon, token(sub="bia"), idempotency_key="same")
        third = call(daemon, token(sub="caio"), {"messages": [{"role": "user", "content": "other"}]}, idempotency_key="same")
        t.equal([first[0], second[0], third[0]], [200] * 3, "an Idempotency-Key is each user's own")
        t.equal(len(usage(saas, 9, customer="acme")), 9, "three calls, not one and its copies")


def test_mapping(t, binary):
    """A product with one customer and claims of its own; a public key in a PEM file; age instead of an end."""
    with folder() as path:
        key = Key(path, "ES256", "es256")
        (path / "public.pem").write_bytes(key.public_pem())
        text = settings(secret=None, issuer=None, audience=None, public_key_file=str(path / "public.pem"), customer="acme", age_max_seconds=300,
                        claims={"user": "app.id", "profile": "", "groups": "https://example.com/groups"})
        with serving(binary, text, path) as daemon:
            saas, now = Saas(daemon, t), int(time.time())
            mine = {"customer": "other", "exp": None, "app": {"id": 1042}, "role": ["x"], "https://example.com/groups": "vip"}
            t.equal(call(daemon, token(key, **mine), group="vip", user="1042")[0], 200, "all of it mapped")
            t.equal(usage(saas, 1, customer="acme")[0]["user"], "1042", "a number is a name")
            t.equal(call(daemon, token(key, **{**mine, "iat": now - 400})), EXPIRED, "too old")
            t.equal(call(daemon, token(key, **{**mine, "iat": None})), INVALID, "of unknown age")
            t.equal(call(daemon, token(SECRET, **mine)), INVALID, "there is no shared secret")


# --- who pays -------------------------------------------------------------------------------------------------------------
def test_limits(t, binary):
    """The limits of a plan per user, met by each token's user."""
    with folder() as path, serving(binary, settings(), path) as daemon:
        saas = Saas(daemon, t)
        saas.customer("escola")
        saas.put("features/chat", {"type": "metered", "category": "chat", "name": {"pt": "Conversa", "en": "Chat"}})
        saas.plan("free")
        saas.subscribe("escola", "free-1")
        for profile, daily in (("user", 3), ("professional", 5)):
            saas.put(f"plan-matrix/{profile}", {"plan": "free", "feature": "chat", "provider": "sim", "profile": profile, "daily_limit": daily,
                                                "monthly_limit": None, "active": True, "origin": "default"})
        ana, bia = token(customer="escola"), token(customer="escola", sub="bia")
        t.equal([call(daemon, ana, feature="chat")[0] for _ in range(5)], [200] * 3 + [429] * 2, "three a day")
        t.equal(call(daemon, token(customer="escola", jti="again"), feature="chat")[0], 429, "a new token is no new user")
        t.equal([call(daemon, bia, feature="chat")[0] for _ in range(4)], [200] * 3 + [429], "each user has its own")
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            many = [token(customer="escola", sub=f"user-{number % 4}", role="professional") for number in range(80)]
            codes = collections.Counter(pool.map(lambda one: call(daemon, one, feature="chat")[0], many))
        t.equal(codes, {200: 20, 429: 60}, "five a day for each of four professionals, exactly")
        shown = saas.held("escola")
        t.equal((shown["held_nano"], shown["holds"]), (0, 0), "nothing is held afterwards")
        made = saas.post("limits", limit("two", "requests", "day", 2, owner="user", owner_id="escola/dora"))
        dora = token(customer="escola", sub="dora")
        t.equal([call(daemon, dora)[0] for _ in range(3)], [200, 200, 429], "a limit of one user alone")
        t.check(made["id"], "that was made over the API")


def test_key_of_tokens(t, binary):
    with folder() as path, serving(binary, settings(), path) as daemon:
        saas = Saas(daemon, t)
        one = token(customer="other")
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            codes = list(pool.map(lambda number: call(daemon, token(customer="other", sub=f"user-{number}"))[0], range(96)))
        t.equal(collections.Counter(codes), {200: 96}, "the first calls of all users at once")
        keys = token_keys(saas, "other")
        t.equal([(row["name"], row["status"], row["origin"]) for row in keys], [("jwt", "active", "runtime")], "make one key")
        daemon.stop()
        with serving(binary, settings(), path) as again:
            saas = Saas(again, t)
            t.equal(call(again, one)[0], 200, "after a restart")
            t.equal([row["id"] for row in token_keys(saas, "other")], [keys[0]["id"]], "it is the same key")
            t.equal(saas.api("DELETE", "/api/v1/keys/other/jwt")[0] in (200, 204), True, "revoked")
            t.equal([call(again, one), call(again, token(customer="other", sub="new"))], [REVOKED] * 2, "nobody gets in, remembered or not")
            status, answer = ask(again, "/v1/models", one)
            t.equal((status, answer["error"]["code"]), REVOKED, "nor sees the models")
            t.equal(len(token_keys(saas, "other")), 1, "and no new key is made behind the operator's back")
            t.equal(call(again, token())[0], 200, "other customers are not concerned")
            again.stop()
        with serving(binary, settings(), path) as third:
            saas = Saas(third, t)
            t.equal(call(third, one), REVOKED, "revoked stays revoked")
            saas.post("keys", {"customer": "other", "name": "jwt", "requests_per_minute": 1})
            t.equal([call(third, one)[0] for _ in range(2)], [200, 429], "the operator makes another: with its limits")


def test_suspended(t, binary):
    with folder() as path, serving(binary, settings(), path) as daemon:
        one = token(customer="other")
        t.equal(call(daemon, one)[0], 200, "a customer in good standing")
        reload(daemon, path, re.sub(r"\n  - \{id: other.*", "", settings()))
        t.equal(call(daemon, one), INVALID, "suspended: it left the file")
        time.sleep(1.1)
        for _ in range(8):
            call(daemon, one)
        t.check(any("is not active" in row["reason"] for row in daemon.events("token_refused")), "the log says why",
                daemon.events("token_refused"))
        reload(daemon, path, settings())
        t.equal(call(daemon, one)[0], 200, "and back")


# --- keys change ----------------------------------------------------------------------------------------------------------
def test_reload(t, binary):
    with folder() as path:
        old, new = Key(path, "RS256", "2025"), Key(path, "ES256", "2026")
        jwks = path / "jwks.json"
        text = settings(secret=None, jwks_file=str(jwks))

        def publish(*keys):
            jwks.write_text(json.dumps({"keys": [key.jwk() for key in keys]}))
        publish(old)
        with serving(binary, text, path) as daemon:
            first, second = token(old, head={"alg": "RS256", "kid": "2025"}), token(new, head={"alg": "ES256", "kid": "2026"})
            t.equal([call(daemon, one)[0] for one in (first, first, second)], [200, 200, 401], "one key")
            publish(old, new)
            reload(daemon, path, text)
            t.equal([call(daemon, one)[0] for one in (first, second)], [200, 200], "both, while it is rotated")
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                running = [pool.submit(call, daemon, one) for _ in range(150) for one in (first, second)]
                for _ in range(4):
                    reload(daemon, path, text)
                t.equal(collections.Counter(one.result()[0] for one in running), {200: 300}, "reloads under traffic refuse nobody")
            publish(new)
            reload(daemon, path, text)
            t.equal([call(daemon, first) for _ in range(4)], [INVALID] * 4, "the old one is out, remembered or not")
            t.equal(call(daemon, second)[0], 200, "the new one is in")
            for broken in ("", "{", '{"keys": []}'):
                jwks.write_text(broken)
                reload(daemon, path, text)
                t.equal(call(daemon, second)[0], 200, f"a file that is broken ({broken!r}) changes nothing")
            jwks.unlink()
            reload(daemon, path, text)
            t.equal(call(daemon, second)[0], 200, "nor does one that is gone")
            t.equal(len(daemon.events("reload_refused")), 4, "the log says so")
            reload(daemon, path, settings(secret=OTHER))
            t.equal([call(daemon, second), call(daemon, token(OTHER))[0]], [INVALID, 200], "another kind of key")
            reload(daemon, path, config())
            t.equal(call(daemon, token(OTHER)), (401, "invalid_api_key"), "without the section no token is accepted")
            t.equal(daemon.chat()[0], 200, "API keys worked all the time")


# --- keys by URL ----------------------------------------------------------------------------------------------------------
ASK_SECONDS, FETCH_SECONDS = 30, 10  # gateway/jwks_plan.h, base/limits.h


class Issuer:
    """An identity provider's JWK Set on 127.0.0.1; `answer` is what it does next."""

    def __init__(self, certificate=None):
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked.append((time.monotonic(), self.path, dict(self.headers)))
                issuer.answer(self)

            def log_message(self, *_):
                pass

        self.asked, self.answer = [], Issuer.status(500)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port, self.scheme = self.server.server_address[1], "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket, self.scheme = context.wrap_socket(self.server.socket, server_side=True), "https"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def url(self, path="/keys", host="127.0.0.1"):
        return f"{self.scheme}://{host}:{self.port}{path}"

    def section(self, path="/keys", **more):
        return settings(**{"secret": None, "jwks_url": self.url(path), "jwks_inside": True, **more})

    def publish(self, *keys, cache="max-age=3600"):
        self.answer = Issuer.body(json.dumps({"keys": [key.jwk() for key in keys]}).encode(), cache)

    @staticmethod
    def body(data, cache="max-age=3600"):
        def answer(handler):
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Cache-Control", cache)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        return answer

    @staticmethod
    def status(number, **headers):
        def answer(handler):
            handler.send_response(number)
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        return answer

    @staticmethod
    def trickle(handler):
        """A byte now and then, for ever."""
        handler.send_response(200)
        handler.end_headers()
        while True:
            try:
                handler.wfile.write(b" ")
            except OSError:
                return
            time.sleep(0.2)


def by(key, **more):
    return token(key, head={"alg": key.algorithm, "kid": key.name}, **more)


def until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def figure(daemon, name):
    _, _, text = daemon.request("GET", "/metrics")
    return int(re.search(rf"^{name} (\d+)$", text.decode(), re.M).group(1))


UNAVAILABLE = (503, "keys_unavailable")


def test_jwks_url(t, binary):
    """What does not answer well changes nothing; each reload asks a new address at once."""
    with folder() as path, Issuer() as issuer:
        key, other = Key(path, "ES256", "first"), Key(path, "RS256", "second")
        one = by(key)
        good = json.dumps({"keys": [key.jwk()]}).encode()
        with serving(binary, issuer.section("/0"), path) as daemon:
            reasons = daemon.wait_event("jwks_failed")
            t.check("status 500" in reasons[0]["reason"], "an error", reasons)
            t.equal(call(daemon, one), UNAVAILABLE, "no keys yet: ask again")
            t.equal(call(daemon, "ey.ey.ey"), INVALID, "rubbish is rubbish before the keys are there")
            t.equal(call(daemon, token()), INVALID, "a shared secret is not what we wait for")
            t.equal(daemon.chat()[0], 200, "API keys do not wait")
            t.equal(daemon.request("GET", "/readyz")[0], 200, "nor does readiness")
            for number, (answer, reason) in enumerate([
                    (Issuer.body(b"<html>"), "the JWK Set"), (Issuer.body(b""), "the JWK Set"), (Issuer.body(b'{"keys": []}'), "no key that can verify"),
                    (Issuer.body(b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'), "no key that can verify"),
                    (Issuer.body(good + b" " * (256 << 10)), "256 KiB"), (Issuer.status(404), "status 404"), (Issuer.status(204), "status 204"),
                    (Issuer.status(302, Location=issuer.url("/trap")), "redirects are not followed"),
                    (Issuer.status(301, Location="http://169.254.169.254/"), "redirects are not followed"),
                    (lambda handler: handler.wfile.write(b"220 smtp.example\r\n"), "invalid"), (lambda handler: None, "reset")], 1):
                issuer.answer, before = answer, len(daemon.events("jwks_failed"))
                reload(daemon, path, issuer.section(f"/{number}"))
                said = [row["reason"] for row in daemon.wait_event("jwks_failed", before + 1)[before:]]
                t.check(any(reason in text for text in said), f"{number}: {reason}", said)
                t.equal(call(daemon, one), UNAVAILABLE, f"{number}: and still no keys")
            t.check(not any(asked[1] == "/trap" for asked in issuer.asked), "a redirect was not followed")
            t.equal(figure(daemon, "cota_jwks_keys"), 0, "the figures know")
            issuer.publish(key)
            t.check(until(lambda: call(daemon, one)[0] == 200, 20), "it is asked again by itself, and then tokens are good")
            t.equal((figure(daemon, "cota_jwks_keys"), daemon.events("jwks_fetched")[-1]["next_s"]), (1, 3600), "for as long as the answer says")
            t.check(abs(figure(daemon, "cota_jwks_fetched_time_seconds") - time.time()) < 60, "when it was fetched")
            t.equal(call(daemon, by(other)), INVALID, "another key id is another key")
            t.equal(call(daemon, token(other, head={"alg": "RS256"})), INVALID, "an algorithm that it has no key of")
            t.equal(call(daemon, token(key.public_pem(), head={"alg": "HS256", "kid": "first"})), INVALID, "a public key is no shared secret")
            headers = issuer.asked[-1][2]
            t.check("Authorization" not in headers and "Cookie" not in headers, "the issuer is told nothing", headers)
            count = len(issuer.asked)
            reload(daemon, path, issuer.section(issuer.asked[-1][1]))
            t.equal([call(daemon, one)[0] for _ in range(3)], [200] * 3, "a reload keeps the keys of the same address")
            t.equal(len(issuer.asked), count, "without asking again")
            for cache, seconds in (("no-store", 300), ("max-age=1", 300), ("public, max-age=7200", 7200), ("max-age=31536000", 86400)):
                issuer.publish(key, cache=cache)
                before = len(daemon.events("jwks_fetched"))
                reload(daemon, path, issuer.section(f"/{seconds}/{len(cache)}"))
                t.equal(daemon.wait_event("jwks_fetched", before + 1)[-1]["next_s"], seconds, f"{cache}: {seconds} s")
            reload(daemon, path, settings(jwks_url=issuer.url("/both"), jwks_inside=True))
            t.check(until(lambda: call(daemon, one)[0] == 200, 10), "beside a shared secret")
            t.equal(call(daemon, token())[0], 200, "… which is good as well")
            reload(daemon, path, settings())
            t.equal([call(daemon, one), call(daemon, token())[0]], [INVALID, 200], "without the address its keys are out")
            says_no_token(t, daemon, [one])


def test_jwks_addresses(t, binary):
    """Where it may lead, and who is trusted there."""
    with folder() as path:
        key = Key(path, "EdDSA", "ed")
        one, pair = by(key), (str(path / "tls.pem"), str(path / "tls.key"))
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", pair[1], "-out", pair[0])
        with Issuer() as plain, Issuer(pair) as issuer, serving(binary, settings(), path) as daemon:
            plain.publish(key)
            issuer.publish(key)
            for sentence, url, inside, ca_file, reason in [
                    ("a name of this machine", issuer.url(host="localhost"), False, pair[0], "not allowed"),
                    ("an address of this machine", issuer.url(), False, pair[0], "not allowed"),
                    ("… written otherwise", issuer.url(host="[::ffff:7f00:1]"), False, pair[0], "not allowed"),
                    ("… and otherwise", issuer.url(host="2130706433"), False, pair[0], "not allowed"),
                    ("nobody's address", issuer.url(host="0.0.0.0"), True, pair[0], "not allowed"),
                    ("clouds' credentials", "https://169.254.169.254/latest/meta-data", False, None, "not allowed"),
                    ("http:// to the network around", "http://10.0.0.1/keys", True, None, "not allowed"),
                    ("http:// to the Internet", "http://192.88.99.1/keys", True, None, "not allowed"),
                    ("a certificate that nobody vouches for", issuer.url(host="localhost"), True, None, "tls"),
                    ("a certificate of another name", issuer.url(), True, pair[0], "tls")]:
                before = len(daemon.events("jwks_failed"))
                reload(daemon, path, settings(jwks_url=url, jwks_inside=inside, **({"jwks_ca_file": ca_file} if ca_file else {})))
                said = [row["reason"] for row in daemon.wait_event("jwks_failed", before + 1)[before:]]
                t.check(said and reason in said[0], sentence, said)
            t.equal([len(plain.asked), len(issuer.asked)], [0, 0], "nobody was asked anything")
            t.equal(call(daemon, one), UNAVAILABLE, "no keys")
            reload(daemon, path, settings(jwks_url=issuer.url(host="localhost"), jwks_inside=True, jwks_ca_file=pair[0]))
            t.check(until(lambda: call(daemon, one)[0] == 200, 10), "the operator allows it and says whom to trust")
            reload(daemon, path, settings(jwks_url=plain.url(), jwks_inside=True))
            t.check(until(lambda: plain.asked and call(daemon, one)[0] == 200, 10), "http:// on this machine")
            for sentence, section in [("http:// that is not allowed", {"jwks_url": plain.url()}), ("another scheme", {"jwks_url": "ftp://a.example/keys"}),
                                      ("a user in it", {"jwks_url": "https://me@a.example/keys"}), ("a CA file alone", {"jwks_ca_file": pair[0]})]:
                before = len(daemon.events("reload_refused"))
                reload(daemon, path, settings(**section))
                t.equal(len(daemon.events("reload_refused")), before + 1, f"{sentence}: the file is refused")
            t.equal(call(daemon, one)[0], 200, "and what was in force stays")


def test_jwks_time(t, binary):
    """Three issuers at the same time: one rotates under a storm of unknown key ids, one goes away, one is slow."""
    with folder() as path, Issuer() as rotating, Issuer() as failing, Issuer() as slow:
        old, new, never = (Key(path, "ES256", name) for name in ("old", "new", "never"))
        rotating.publish(old)
        failing.publish(old)
        slow.answer = Issuer.trickle
        (path / "a").mkdir(), (path / "b").mkdir(), (path / "c").mkdir()
        with serving(binary, rotating.section(), path / "a") as first, serving(binary, failing.section(), path / "b") as second, \
                serving(binary, slow.section(), path / "c") as third:
            for daemon in (first, second):
                t.check(until(lambda: call(daemon, by(old))[0] == 200, 10), "the first set is in force")
            failing.answer = Issuer.status(503)
            rotating.publish(old, new)
            strangers = [token(never, head={"alg": "ES256", "kid": f"kid-{number}"}) for number in range(40)]
            accepted, started, calls, storm = None, time.monotonic(), 0, concurrent.futures.ThreadPoolExecutor(4)
            while time.monotonic() - started < ASK_SECONDS + 8:
                codes = set(storm.map(lambda one: call(first, one), strangers))
                t.equal(codes, {INVALID}, "strangers are strangers")
                t.equal([call(first, by(old))[0], call(second, by(old))[0]], [200, 200], "old keys go on")
                call(second, strangers[0])
                calls += len(strangers)
                if accepted is None and call(first, by(new))[0] == 200:
                    accepted = time.monotonic() - rotating.asked[0][0]
                time.sleep(0.3)
            moments = [asked[0] for asked in rotating.asked]
            gaps = [later - earlier for earlier, later in zip(moments, moments[1:])]
            t.check(calls > 500 and len(moments) == 2, f"{calls} tokens with unknown key ids are one more fetch", moments)
            t.check(all(gap >= ASK_SECONDS - 0.5 for gap in gaps), "and that not before 30 seconds have passed", gaps)
            t.check(accepted is not None and accepted < ASK_SECONDS + 3, "the new key is good within 30 seconds, without a reload", accepted)
            rows = second.events("jwks_failed")
            t.equal([(len(failing.asked), "status 503" in row["reason"], row["next_s"]) for row in rows], [(2, True, 60)],
                    "an outage: told, tried again later")
            t.equal((figure(second, "cota_jwks_keys"), figure(second, "cota_jwks_failures_total")), (1, 1), "and in the figures")
            rows = third.wait_event("jwks_failed", 2, 30)
            t.check(len(rows) >= 2 and all("timeout" in row["reason"] for row in rows), "a slow issuer is given up", rows)
            gaps = [later[0] - earlier[0] for earlier, later in zip(slow.asked, slow.asked[1:])]
            t.check(gaps and min(gaps) >= FETCH_SECONDS - 0.5, "after ten seconds", gaps)
            t.equal(call(third, by(old)), UNAVAILABLE, "nobody has waited for it")
            before = time.monotonic()
            t.equal(third.stop(), 0, "it stops while a fetch runs")
            t.check(time.monotonic() - before < 8, "at once")


def test_page(t, binary):
    """The lines of docs/identity.md, as they stand there."""
    page = pathlib.Path(__file__).resolve().parents[2] / "docs" / "identity.md"
    text = page.read_text()
    section = re.search(r"^```yaml\n(.*?)^```", text, re.S | re.M).group(1)
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M))
    with folder() as path, serving(binary, config() + section, path, env={"APP_JWT_SECRET": SECRET}) as daemon:
        lines = f"set -e\nCOTA=http://127.0.0.1:{daemon.port}\nAPP_JWT_SECRET={SECRET}\n{script}"
        done = subprocess.run(["bash", "-c", lines], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        t.equal(done.returncode, 0, f"every line is answered with success: {done.stdout[-800:]}")
        t.equal(usage(Saas(daemon, t), 1, customer="acme")[0]["user"], "ana", "and is the user's")


TESTS = [test_page, test_accepted, test_refused, test_context, test_mapping, test_limits, test_key_of_tokens, test_suspended, test_reload, test_jwks_url, test_jwks_addresses,
         test_jwks_time]


if __name__ == "__main__":
    sys.exit(run_tests(__doc__, TESTS, between_hours))
