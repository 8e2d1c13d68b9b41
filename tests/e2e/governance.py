#!/usr/bin/env python3
"""governance.py - plans, licences, limits, matrix and overrides, set up over the API alone and met by real calls.

usage: tests/e2e/governance.py [--binary build/cota] [TEST…]      last line: N passed, N failed, N skipped
"""
import collections
import concurrent.futures
import datetime
import json
import pathlib
import re
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import config, cota, folder, run_tests, serving  # noqa: E402

TOKEN = "admin-token-of-the-test"
STORM = 1000


class Saas:
    """A builder with the admin token, and the keys of the builder's customers."""

    def __init__(self, daemon, t):
        self.daemon, self.t, self.keys = daemon, t, {}

    def api(self, method, path, body=None, headers=None):
        status, headers, answer = self.daemon.request(method, path, body, TOKEN, headers)
        return status, headers, json.loads(answer) if answer else None

    def put(self, path, body, wanted=(200, 201)):
        status, _, answer = self.api("PUT", f"/api/v1/{path}", body)
        self.t.check(status in wanted, f"PUT {path}", f"{status} {answer}")
        return answer

    def post(self, path, body, wanted=(201,)):
        status, _, answer = self.api("POST", f"/api/v1/{path}", body)
        self.t.check(status in wanted, f"POST {path}", f"{status} {answer}")
        return answer

    def customer(self, name, amount="100", **profile):
        made = self.post("keys", {"customer": name, "name": "main", "new_customer": True})
        self.keys[name] = made["secret"]
        self.post(f"customers/{name}/grants", {"amount_usd": amount})
        self.put(f"customer-profiles/{name}", {"customer": name, "time_zone": "America/Sao_Paulo", **profile})
        return made

    def plan(self, name, limits=(), items=(), **more):
        self.put(f"plans/{name}", {"name": {"pt": name, "en": name}})
        self.put(f"plan-versions/{name}-1", {"plan": name, "number": 1, "status": "active", "interval": "month",
                                             "limits": list(limits), "items": list(items), **more})

    def subscribe(self, customer, version, **more):
        return self.post("subscriptions", {"customer": customer, "plan_version": version, "status": "active", **more})

    def chat(self, customer, text="hello", pt=False, **headers):
        """(status, error or answer)"""
        sent = {f"x-cota-{name}": value for name, value in headers.items()}
        if pt:
            sent["Accept-Language"] = "pt-BR,pt;q=0.9,en;q=0.5"
        status, said, answer = self.daemon.chat(self.keys[customer], text=text, headers=sent, timeout=60)
        answer = json.loads(answer)
        self.headers = said
        return status, answer.get("error", answer)

    def storm(self, customer, calls=STORM, users=None, **headers):
        """How often each (status, code) came."""
        def one(number):
            more = dict(headers)
            if users:
                more["user"] = f"user-{number % users}"
            sent = {f"x-cota-{name}": value for name, value in more.items()}
            status, _, answer = self.daemon.chat(self.keys[customer], text="storm", headers=sent, timeout=120)
            return status, json.loads(answer).get("error", {}).get("code")
        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            return collections.Counter(pool.map(one, range(calls)))

    def held(self, customer):
        return self.api("GET", f"/api/v1/customers/{customer}/credit")[2]

    def entitlements(self, customer, **query):
        text = urllib.parse.urlencode({"customer": customer, **query})
        return self.api("GET", f"/api/v1/entitlements?{text}")[2]


def limit(name, metric, window, value, **more):
    return {"name": name, "metric": metric, "window": window, "value": value, "mode": "hard", **more}


def between_hours():
    """Windows begin anew on the hour: no test may run over one."""
    left = 3600 - time.time() % 3600
    if left < 30:
        time.sleep(left + 1)


