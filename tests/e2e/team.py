#!/usr/bin/env python3
"""team.py - operators, roles, sessions, second factor, one-time links and machine tokens, over HTTP as a browser would.

usage: tests/e2e/team.py [--binary build/cota] [TEST…]      last line: N passed, N failed, N skipped
"""
import base64
import hashlib
import hmac
import json
import pathlib
import re
import signal
import sys
import time

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import config, cota, folder, run_tests, serving  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKEN = "admin-token-of-the-test"
PASSWORD = "correct horse battery staple"
OWNER = "owner@example.com"
RING = base64.urlsafe_b64encode(bytes(range(32))).decode()
NEXT_RING = base64.urlsafe_b64encode(bytes(range(32, 64))).decode()


def with_ring(ring=(RING,), **more):
    return config(**more) + f"encryption_keys: {json.dumps(list(ring))}\n"


def code_of(secret, at=None):
    """RFC 6238 anew, so that the product is not its own witness."""
    step = int((time.time() if at is None else at) // 30)
    digest = hmac.new(base64.b32decode(secret), step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset:offset + 4], 'big') & 0x7fffffff) % 1000000:06d}"


class Browser:
    """One signed-in operator: keeps the cookie and sends the CSRF token."""

    def __init__(self, daemon):
        self.daemon, self.cookie, self.csrf, self.session = daemon, None, None, None

    def call(self, method, path, body=None, headers=None, csrf=True):
        sent = {}
        if self.cookie:
            sent["Cookie"] = f"cota_session={self.cookie}"
            if csrf and method != "GET":
                sent["x-cota-csrf"] = self.csrf
        sent.update(headers or {})
        status, said, answer = self.daemon.request(method, path, body, None, sent)
        kind = said.get("content-type", "")
        return status, said, json.loads(answer) if answer and kind.endswith("json") and "nd" not in kind else answer.decode()

    def login(self, email, password=PASSWORD, **more):
        status, said, answer = self.call("POST", "/api/v1/auth/login", {"email": email, "password": password, **more})
        if status == 200:
            self.set_cookie = said["set-cookie"]
            self.cookie = re.match(r"cota_session=([^;]+)", self.set_cookie)[1]
            self.csrf, self.session = answer["csrf"], answer
        return status, said, answer


def admin(daemon, method, path, body=None, headers=None):
    status, said, answer = daemon.request(method, f"/api/v1/{path}", body, TOKEN, headers)
    return status, said, json.loads(answer) if answer else None


def make_owner(t, daemon):
    status, _, answer = Browser(daemon).call("POST", "/api/v1/setup", {
        "token": daemon.ready["setup_token"], "email": OWNER.upper(), "name": "Ana", "password": PASSWORD})
    t.equal(status, 201, f"the setup link makes the owner: {answer}")
    browser = Browser(daemon)
    t.equal(browser.login(OWNER)[0], 200, "who signs in")
    return browser


def make_member(t, daemon, email, role, **more):
    """Through an invitation, signed in."""
    status, _, made = admin(daemon, "POST", "team", {"email": email, "role": role, **more})
    t.equal(status, 201, f"{role} is invited: {made}")
    status, _, answer = Browser(daemon).call("POST", "/api/v1/setup", {"token": made["token"], "password": PASSWORD})
    t.equal(status, 201, f"and takes the invitation: {answer}")
    browser = Browser(daemon)
    t.equal(browser.login(email)[0], 200, f"{role} signs in")
    browser.id = made["operator"]["id"]
    return browser


def setup_link(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        post = Browser(daemon).call
        token = daemon.ready["setup_token"]
        body = {"token": token, "email": OWNER, "name": "Ana", "password": PASSWORD}
        status, _, answer = post("GET", "/api/v1/setup")
        t.equal((status, answer), (200, {"needs_owner": True}), "the setup page shows nothing secret")
        t.equal(post("POST", "/api/v1/setup", {**body, "password": "short"})[2]["param"], "password", "a short password is refused")
        t.equal(post("POST", "/api/v1/setup", {**body, "token": token[:-1] + "x"})[2]["code"], "link_invalid", "another token opens nothing")
        code, out, _ = cota(binary, "operator", "setup-link", "--data", str(path / "data"), "--json")
        fresh = json.loads(out)["token"]
        t.equal(code, 0, "cota operator setup-link makes another")
        t.equal(post("POST", "/api/v1/setup", body)[0], 410, "and the one before is void")
        t.equal(post("POST", "/api/v1/setup", {**body, "token": fresh})[0], 201, "the fresh one makes the owner")
        t.equal(post("POST", "/api/v1/setup", {**body, "token": fresh, "email": "x@example.com"})[0], 410, "once")
        t.equal(post("GET", "/api/v1/setup")[2], {"needs_owner": False}, "and says so")
        t.equal(cota(binary, "operator", "setup-link", "--data", str(path / "data"))[0], 4, "no setup link while there is an operator")
        t.equal(daemon.stop(), 0, "stops")
    with folder() as path:
        with serving(binary, config(), path, env={"COTA_OWNER_EMAIL": OWNER, "COTA_OWNER_PASSWORD": PASSWORD}) as daemon:
            t.check("setup_token" not in daemon.ready, "headless: no setup link", daemon.ready)
            t.equal(Browser(daemon).login(OWNER)[2]["operator"]["role"], "owner", "the owner of the environment signs in")
            daemon.stop()
        with serving(binary, config(), path, env={"COTA_OWNER_EMAIL": "other@example.com", "COTA_OWNER_PASSWORD": "another long one"}) as daemon:
            t.equal(Browser(daemon).login(OWNER)[0], 200, "a second start leaves the owner as it is")
            t.equal(Browser(daemon).login("other@example.com", "another long one")[0], 401, "and makes no other")


def sessions(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        owner = make_owner(t, daemon)
        for part in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"):
            t.check(part in owner.set_cookie, f"the cookie has {part}", owner.set_cookie)
        t.check("Secure" not in owner.set_cookie, "and no Secure without TLS", owner.set_cookie)
        status, _, answer = owner.call("GET", "/api/v1/auth/session")
        t.equal((status, answer["csrf"], answer["operator"]["email"]), (200, owner.csrf, OWNER), "the session says who it is")
        body = {"name": {"pt": "Pro", "en": "Pro"}}
        put = lambda headers=None, csrf=True: owner.call("PUT", "/api/v1/plans/pro", body, headers, csrf)  # noqa: E731
        t.equal(put(csrf=False)[2]["code"], "csrf_invalid", "a write without x-cota-csrf is refused")
        t.equal(put({"x-cota-csrf": "0" * 40})[2]["code"], "csrf_invalid", "so is a wrong one")
        t.equal(put({"Origin": "https://evil.example"})[2]["code"], "csrf_invalid", "and another origin")
        t.equal(put({"Sec-Fetch-Site": "cross-site"})[2]["code"], "csrf_invalid", "and another site")
        t.equal(put({"Origin": f"http://{daemon.host}:{daemon.port}", "Sec-Fetch-Site": "same-origin"})[0], 201, "the own page writes")
        t.equal(Browser(daemon).call("POST", "/api/v1/auth/login", {"email": OWNER, "password": PASSWORD},
                                     {"Origin": "https://evil.example"})[0], 403, "nobody is signed in from another origin")
        entry = admin(daemon, "GET", "audit?kind=plan")[2]["items"][0]
        t.equal((entry["actor"], entry["address"]), (f"operator:{owner.session['operator']['id']}", "127.0.0.1"), "the audit trail names the operator")
        other = Browser(daemon)
        other.login(OWNER)
        t.equal(owner.call("POST", "/api/v1/auth/logout")[0], 204, "signing out")
        t.equal(owner.call("GET", "/api/v1/auth/session")[2]["code"], "session_ended", "ends the session at once")
        t.equal(other.call("GET", "/api/v1/auth/session")[0], 200, "and no other one")
        t.equal(other.call("POST", "/api/v1/auth/password", {"password": "wrong wrong wrong", "new_password": PASSWORD + "!"})[0], 401, "a password changes with the old one only")
        third = Browser(daemon)
        third.login(OWNER)
        t.equal(other.call("POST", "/api/v1/auth/password", {"password": PASSWORD, "new_password": PASSWORD + "!"})[0], 204, "it changes")
        t.equal([one.call("GET", "/api/v1/auth/session")[0] for one in (other, third)], [401, 401], "and ends all sessions")
        t.equal(Browser(daemon).login(OWNER)[0], 401, "the old password is void")
        again = Browser(daemon)
        t.equal(again.login(OWNER, PASSWORD + "!")[0], 200, "the new one works")
        member = make_member(t, daemon, "bia@example.com", "admin")
        t.equal(member.call("GET", "/api/v1/plans")[0], 200, "an admin reads plans")
        t.equal(again.call("PATCH", f"/api/v1/team/{member.id}", {"role": "finance"})[0], 200, "another role")
        t.equal(member.call("PUT", "/api/v1/limits/a", {})[0], 403, "is in force with the next call")
        t.equal(cota(binary, "operator", "disable", "Bia@example.com", "--data", str(path / "data"))[0], 0, "cota operator disable")
        t.equal(member.call("GET", "/api/v1/plans")[0], 401, "ends the session with the next call")
        t.equal(Browser(daemon).login("bia@example.com")[0], 401, "and lets nobody in")
        many = [Browser(daemon) for _ in range(18)]
        for one in many:
            one.login(OWNER, PASSWORD + "!")
        t.equal([one.call("GET", "/api/v1/auth/session")[0] for one in (many[0], many[-1])], [401, 200], "an operator has 16 sessions, the newest")
        t.equal(daemon.stop(), 0, "stops")
        with serving(binary, config(), path) as second:
            many[-1].daemon = second
            t.equal(many[-1].call("GET", "/api/v1/auth/session")[0], 200, "a session survives a restart")


def throttling(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        make_owner(t, daemon)
        known = Browser(daemon).login(OWNER, "wrong wrong wrong")
        unknown = Browser(daemon).login("nobody@example.com", "wrong wrong wrong")
        t.equal((known[0], known[2]), (unknown[0], unknown[2]), "unknown and wrong get the same answer")
        def took(email):
            started = time.monotonic()
            Browser(daemon).login(email, "wrong wrong wrong")
            return time.monotonic() - started
        times = took(OWNER), took("nobody@example.com")
        t.check(0.4 < times[0] / times[1] < 2.5, "and take the same time", times)
        answers = [Browser(daemon).login("carl@example.com", "wrong wrong wrong") for _ in range(8)]
        statuses = [status for status, _, _ in answers]
        t.equal(statuses[:6], [401] * 6, "five failures are free, the sixth begins the wait")
        t.check(429 in statuses[6:], "then it is too many", statuses)
        limited = next(said for status, said, _ in answers if status == 429)
        t.check(int(limited["retry-after"]) >= 1, "with Retry-After", limited)
        statuses = [Browser(daemon).login(f"user{i}@example.com", "wrong wrong wrong")[0] for i in range(30)]
        t.check(429 in statuses, "one address cannot try one password on everybody", statuses)
        t.equal(Browser(daemon).login(OWNER)[0], 429, "that address waits, even with a right password")
        slow = time.monotonic()
        for _ in range(20):
            daemon.request("GET", "/livez")
        t.check(time.monotonic() - slow < 2, "calls go on meanwhile")


def second_factor(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        owner = make_owner(t, daemon)
        status, _, answer = owner.call("POST", "/api/v1/auth/totp", {"password": PASSWORD})
        t.equal((status, "encryption_keys" in answer["detail"]), (409, True), "without encryption_keys there is no second factor, and it says why")
    with folder() as path, serving(binary, with_ring(), path) as daemon:
        owner = make_owner(t, daemon)
        t.equal(owner.call("POST", "/api/v1/auth/totp", {"password": "wrong wrong wrong"})[0], 401, "enrolling needs the password")
        status, _, answer = owner.call("POST", "/api/v1/auth/totp", {"password": PASSWORD})
        secret = answer["secret"]
        t.check(answer["uri"].startswith("otpauth://totp/") and secret in answer["uri"], "enrolling shows secret and uri", answer)
        t.equal(Browser(daemon).login(OWNER)[0], 200, "not in force before it is confirmed")
        wrong = f"{(int(code_of(secret)) + 1) % 1000000:06d}"
        t.equal(owner.call("POST", "/api/v1/auth/totp/confirm", {"code": wrong})[0], 401, "a wrong code confirms nothing")
        code = code_of(secret)
        status, _, answer = owner.call("POST", "/api/v1/auth/totp/confirm", {"code": code})
        t.equal((status, len(answer["recovery_codes"])), (200, 10), "a right one shows ten recovery codes")
        codes = answer["recovery_codes"]
        t.equal(Browser(daemon).login(OWNER)[2]["code"], "totp_required", "now a login needs a code")
        t.equal(Browser(daemon).login(OWNER, "wrong wrong wrong")[2]["code"], "login_failed", "which a wrong password does not learn")
        t.equal(Browser(daemon).login(OWNER, totp=code)[2]["code"], "login_failed", "the code of the confirmation is used up")
        later = code_of(secret, time.time() + 30)
        t.equal(Browser(daemon).login(OWNER, totp=later)[0], 200, "the next one works")
        t.equal(Browser(daemon).login(OWNER, totp=later)[0], 401, "once")
        t.equal(Browser(daemon).login(OWNER, recovery_code=codes[3])[0], 200, "a recovery code works")
        t.equal(Browser(daemon).login(OWNER, recovery_code=codes[3])[0], 401, "once")
        daemon.kill()
        with serving(binary, with_ring(), path) as second:
            t.equal(Browser(second).login(OWNER, totp=later)[0], 401, "a used code stays used over kill -9")
            again = Browser(second)
            t.equal(again.login(OWNER, recovery_code=codes[0])[0], 200, "another recovery code works")
            t.equal(again.call("POST", "/api/v1/auth/totp/disable", {"password": PASSWORD})[0], 204, "the second factor is taken away")
            t.equal(Browser(second).login(OWNER)[0], 200, "and the password alone will do")
            raw = (path / "data" / "cota.db").read_bytes() + b"".join(p.read_bytes() for p in (path / "data").rglob("*") if p.is_file())
            said = second.said() + json.dumps(admin(second, "GET", "audit?limit=500")[2])
            for secret_text in (secret, PASSWORD, *codes, owner.cookie.split(".")[1], again.cookie.split(".")[1]):
                t.check(secret_text.encode() not in raw, "no secret on the disk", secret_text[:6])
                t.check(secret_text not in said, "nor in log or audit trail", secret_text[:6])
            t.check("$argon2id$" not in said, "no hash of a password in the audit trail", "")
            t.equal(admin(second, "GET", "audit/verify")[2]["valid"], True, "whose chain holds")


def enrolled(t, browser):
    """Has a second factor from now on; its secret."""
    secret = browser.call("POST", "/api/v1/auth/totp", {"password": PASSWORD})[2]["secret"]
    status, _, answer = browser.call("POST", "/api/v1/auth/totp/confirm", {"code": code_of(secret)})
    t.equal(status, 200, f"a second factor: {answer}")
    return secret


def rotation(t, binary):
    """encryption_keys change: after `cota rotate` the old one opens nothing that is needed."""
    rotate = lambda path: cota(binary, "rotate", "--data", str(path / "data"), "--json")  # noqa: E731
    with folder() as path:
        with serving(binary, with_ring(), path) as daemon:
            owner = make_owner(t, daemon)
            helper = make_member(t, daemon, "adm@example.com", "admin")
            make_member(t, daemon, "sup@example.com", "support")
            secret = enrolled(t, owner)
            pending = helper.call("POST", "/api/v1/auth/totp", {"password": PASSWORD})[2]["secret"]
            (path / "cota.yaml").write_text(with_ring((NEXT_RING, RING)))
            daemon.signal(signal.SIGHUP)
            daemon.wait_event("reloaded")
            code, out, _ = rotate(path)
            t.equal((code, {name: json.loads(out)[name] for name in ("status", "total", "done", "failed", "changed")}),
                    (0, {"status": "done", "total": 3, "done": 3, "failed": 0, "changed": 2}), "cota rotate seals two secrets anew; one operator has none")
            t.equal(json.loads(rotate(path)[1])["changed"], 0, "again: nothing to do")
            (path / "cota.yaml").write_text(with_ring((NEXT_RING,)))
            daemon.signal(signal.SIGHUP)
            daemon.wait_event("reloaded", 2)
            t.equal(Browser(daemon).login(OWNER)[2]["code"], "totp_required", "the password alone does not do")
            t.equal(Browser(daemon).login(OWNER, totp=code_of(secret, time.time() + 30))[0], 200, "without the old key the code signs in")
            t.equal(helper.call("POST", "/api/v1/auth/totp/confirm", {"code": code_of(pending)})[0], 200, "and what waited is confirmed")
            daemon.kill()
        with serving(binary, with_ring((NEXT_RING,)), path) as daemon:
            later = code_of(pending, time.time() + 30)
            t.equal(Browser(daemon).login("adm@example.com", totp=later)[0], 200, "over kill -9, too")
            daemon.kill()
        with serving(binary, with_ring((RING,)), path) as daemon:
            t.equal(Browser(daemon).login(OWNER, totp=code_of(secret, time.time() + 30))[0], 401, "with the old key alone nothing opens")
            code, out, _ = rotate(path)
            job = json.loads(out)
            t.equal((job["failed"], job["done"]), (2, 1), "and the job says which it cannot open")
            t.equal({error["kind"] for error in job["errors"]}, {"operator_secret"}, "by kind and operator")
            t.check(secret not in out and pending not in out, "with no secret", out)


def factor_removed(t, binary):
    """Authenticator and codes lost: somebody else takes the second factor away."""
    with folder() as path, serving(binary, with_ring(), path) as daemon:
        owner = make_owner(t, daemon)
        helper = make_member(t, daemon, "adm@example.com", "admin")
        person = make_member(t, daemon, "sup@example.com", "support")
        me = owner.session["operator"]["id"]
        remove = lambda who, name, **sent: who.call("DELETE", f"/api/v1/team/{name}/totp", None, sent.get("headers"))  # noqa: E731
        t.equal(remove(helper, person.id)[0], 409, "there is none yet")
        for one in (owner, helper, person):
            enrolled(t, one)
        t.equal(remove(person, helper.id)[2]["param"], "permission", "it needs team:write")
        t.equal((remove(helper, me)[0], remove(helper, me)[2]["param"]), (403, "role"), "an owner's is taken by an owner only")
        t.equal(remove(owner, me)[0], 409, "nobody takes the own one without the password")
        t.equal(remove(helper, "0" * 26)[0], 404, "nobody there")
        t.equal(person.call("GET", "/api/v1/auth/session")[0], 200, "until then the session lives")
        t.equal(Browser(daemon).login("sup@example.com")[0], 401, "and needs a code")
        t.equal(remove(helper, person.id, headers={"x-cota-reason": "phone lost"})[0], 204, "an admin takes away a support's")
        t.equal(person.call("GET", "/api/v1/auth/session")[0], 401, "its sessions end")
        again = Browser(daemon)
        t.equal(again.login("sup@example.com")[0], 200, "the password alone will do")
        t.equal(again.session["operator"]["totp"], False, "which is shown")
        entry = admin(daemon, "GET", f"audit?kind=operator&id={person.id}")[2]["items"][0]
        t.equal((entry["actor"], entry["action"], entry["reason"]), (f"operator:{helper.id}", "update", "phone lost"), "the audit trail says who and why")
        t.check("totp" in json.dumps(entry), "and what", entry)
        t.equal(remove(owner, helper.id)[0], 204, "an owner takes an admin's")
        t.equal(admin(daemon, "DELETE", f"team/{me}/totp")[0], 204, "the admin token an owner's")
        t.equal(Browser(daemon).login(OWNER)[0], 200, "who signs in again")
        enrolled(t, again)
        t.equal(again.call("GET", "/api/v1/auth/session")[2]["operator"]["totp"], True, "and it can be enrolled anew")
        t.equal(admin(daemon, "GET", "audit/verify")[2]["valid"], True, "the chain holds")


def team(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        owner = make_owner(t, daemon)
        me = owner.session["operator"]["id"]
        t.equal(owner.call("DELETE", f"/api/v1/team/{me}")[0], 409, "the last owner is not removed")
        t.equal(owner.call("PATCH", f"/api/v1/team/{me}", {"role": "admin"})[0], 409, "nor demoted")
        t.equal(owner.call("PATCH", f"/api/v1/team/{me}", {"status": "disabled"})[0], 409, "nor disabled")
        helper = make_member(t, daemon, "adm@example.com", "admin")
        t.equal(helper.call("POST", "/api/v1/team", {"email": "z@example.com", "role": "owner"})[2]["code"], "permission_denied", "an admin makes no owner")
        t.equal(helper.call("PATCH", f"/api/v1/team/{me}", {"name": "x"})[0], 403, "nor changes one")
        t.equal(helper.call("POST", f"/api/v1/team/{me}/link")[0], 403, "nor resets one's password")
        t.equal(helper.call("PATCH", f"/api/v1/team/{helper.id}", {"prompts": True})[0], 403, "nor lets itself read prompts")
        t.equal(owner.call("PATCH", f"/api/v1/team/{helper.id}", {"prompts": True})[0], 200, "an owner does")
        t.check("prompts:read" in helper.call("GET", "/api/v1/auth/session")[2]["permissions"], "it is a permission of its own")
        t.equal(owner.call("POST", "/api/v1/team", {"email": "ADM@example.com", "role": "support"})[0], 409, "addresses are unique")
        t.equal(owner.call("POST", "/api/v1/team", {"email": "c@example.com", "role": "customer_admin"})[2]["param"], "customer", "a customer's role needs the customer")
        t.equal(owner.call("POST", "/api/v1/team", {"email": "c@example.com", "role": "admin", "customer": "acme"})[2]["param"], "customer", "another role has none")
        code, out, _ = cota(binary, "operator", "reset-password", "adm@example.com", "--data", str(path / "data"), "--json")
        link = json.loads(out)["token"]
        t.equal(code, 0, "cota operator reset-password")
        t.equal(Browser(daemon).login("adm@example.com")[0], 200, "the password stays until the link is used")
        body = {"token": link, "password": "a new long password"}
        t.equal(Browser(daemon).call("POST", "/api/v1/setup", body)[0], 201, "the link sets another")
        t.equal(Browser(daemon).call("POST", "/api/v1/setup", body)[0], 410, "once")
        t.equal(helper.call("GET", "/api/v1/auth/session")[0], 401, "and ends all sessions")
        first = admin(daemon, "POST", f"team/{helper.id}/link")[2]["token"]
        admin(daemon, "POST", f"team/{helper.id}/link")
        t.equal(Browser(daemon).call("POST", "/api/v1/setup", {**body, "token": first})[0], 410, "a newer link makes the older void")
        code, out, _ = cota(binary, "operator", "list", "--data", str(path / "data"))
        t.check(code == 0 and OWNER in out and "adm@example.com" in out, "cota operator list", out)
        status, said, shown = admin(daemon, "GET", f"team/{me}")
        t.equal(set(shown), {"id", "version", "email", "name", "role", "customer", "prompts", "status", "totp", "created_at", "updated_at", "origin"}, "an operator shows no secret")
        t.equal(owner.call("PATCH", f"/api/v1/team/{me}", {"name": "Ana Maria"}, {"If-Match": '"99"'})[0], 412, "If-Match is kept")
        t.equal(owner.call("DELETE", f"/api/v1/team/{helper.id}")[0], 204, "an operator is removed")
        t.equal(admin(daemon, "GET", f"team/{helper.id}")[0], 404, "and gone")
        code, out, _ = cota(binary, "export", "--data", str(path / "data"), "--json")
        t.check(code == 0 and OWNER not in out and "argon2" not in out, "exports have no operators", out[:300])


def machine_tokens(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        owner = make_owner(t, daemon)
        status, _, made = owner.call("POST", "/api/v1/machine-tokens", {"name": "deploy", "permissions": ["plans:read", "plans:write"]})
        t.equal((status, made["secret"][:3]), (201, "cm_"), "the secret is shown once")
        secret = made["secret"]
        put = lambda key: daemon.request("PUT", "/api/v1/plans/pro", {"name": {"pt": "Pro", "en": "Pro"}}, key)  # noqa: E731
        t.equal(put(secret)[0], 201, "it does what it may")
        t.equal(admin(daemon, "GET", "audit?kind=plan")[2]["items"][0]["actor"], f"machine:{made['id']}", "and is named in the audit trail")
        status, _, answer = daemon.request("GET", "/api/v1/customers", None, secret)
        t.equal((status, json.loads(answer)["code"], "customers:read" in json.loads(answer)["detail"]), (403, "permission_denied", True), "and nothing else; the answer names the permission")
        t.equal(put(secret[:-1] + ("A" if secret[-1] != "A" else "B"))[0], 401, "another secret opens nothing")
        t.equal(owner.call("POST", "/api/v1/machine-tokens", {"name": "x", "permissions": ["own"]})[0], 400, "there is no such permission")
        developer = make_member(t, daemon, "dev@example.com", "developer")
        status, _, answer = developer.call("POST", "/api/v1/machine-tokens", {"name": "x", "permissions": ["money:write"]})
        t.equal(status, 403, f"nobody gives more than he has: {answer}")
        t.equal(owner.call("POST", "/api/v1/machine-tokens", {"name": "x", "permissions": ["plans:read"], "expires_at": "2020-01-01T00:00:00Z"})[0], 400, "an end in the past is refused")
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
        short = owner.call("POST", "/api/v1/machine-tokens", {"name": "short", "permissions": ["plans:read"], "expires_at": soon})[2]["secret"]
        own = owner.call("POST", "/api/v1/machine-tokens", {"name": "acme", "permissions": ["credit:read", "plans:read"], "customer": "acme"})[2]["secret"]
        t.equal(daemon.request("GET", "/api/v1/customers/acme/credit", None, own)[0], 200, "a customer's token sees its customer")
        t.equal(daemon.request("GET", "/api/v1/customers/other/credit", None, own)[0], 404, "and no other")
        t.equal(daemon.request("GET", "/api/v1/plans", None, own)[0], 403, "nor what is of all")
        listed = owner.call("GET", "/api/v1/machine-tokens")[2]["items"]
        t.check(len(listed) == 3 and secret not in json.dumps(listed), "lists show no secret", listed)
        t.equal(owner.call("DELETE", f"/api/v1/machine-tokens/{made['id']}")[0], 204, "it is revoked")
        t.equal(put(secret)[0], 401, "with its very next call")
        time.sleep(2.2)
        t.equal(daemon.request("GET", "/api/v1/plans", None, short)[0], 401, "one that has expired is refused")
        raw = b"".join(p.read_bytes() for p in (path / "data").rglob("*") if p.is_file())
        t.check(secret.encode() not in raw and own.encode() not in raw, "no secret on the disk")


def roles_of_table():
    """{permission: {role, …}} and the roles that belong to a customer, from the table itself."""
    text = (ROOT / "src/admin/roles.def").read_text()
    roles = re.findall(r'^ROLE\(\w+,\s*"(\w+)",\s*(\w+)\)', text, re.M)
    table = {}
    for name, flags in re.findall(r'^PERMISSION\(\w+,\s*"([^"]+)",\s*([01, ]+),\s*"', text, re.M):
        table[name] = {role for (role, _), flag in zip(roles, flags.split(",")) if flag.strip() == "1"}
    return table, {role for role, bound in roles if bound == "true"}, [role for role, _ in roles]


def operations():
    document = yaml.safe_load((ROOT / "openapi.yaml").read_text())
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), operation


def every_role_and_operation(t, binary):
    """Every operation x every role: 403 permission_denied exactly where the table says so."""
    table, bound, roles = roles_of_table()
    with folder() as path, serving(binary, config(), path) as daemon:
        make_owner(t, daemon)
        people = {role: make_member(t, daemon, f"role-{role}@example.com", role, **({"customer": "acme"} if role in bound else {})) for role in roles}
        wrong, count = [], 0
        for address, method, operation in operations():
            permission = operation["x-permission"]
            if permission in ("public", "own") or "text/event-stream" in json.dumps(operation["responses"]):
                continue
            for role, browser in people.items():
                # an id that is nowhere, an unknown parameter and no body: whoever may, is refused for another reason, and nothing changes
                place = re.sub(r"{\w+}", "nowhere", address) + "?there_is_no_such_parameter=1"
                status, _, answer = browser.call(method, place)
                denied = status == 403 and answer["code"] == "permission_denied"
                allowed = role in table[permission] and (role not in bound or "x-customer" in operation)
                count += 1
                if denied == allowed or (allowed and status in (401, 403)):
                    wrong.append((method, address, role, status, answer))
        t.check(not wrong, f"{count} pairs of operation and role are as the table says", wrong[:5])
        t.check(count > 500, "and they are many", count)
        print(f"    {count} pairs")


def docs_have_the_table(t, binary):
    table, _, roles = roles_of_table()
    rows = re.findall(r"^\| `(\w+:\w+)` \|(.*)", (ROOT / "docs/operators.md").read_text(), re.M)
    said = {name: {role for role, cell in zip(roles, cells.split("|")) if cell.strip() == "yes"} for name, cells in rows}
    t.equal(said, {name: has for name, has in table.items() if ":" in name}, "docs/operators.md has the table of roles.def")


def one_customer_only(t, binary):
    """A customer_admin walks all operations with the ids of another customer."""
    more = '  - {id: rival, credit_usd: 7, keys: [{name: rivalkey, secret: "ck_test_rival_0123456789abcdef0123456789"}]}'
    with folder() as path, serving(binary, config(more_customers=more), path) as daemon:
        make_owner(t, daemon)
        admin(daemon, "PUT", "users/rival%2Fu-1", {"customer": "rival", "external_id": "u-1", "name": "RIVAL-SECRET-NAME"})
        admin(daemon, "PUT", "users/acme%2Fu-1", {"customer": "acme", "external_id": "u-1", "name": "Own Name"})
        mine = make_member(t, daemon, "cad@example.com", "customer_admin", customer="acme")
        seen = 0
        for address, method, operation in operations():
            if operation["x-permission"] in ("public", "own") or "text/event-stream" in json.dumps(operation["responses"]):
                continue
            place = re.sub(r"{(customer)}", "rival", address)
            place = re.sub(r"{key}", "rivalkey", place)
            place = re.sub(r"{\w+}", "rival%2Fu-1", place)
            names = [one["name"] for one in operation.get("parameters", []) if one.get("in") == "query"]
            customer = next((name for name in names if name in ("customer", "subject", "user_id", "tenantId", "tenant_id")), None)
            body = None
            if "requestBody" in operation:
                media = next(iter(operation["requestBody"]["content"].values()))
                body = json.loads(json.dumps(media.get("example"), default=str))
                if isinstance(body, dict) and "customer" in body:
                    body["customer"] = "rival"
            for query in ("", f"?{customer}=rival" if customer else ""):
                status, _, answer = mine.call(method, place + query, body)
                said = json.dumps(answer)
                seen += 1
                t.check(status >= 400 or "rival" not in said.lower(), f"{method} {place}{query} shows and changes nothing of another customer", f"{status} {said}"[:300])
        print(f"    {seen} calls")
        t.equal(admin(daemon, "GET", "users/rival%2Fu-1")[2]["name"], "RIVAL-SECRET-NAME", "what is another's stays as it was")
        t.equal(daemon.request("GET", "/api/v1/me", None, "ck_test_rival_0123456789abcdef0123456789")[0] != 403, True, "its key was not revoked")
        keys = mine.call("GET", "/api/v1/keys")[2]["keys"]
        t.equal({key["customer"] for key in keys}, {"acme"}, "its own keys are listed without asking")
        t.equal([user["id"] for user in mine.call("GET", "/api/v1/users")[2]["items"]], ["acme/u-1"], "its own users, too")
        t.equal(mine.call("GET", "/api/v1/users/acme%2Fu-1")[0], 200, "and shown")
        t.equal(mine.call("GET", "/api/v1/customers/acme/credit")[0], 200, "and its credit")
        t.equal(mine.call("PATCH", "/api/v1/users/acme%2Fu-1", {"customer": "rival"})[0], 404, "nothing is moved to another")
        made = mine.call("POST", "/api/v1/keys", {"customer": "acme", "name": "second"})
        t.equal(made[0], 201, f"it makes a key: {made[2]}")
        t.equal(mine.call("DELETE", "/api/v1/keys/acme/second")[0], 200, "and revokes it")
        t.equal(mine.call("POST", "/api/v1/keys", {"customer": "rival", "name": "spy"})[0], 404, "none of another")
        t.equal(mine.call("GET", "/api/v1/usage?customer=acme")[0] in (200,), True, "and reads its usage")


if __name__ == "__main__":
    sys.exit(run_tests(__doc__, [setup_link, sessions, throttling, second_factor, rotation, factor_removed, team, machine_tokens, every_role_and_operation, docs_have_the_table, one_customer_only]))