def instant(seconds=0):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# --- documents ------------------------------------------------------------------------------------------------------------
def test_documents(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = Saas(daemon, t)
        status, headers, made = saas.api("POST", "/api/v1/groups", {"id": "vip", "name": {"en": "VIP"}, "priority": 5})
        t.equal((status, made["id"], made["version"], headers.get("etag")), (201, "vip", 1, '"1"'), "made, with its version")
        t.equal(saas.api("POST", "/api/v1/groups", {"id": "vip", "name": {"en": "again"}})[0], 409, "the id is taken")
        status, headers, changed = saas.api("PATCH", "/api/v1/groups/vip", {"priority": 9}, {"If-Match": '"1"'})
        t.equal((status, changed["priority"], changed["name"], headers["etag"]), (200, 9, {"en": "VIP"}, '"2"'), "merge patch")
        status, _, problem = saas.api("PATCH", "/api/v1/groups/vip", {"priority": 1}, {"If-Match": '"1"'})
        t.equal((status, problem["code"]), (412, "version_conflict"), "somebody else was faster")
        status, _, problem = saas.api("PATCH", "/api/v1/groups/vip", {"priority": "high"})
        t.equal((status, problem["param"]), (400, "priority"), "a wrong type names its member")
        status, _, problem = saas.api("PUT", "/api/v1/groups/vip", {"name": {"en": "VIP"}, "colour": "red"})
        t.equal((status, problem["code"]), (400, "invalid_field"), "an unknown member is refused")
        for body, member in [({"plan": "none", "number": 1, "status": "active"}, "plan"),
                             ({"plan": "p", "number": 0, "status": "active"}, "number"),
                             ({"plan": "p", "number": 1, "status": "active", "limits": [{"name": "x", "metric": "tokens"}]}, "limits")]:
            saas.put("plans/p", {"name": {"en": "P"}})
            status, _, problem = saas.api("PUT", "/api/v1/plan-versions/v", body)
            t.check(status == 400 and problem.get("param", "").startswith(member), f"a bad plan version: {member}", problem)
        status, _, problem = saas.api("POST", "/api/v1/subscriptions", {"customer": "nobody", "plan_version": "v", "status": "active"})
        t.equal((status, problem.get("param")), (400, "customer"), "a subscription of nobody")
        for number in range(7):
            saas.put(f"groups/g{number}", {"name": {"en": str(number)}, "priority": number})
        seen, cursor = [], ""
        while cursor is not None:
            page = saas.api("GET", "/api/v1/groups?limit=3" + (f"&cursor={cursor}" if cursor else ""))[2]
            seen += [row["id"] for row in page["items"]]
            cursor = page["next_cursor"]
        t.equal(seen, [f"g{n}" for n in range(7)] + ["vip"], "pages by cursor, each row once")
        page = saas.api("GET", "/api/v1/groups?sort=-updated_at&limit=2&fields=priority")[2]
        t.equal([row["id"] for row in page["items"]], ["g6", "g5"], "sorted by the last change")
        t.equal(set(page["items"][0]), {"id", "priority"}, "sparse fields")
        t.equal(saas.api("GET", "/api/v1/groups?colour=red")[0], 400, "an unknown parameter is refused")
        t.equal(saas.api("GET", "/api/v1/groups/none")[0], 404, "not there")
        saas.put("plan-versions/v", {"plan": "p", "number": 1, "status": "active"})
        t.equal(saas.api("DELETE", "/api/v1/plans/p")[0], 409, "a plan with versions stays")
        status, _, problem = saas.api("PATCH", "/api/v1/plan-versions/v", {"output_max": 5})
        t.equal((status, problem["code"]), (409, "conflict"), "what was sold is not changed")
        t.equal(saas.api("PATCH", "/api/v1/plan-versions/v", {"status": "archived"})[0], 200, "but it may be archived")
        status, _, answer = saas.api("DELETE", "/api/v1/groups/vip", headers={"x-cota-reason": "no more VIPs"})
        t.equal((status, answer), (204, None), "deleted")
        entries = saas.api("GET", "/api/v1/audit?kind=group&id=vip")[2]["items"]
        t.equal([row["action"] for row in entries], ["delete", "update", "create"], "the audit trail, newest first")
        t.equal((entries[0]["reason"], entries[0]["actor"], entries[0]["after"]), ("no more VIPs", "token", None), "who and why")
        t.equal(entries[1]["before"]["priority"], 5, "before and after are kept")
        verdict = saas.api("GET", "/api/v1/audit/verify")[2]
        t.check(verdict["valid"] and verdict["entries"] >= 12, "the chain is whole", verdict)
        for _ in range(2):
            daemon.kill()
            with serving(binary, config(), path) as again:
                other = Saas(again, t)
                t.equal(other.api("GET", "/api/v1/groups/g3")[2]["priority"], 3, "after kill -9 it is there")
                t.equal(other.api("GET", "/api/v1/groups/vip")[0], 404, "… and what was deleted is not")
                t.check(other.api("GET", "/api/v1/audit/verify")[2]["valid"], "the chain goes on")


# --- the builder of S1, S2, S4 ------------------------------------------------------------------------------------------
def test_licence(t, binary):
    """S1: modules, ai_enabled, the token limit computed from the plan or set by hand, validity."""
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = Saas(daemon, t)
        saas.customer("clinica")
        saas.plan("basico", ai_token_limit=1000)
        saas.subscribe("clinica", "basico-1")
        made = saas.post("licenses", {"customer": "clinica", "modules": ["patients"], "ai_enabled": True, "status": "active"})
        status, error = saas.chat("clinica", pt=True)
        t.equal((status, error.get("code")), (403, "ai_not_licensed"), "no module ai")
        t.equal(error["message"], "a licença não inclui IA ou não está válida agora", "said in Portuguese")
        t.equal(saas.headers["x-should-retry"], "false", "SDKs do not try again")
        place = f"licenses/{made['id']}"
        saas.api("PATCH", f"/api/v1/{place}", {"modules": ["patients", "ai"]})
        t.equal(saas.chat("clinica")[0], 200, "with the module it works")
        t.equal(saas.chat("clinica", module="patients")[0], 200, "from a module that it has")
        t.equal(saas.chat("clinica", module="billing")[1].get("code"), "ai_not_licensed", "not from one that it has not")
        saas.api("PATCH", f"/api/v1/{place}", {"ai_enabled": False})
        t.equal(saas.chat("clinica")[0], 403, "switched off")
        saas.api("PATCH", f"/api/v1/{place}", {"ai_enabled": True, "valid_to": instant(-1)})
        t.equal(saas.chat("clinica")[0], 403, "its time is over")
        saas.api("PATCH", f"/api/v1/{place}", {"valid_to": None})
        counts = saas.storm("clinica", 60)
        row = [one for one in saas.entitlements("clinica")["limits"] if one["source"]["layer"] == "license"][0]
        t.equal((row["limit"], row["window"], row["metric"]), (1000, "month", "tokens"), "the limit is the plan's")
        t.check(0 < counts[(429, "token_limit_exceeded")] and row["used"] <= 1000, "the month's tokens are met and never passed",
                f"{counts} {row}")
        status, error = saas.chat("clinica", pt=True)
        t.check(error["message"].startswith("tokens demais: limite do plano de tokens por mês; volta em "), "which limit, until when", error)
        t.check("1000" not in error["message"] and error["scope"] == "plan" and "resets_at" in error, "no amounts, but scope and time", error)
        saas.api("PATCH", f"/api/v1/{place}", {"ai_token_limit": 100000})
        t.equal(saas.chat("clinica")[0], 200, "set by hand it is more, and what was used stays")
        row = [one for one in saas.entitlements("clinica")["limits"] if one["source"]["layer"] == "license"][0]
        t.check(row["limit"] == 100000 and row["used"] > 500, "editing a limit never touches what was used", row)


def test_matrix(t, binary):
    """S4: plan x feature x provider x profile with daily limits, promo origin, Black Friday over a group."""
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = Saas(daemon, t)
        saas.customer("loja")
        for feature in ("user-chat", "legal-reports"):
            saas.put(f"features/{feature}", {"type": "metered", "category": "chat", "name": {"pt": feature, "en": feature}})
        saas.plan("free")
        saas.subscribe("loja", "free-1")
        for profile, daily in (("user", 3), ("professional", 10), ("admin", None)):
            saas.put(f"plan-matrix/free-chat-{profile}", {"plan": "free", "feature": "user-chat", "provider": "sim", "profile": profile,
                                                          "daily_limit": daily, "monthly_limit": None, "active": True, "origin": "default"})
        saas.put("plan-matrix/free-legal", {"plan": "free", "feature": "legal-reports", "provider": "sim", "profile": "admin",
                                            "daily_limit": None, "monthly_limit": None, "active": True, "origin": "exclusive"})
        codes = [saas.chat("loja", feature="user-chat", user="ana")[0] for _ in range(5)]
        t.equal(codes, [200] * 3 + [429] * 2, "three a day")
        t.equal(saas.chat("loja", feature="user-chat", user="bia")[0], 200, "each user has its own")
        codes = [saas.chat("loja", feature="user-chat", user="caio", profile="professional")[0] for _ in range(11)]
        t.equal(codes, [200] * 10 + [429], "ten for professionals")
        status, error = saas.chat("loja", feature="legal-reports", user="ana", pt=True)
        t.equal((status, error.get("code")), (403, "feature_not_enabled"), "not for this profile")
        t.equal(error["message"], "o plano não inclui este recurso", "said in Portuguese")
        t.equal(saas.chat("loja", feature="legal-reports", user="root", profile="admin")[0], 200, "for admins")
        saas.put("groups/black-friday", {"name": {"pt": "Black Friday", "en": "Black Friday"}, "priority": 10})
        saas.post("group-members", {"group": "black-friday", "customer": "loja"})
        saas.put("overrides/bf", {"scope": "group", "scope_id": "black-friday", "target": "matrix", "selector": {"feature": "user-chat"},
                                  "op": "multiply", "value": "2", "starts_at": instant(-60), "expires_at": instant(3)})
        codes = [saas.chat("loja", feature="user-chat", user="ana")[0] for _ in range(4)]
        t.equal(codes, [200] * 3 + [429], "Black Friday doubles three to six")
        time.sleep(3.2)
        t.equal(saas.chat("loja", feature="user-chat", user="bia")[0], 200, "over: two of three used")
        t.equal([saas.chat("loja", feature="user-chat", user="bia")[0] for _ in range(2)], [200, 429], "… and three is three again")
        status, _, answer = saas.api("GET", "/api/v1/resolve?plan=free&feature=user-chat&profile=professional")
        t.equal((status, [(row["provider"], row["daily_limit"], row["origin"]) for row in answer["candidates"]]),
                (200, [("sim", 10, "default")]), "resolve says the same without a call")


def test_subscription(t, binary):
    """S5: assignments: suspend, cancel, reactivate; S2's default limits as a plan."""
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = Saas(daemon, t)
        saas.customer("crm")
        saas.plan("pro", [limit("hourly", "requests", "hour", 100), limit("daily", "tokens", "day", 50000),
                          limit("monthly", "cost", "month", "100")], models=["sim-fast"])
        made = saas.subscribe("crm", "pro-1")
        t.equal(saas.chat("crm")[0], 200, "active")
        names = {row["name"]: row for row in saas.entitlements("crm")["limits"]}
        t.equal(set(names), {"hourly", "daily", "monthly"}, "the limits with their names")
        t.equal((names["hourly"]["used"], names["hourly"]["limit"]), (1, 100), "and what is used")
        status, _, answer = daemon.request("POST", "/v1/chat/completions", {"model": "sim-slow", "messages": [{"role": "user", "content": "x"}]},
                                           saas.keys["crm"])
        t.equal((status, json.loads(answer)["error"]["code"]), (403, "model_not_allowed"), "a model that the plan has not")
        place = f"/api/v1/subscriptions/{made['id']}"
        for state, wanted in [("suspended", (403, "customer_suspended")), ("active", (200, None)), ("canceled", (402, "subscription_inactive")),
                              ("past_due", (200, None)), ("unpaid", (402, "subscription_inactive")), ("trialing", (200, None))]:
            saas.api("PATCH", place, {"status": state})
            status, error = saas.chat("crm")
            t.equal((status, error.get("code")), wanted, f"{state}")
        saas.api("PATCH", place, {"status": "cancel_scheduled", "cancel_at": instant(1.5)})
        t.equal(saas.chat("crm")[0], 200, "until it ends")
        time.sleep(1.7)
        t.equal(saas.chat("crm")[0], 402, "no longer")


def test_key_rules(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = Saas(daemon, t)
        made = saas.customer("acme-key")
        place = f"key-rules/{made['id']}"
        saas.put(place, {"customer": "acme-key", "addresses": ["10.0.0.0/8"]})
        t.equal(saas.chat("acme-key")[1].get("code"), "address_not_allowed", "from another address")
        saas.put(place, {"customer": "acme-key", "addresses": ["127.0.0.0/8", "::1"], "models": ["sim-slow"]})
        t.equal(saas.chat("acme-key")[1].get("code"), "model_not_allowed", "another model")
        saas.put(place, {"customer": "acme-key", "budget": {"amount": "0.0001", "window": "day"}})
        counts = saas.storm("acme-key", 40)
        t.check(counts[(402, "budget_exceeded")] > 0 and counts[(200, None)] > 0, "a budget is met", counts)
        row = [one for one in saas.entitlements("acme-key", key=made["id"])["limits"] if one["scope"] == "key"][0]
        t.check(row["used"] <= 0.0001 and row["metric"] == "cost", "… and never passed", row)


# --- exactly, under a storm ---------------------------------------------------------------------------------------------
def test_storm(t, binary):
    """1,000 concurrent calls against each kind of limit: met exactly, nothing held afterwards."""
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = Saas(daemon, t)
        saas.put("features/chat", {"type": "metered", "category": "chat", "name": {"en": "chat"}})
        saas.put("groups/beta", {"name": {"en": "Beta"}})
        saas.plan("none")
        made = {}
        for name in ("by-key", "by-user", "by-customer", "by-group", "by-cell", "by-plan", "at-once"):
            made[name] = saas.customer(name)
        for name in ("by-key", "by-user", "by-customer", "by-group", "at-once"):
            saas.subscribe(name, "none-1")
        per_day = {"name": "d", "metric": "requests", "window": "day", "value": 37, "mode": "hard"}
        saas.post("limits", {"owner": "key", "owner_id": made["by-key"]["id"], **per_day})
        for number in range(4):
            saas.post("limits", {"owner": "user", "owner_id": f"by-user/user-{number}", **per_day})
        saas.post("limits", {"owner": "customer", "owner_id": "by-customer", **per_day})
        saas.post("group-members", {"group": "beta", "customer": "by-group"})
        saas.post("limits", {"owner": "group", "owner_id": "beta", **per_day})
        saas.plan("cells")
        saas.put("plan-matrix/c", {"plan": "cells", "feature": "chat", "provider": "sim", "profile": "*", "daily_limit": 37,
                                   "monthly_limit": None, "active": True, "origin": "default"})
        saas.subscribe("by-cell", "cells-1")
        saas.plan("limited", [limit("d", "requests", "day", 37)])
        saas.subscribe("by-plan", "limited-1")
        for name, users, more, wanted in [("by-key", None, {}, 37), ("by-user", 4, {}, 148), ("by-customer", 4, {}, 37), ("by-group", None, {}, 37),
                                          ("by-cell", None, {"feature": "chat"}, 37), ("by-plan", None, {}, 37)]:
            counts = saas.storm(name, users=users, **more)
            t.equal(counts, {(200, None): wanted, (429, "rate_limit_exceeded"): STORM - wanted}, f"{name}: exactly {wanted} of {STORM}")
        saas.post("limits", {"owner": "customer", "owner_id": "at-once", "name": "c", "metric": "concurrent", "window": "day", "value": 3, "mode": "hard"})
        counts = saas.storm("at-once", 300)
        t.check(set(counts) <= {(200, None), (429, "concurrency_limit_exceeded")} and counts[(200, None)] >= 3, "at most three at once", counts)
        for name in made:
            shown = saas.held(name)
            t.equal((shown["held_nano"], shown["holds"]), (0, 0), f"{name}: nothing is held")
        t.equal(saas.chat("at-once")[0], 200, "the places are free again")


def test_allowance(t, binary):
    """Included quota, then overage up to its cap, exactly."""
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = Saas(daemon, t)
        saas.customer("sem-credito", amount="0.000000001")
        saas.plan("incluso", items=[{"feature": "*", "included": 20, "metric": "requests", "reset": "month", "overage": "block", "overage_cap": None}])
        saas.subscribe("sem-credito", "incluso-1")
        counts = saas.storm("sem-credito", 300)
        t.equal(counts, {(200, None): 20, (402, "insufficient_credits"): 280}, "twenty are included")
        shown = saas.held("sem-credito")
        t.equal((shown["held_nano"], shown["remaining_nano"]), (0, 1), "and cost no credit")
        saas.customer("excedente", amount="0.000000001")
        saas.plan("aberto", items=[{"feature": "*", "included": 5, "metric": "requests", "reset": "month", "overage": "bill", "overage_cap": "0.0002"}])
        saas.subscribe("excedente", "aberto-1")
        counts = saas.storm("excedente", 300)
        shown = saas.held("excedente")
        t.check(counts[(200, None)] > 5 and counts[(402, "insufficient_credits")] > 0, "billed beyond the quota, up to the cap", counts)
        t.check(0 < shown["overage_nano"] <= 200000, "never above the cap", shown)
        t.equal(shown["held_nano"], 0, "nothing held")


# --- prices and models over the API -------------------------------------------------------------------------------------
def test_catalogue(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = Saas(daemon, t)
        saas.customer("dev")
        saas.put("providers/mine", {"display_name": "Mine", "dialect": "simulated", "status": "active"})
        saas.put("models/sim-json", {"provider": "mine", "max_output_tokens": 64})
        body = {"model": "sim-json", "messages": [{"role": "user", "content": "x"}]}
        status, _, answer = daemon.request("POST", "/v1/chat/completions", body, saas.keys["dev"])
        t.equal((status, json.loads(answer)["error"]["code"]), (422, "price_unknown"), "a model without a price is refused, never free")
        saas.post("prices", {"model": "sim-json", "status": "active", "source": "mine", "effective_from": instant(-3600),
                             "pools": {"input": "1", "output": "2"}})
        status, headers, _ = daemon.request("POST", "/v1/chat/completions", body, saas.keys["dev"])
        t.equal(status, 200, "with a price it is served")
        cost = float(headers["x-cota-cost"])
        saas.post("prices", {"model": "sim-json", "status": "active", "source": "mine", "effective_from": instant(1.5),
                             "pools": {"input": "10", "output": "20"}})
        saas.post("prices", {"model": "sim-json", "status": "proposed", "source": "feed", "effective_from": instant(-10),
                             "pools": {"input": "0", "output": "0"}})
        status, headers, _ = daemon.request("POST", "/v1/chat/completions", body, saas.keys["dev"])
        t.check(float(headers["x-cota-cost"]) < cost * 5, "a price of the future or a proposal changes nothing", headers["x-cota-cost"])
        time.sleep(2)
        status, headers, _ = daemon.request("POST", "/v1/chat/completions", body, saas.keys["dev"])
        t.check(float(headers["x-cota-cost"]) > cost * 5, "the new price at its time", f"{cost} {headers['x-cota-cost']}")
        saas.api("PATCH", "/api/v1/models/sim-json", {"active": False})
        t.equal(daemon.request("POST", "/v1/chat/completions", body, saas.keys["dev"])[0], 404, "switched off")


# --- the tour of the documentation --------------------------------------------------------------------------------------
def test_tour(t, binary):
    """The very lines of docs/governance.md."""
    text = (pathlib.Path(__file__).parents[2] / "docs" / "governance.md").read_text()
    text = text.replace("2026-11-20T00:00:00-03:00", instant(-3600)).replace("2026-12-01T00:00:00-03:00", instant(3600))
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M)
    ring = "encryption_keys: [%s]\n" % cota(binary, "keygen")[1].strip()
    with folder() as path, serving(binary, ring + config(), path) as daemon:
        script = f"set -e\nCOTA=http://127.0.0.1:{daemon.port}\nADMIN={TOKEN}\n" + "\n".join(blocks)
        done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        t.check(done.returncode == 0, "every line of the tour is answered with success", done.stdout[-2000:])
        answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        key = [answer["secret"] for answer in answers if "secret" in answer][0]
        saas = Saas(daemon, t)
        saas.keys["clinica-aurora"] = key
        t.equal([saas.chat("clinica-aurora", feature="user-chat", user="ana")[0] for _ in range(7)], [200] * 6 + [429], "as the tour says")
        status, error = saas.chat("clinica-aurora", feature="user-chat", user="ana", pt=True)
        t.check(re.fullmatch(r"requisições demais: limite do recurso de requisições por dia; volta em \d\d/\d\d/\d{4} às 00:00", error["message"]),
                "and in its words", error)
        t.equal(saas.chat("clinica-aurora", feature="legal-reports", user="ana")[0], 200, "no cells for a feature: the plan's limits alone")


TESTS = [test_tour, test_documents, test_licence, test_matrix, test_subscription, test_key_rules, test_storm, test_allowance, test_catalogue]


if __name__ == "__main__":
    sys.exit(run_tests(__doc__, TESTS, between_hours))
