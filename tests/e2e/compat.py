#!/usr/bin/env python3
"""compat.py - the addresses of the five source systems as mission.md writes them, one test for each row, by real calls.

usage: tests/e2e/compat.py [--binary build/cota] [TEST…]      last line: N passed, N failed, N skipped
"""
import datetime
import json
import pathlib
import re
import sys
import urllib.parse
import zoneinfo

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from governance import Saas, between_hours, instant, limit  # noqa: E402
from harness import config, folder, run_tests, serving  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAO_PAULO = zoneinfo.ZoneInfo("America/Sao_Paulo")
MORE_MODELS = "  - {name: sim-json, provider: sim, max_output_tokens: 64, price: {input: 0.15, output: 0.60}}"


def today():
    return datetime.datetime.now(SAO_PAULO).date().isoformat()


class World(Saas):
    def own(self, customer, path, method="GET", body=None, **query):
        """As the holder of the customer's key: (status, answer)."""
        address = path + ("?" + urllib.parse.urlencode(query) if query else "")
        status, _, answer = self.daemon.request(method, address, body, self.keys[customer])
        return status, json.loads(answer) if answer else None

    def get(self, path, **query):
        status, _, answer = self.api("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))
        self.t.equal(status, 200, f"GET {path} {query}")
        return answer


def world(t, binary, path, **more):
    return serving(binary, config(more_models=MORE_MODELS, **more), path)


# --- S1: licences and per-clinic AI ----------------------------------------------------------------------------------------
def test_s1_put_license(t, binary):
    """PUT /api/v1/licenses/{id} {"modules":[…],"ai_enabled":true}; create computes the token limit from the plan."""
    with folder() as path, world(t, binary, path) as daemon:
        saas = World(daemon, t)
        saas.customer("clinica")
        saas.plan("basico", ai_token_limit=5000)
        saas.subscribe("clinica", "basico-1")
        until = instant(86400)
        made = saas.post("licenses", {"customer": "clinica", "modules": ["patients"], "ai_enabled": False, "valid_to": until, "status": "active"})
        t.equal((made.get("ai_token_limit"), made["ai_token_limit_effective"]), (None, 5000), "create computes the token limit from the plan")
        place = f"/api/v1/licenses/{made['id']}"
        status, _, changed = saas.api("PUT", place, {"modules": ["patients", "appointments", "ai"], "ai_enabled": True})
        t.equal(status, 200, "the body of the clinic product")
        t.equal((changed["modules"], changed["ai_enabled"]), (["patients", "appointments", "ai"], True), "takes the place of what was there")
        t.equal((changed["customer"], changed["status"], changed["valid_to"]), ("clinica", "active", until), "what it does not name stays")
        t.equal(saas.chat("clinica")[0], 200, "and AI works")
        t.equal(saas.api("PUT", place, {"modules": ["patients"], "ai_enabled": True}, {"If-Match": '"1"'})[0], 412, "If-Match counts here too")
        status, _, whole = saas.api("PUT", place, {"customer": "clinica", "modules": ["ai"], "ai_enabled": True, "ai_token_limit": 70})
        t.equal((status, "valid_to" in whole, whole["ai_token_limit_effective"]), (200, False, 70), "with customer it is the whole document")
        status, _, problem = saas.api("PUT", "/api/v1/licenses/none", {"modules": ["ai"], "ai_enabled": True})
        t.equal((status, problem["param"]), (400, "customer"), "a new one must say whose it is")
        t.equal(saas.api("GET", "/api/v1/licenses/none")[0], 404, "and was not made")
        t.equal(saas.api("PATCH", place, {"customer": None})[0], 400, "a licence of nobody is refused")
        t.equal(saas.api("PUT", place, {"modules": ["ai"], "ai_enabled": True, "ai_token_limit_effective": 1})[0], 400, "it is shown only")
        rows = saas.get("/api/v1/licenses", customer="clinica")["items"]
        t.equal([row["ai_token_limit_effective"] for row in rows], [70], "lists show it too")


def test_s1_ai_config(t, binary):
    """GET /api/v1/ai-config?clinic_id=1"""
    with folder() as path, world(t, binary, path) as daemon:
        saas = World(daemon, t)
        saas.customer("1")
        saas.customer("aurora", external_id="77")
        saas.plan("basico", ai_token_limit=5000)
        for name in ("1", "aurora"):
            saas.subscribe(name, "basico-1")
            saas.post("licenses", {"customer": name, "modules": ["ai"], "ai_enabled": True, "status": "active"})
        empty = saas.get("/api/v1/ai-config", clinic_id=1)
        t.equal((empty["token_limit"], empty["tokens_used"], empty["tokens_remaining"]), (5000, 0, 5000), "before the first call")
        t.equal((empty["provider"], empty["model"], empty["ai_enabled"]), ("sim", "sim-fast", True), "which AI answers")
        for _ in range(3):
            t.equal(saas.chat("1")[0], 200, "a call")
        shown = saas.get("/api/v1/ai-config", clinic_id=1)
        used = shown["tokens_used"]
        t.check(used > 0 and shown["tokens_remaining"] == 5000 - used, "tokens of this month", shown)
        stats = shown["usage_stats"]
        t.equal((stats["requests"], stats["tokens"]), (3, used), "the dashboard counts the same")
        t.equal([(row["date"], row["requests"], row["tokens"]) for row in stats["by_day"]], [(today(), 3, used)], "day by day")
        t.check(float(stats["cost_usd"]) > 0, "with its cost", stats)
        t.equal(saas.get("/api/v1/ai-config", clinic_id=77)["customer"], "aurora", "by the id of the clinic product")
        t.equal(saas.own("1", "/api/v1/ai-config")[1]["tokens_used"], used, "the clinic's own key needs no id")
        t.equal(saas.own("1", "/api/v1/ai-config", clinic_id=1)[0], 200, "and may say its own")
        t.equal(saas.own("1", "/api/v1/ai-config", clinic_id=77)[0], 403, "another's is refused")
        t.equal(saas.own("1", "/api/v1/ai-config", clinic_id=78)[0], 403, "in the same way when there is none")
        t.equal(saas.api("GET", "/api/v1/ai-config?clinic_id=78")[0], 404, "the operator is told")
        t.equal(saas.api("GET", "/api/v1/ai-config")[0], 400, "the operator must say which")
        row = saas.get("/api/v1/licenses", customer="1")["items"][0]
        saas.api("PUT", f"/api/v1/licenses/{row['id']}", {"modules": ["patients"], "ai_enabled": True})
        off = saas.get("/api/v1/ai-config", clinic_id=1)
        t.equal((off["ai_enabled"], off["code"], off["model"]), (False, "ai_not_licensed", None), "without the module")
        t.equal((off["token_limit"], off["tokens_used"]), (5000, used), "the figures stay")


# --- S2: several providers, limits, usage -------------------------------------------------------------------------------------
def test_s2_rate_limits(t, binary):
    """GET|PUT /api/marketing/ai/rate-limits: 100 requests/hour, 50 000 tokens/day, 100 USD/month, alert at 80 %."""
    place = "/api/marketing/ai/rate-limits"
    with folder() as path, world(t, binary, path) as daemon:
        saas = World(daemon, t)
        saas.customer("agencia")
        saas.customer("Other:1")
        alert = {"alert_percent": [70]}
        saas.plan("crm", [limit("hourly", "requests", "hour", 100, **alert), limit("daily", "tokens", "day", 50000), limit("monthly", "cost", "month", "100")])
        saas.subscribe("agencia", "crm-1")
        shown = saas.get(place, tenant="agencia")
        t.equal([shown[name] for name in ("requests_per_hour", "tokens_per_day", "usd_per_month", "alert_threshold_percent")],
                [100, 50000, "100", 70], "the plan's limits")
        saas.chat("agencia")
        shown = saas.get(place, tenant="agencia")
        t.check(shown["used"]["requests_per_hour"] == 1 and shown["used"]["tokens_per_day"] > 0 and float(shown["used"]["usd_per_month"]) > 0,
                "what is used of them", shown)
        t.equal(shown["remaining"]["requests_per_hour"], 99, "what is left")
        status, _, shown = saas.api("PUT", f"{place}?tenant=agencia", {"requests_per_hour": 5, "usd_per_month": "7.50", "alert_threshold_percent": 80})
        t.equal((status, shown["requests_per_hour"], shown["tokens_per_day"], shown["usd_per_month"], shown["alert_threshold_percent"]),
                (200, 5, 50000, "7.5", 80), "set by the operator")
        stored = saas.get("/api/v1/limits/agencia-hourly")
        t.equal((stored["owner_id"], stored["value"], stored["window"], stored["alert_percent"]), ("agencia", 5, "hour", [80, 100]), "as a limit document")
        status, shown = saas.own("agencia", place, "PUT", {"requests_per_hour": 50})
        t.equal((status, shown["requests_per_hour"]), (200, 5), "its own key cannot widen what it was given")
        status, shown = saas.own("agencia", place, "PUT", {"requests_per_hour": 4})
        t.equal((status, shown["requests_per_hour"]), (200, 4), "but keep below it")
        entry = saas.get("/api/v1/audit", kind="limit", id="agencia-hourly-own")["items"][0]
        t.check(entry["actor"].startswith("key:"), "the audit trail names the key", entry)
        codes = [saas.chat("agencia")[0] for _ in range(6)]
        t.equal(codes, [200] * 4 + [429] * 2, "blocked at the limit")
        shown = saas.own("agencia", place)[1]
        t.check("requests_per_hour" in shown["reached"] and "requests_per_hour" in shown["alerts"], "and the bar is full", shown)
        t.equal(saas.own("agencia", place, "PUT", {"requests_per_hour": None})[1]["requests_per_hour"], 5, "its own is taken away")
        status, _, shown = saas.api("PUT", f"{place}?tenant=agencia", {"requests_per_hour": None, "usd_per_month": None})
        t.equal((shown["requests_per_hour"], shown["usd_per_month"]), (100, "100"), "the operator's too: the plan's are left")
        t.equal(saas.api("GET", "/api/v1/limits/agencia-hourly")[0], 404, "the document is gone")
        status, _, shown = saas.api("PUT", f"{place}?tenant=Other%3A1", {"tokens_per_day": 9, "usd_per_month": 3})
        t.equal((status, shown["requests_per_hour"], shown["tokens_per_day"], shown["usd_per_month"]), (200, None, 9, "3"), "a tenant without a plan")
        t.equal(saas.api("GET", "/api/v1/limits/Other:1-daily")[0], 200, "whatever its id looks like")
        for body, param in [({"requests_per_hour": -1}, "requests_per_hour"), ({"tokens_per_day": "5"}, "tokens_per_day"), ({"usd_per_month": "x"}, "usd_per_month"),
                            ({"alert_threshold_percent": 101}, "alert_threshold_percent")]:
            status, _, problem = saas.api("PUT", f"{place}?tenant=agencia", body)
            t.equal((status, problem.get("param")), (400, param), f"refused: {body}")
        saas.post("limits", {"id": "agencia-daily", "owner": "customer", "owner_id": "Other:1", "name": "x", "metric": "tokens", "window": "day", "value": 1})
        t.equal(saas.api("PUT", f"{place}?tenant=agencia", {"tokens_per_day": 1})[0], 409, "another's limit with this name is not touched")
        t.equal(saas.own("agencia", place, tenant="Other:1")[0], 403, "nor may a key name another tenant")
        t.equal(saas.own("agencia", f"{place}?tenant=Other%3A1", "PUT", {"requests_per_hour": 1})[0], 403, "to write least of all")


def test_s2_usage_stats(t, binary):
    """GET /api/marketing/ai/usage-stats?period=today|week|month"""
    place = "/api/marketing/ai/usage-stats"
    with folder() as path, world(t, binary, path) as daemon:
        saas = World(daemon, t)
        saas.customer("agencia")
        saas.customer("outra")
        for _ in range(4):
            saas.chat("agencia")
        saas.chat("outra")
        for period, days in (("today", 1), ("week", 7), ("month", 30)):
            shown = saas.own("agencia", place, period=period)[1]
            t.check(shown["requests"] == 4 and shown["tokens"] == shown["input_tokens"] + shown["output_tokens"] > 0, f"{period}: requests and tokens", shown)
            t.check(float(shown["cost_usd"]) > 0 and shown["mean_latency_ms"] > 0, f"{period}: cost and mean latency", shown)
            t.equal([(row["provider"], row["requests"], row["cost_usd"]) for row in shown["by_provider"]], [("sim", 4, shown["cost_usd"])], f"{period}: by provider")
            t.equal([row["date"] for row in shown["by_day"]], [today()], f"{period}: by day")
            since, until = (datetime.datetime.fromisoformat(shown[name].replace("Z", "+00:00")) for name in ("since", "until"))
            t.equal(((until - since).days, since.astimezone(SAO_PAULO).hour), (days, 0), f"{period}: whole days of the tenant")
        t.equal(saas.own("agencia", place)[1]["period"], "today", "today when nothing is said")
        t.equal(saas.get(place, tenant="outra")["requests"], 1, "the operator says which tenant")
        t.equal(saas.own("agencia", place, period="year")[0], 400, "no other period")
        t.equal(saas.own("agencia", place, tenant="outra")[0], 403, "another tenant's is refused")


def test_s2_configs(t, binary):
    """GET /api/marketing/ai/configs: the AIs a tenant may use."""
    place = "/api/marketing/ai/configs"
    with folder() as path, world(t, binary, path) as daemon:
        saas = World(daemon, t)
        saas.customer("agencia")
        saas.customer("livre")
        saas.plan("so-um", models=["sim-json"])
        saas.subscribe("agencia", "so-um-1")
        saas.put("providers/mine", {"display_name": "Minha IA", "dialect": "simulated", "status": "testing"})
        saas.put("models/mine-fast", {"provider": "mine", "max_output_tokens": 64})
        shown = saas.own("agencia", place)[1]["configs"]
        t.equal(shown, [{"provider": "sim", "provider_name": "sim", "model": "sim-json", "status": "active", "own_key": False}], "what the plan allows")
        shown = saas.get(place, tenant="livre")["configs"]
        t.equal([row["model"] for row in shown], ["sim-fast", "sim-slow", "sim-json", "mine-fast"], "all without a plan")
        t.equal(shown[-1], {"provider": "mine", "provider_name": "Minha IA", "model": "mine-fast", "status": "testing", "own_key": False}, "with name and status")
        saas.api("PATCH", "/api/v1/providers/mine", {"status": "disabled"})
        t.check("mine-fast" not in [row["model"] for row in saas.get(place, tenant="livre")["configs"]], "a provider that is off is not offered")


# --- S3: prepaid credits --------------------------------------------------------------------------------------------------------
def test_s3_ai_credits(t, binary):
    """GET /api/user/ai-credits: total, used, available, plan type, renewal date."""
    place = "/api/user/ai-credits"
    with folder() as path, world(t, binary, path) as daemon:
        saas = World(daemon, t)
        saas.customer("ana", amount="5")
        shown = saas.own("ana", place)[1]
        t.equal((shown["total"], shown["used"], shown["available"], shown["planType"], shown["renewalDate"]), (5, 0, 5, None, None), "before anything")
        saas.plan("starter", interval_count=1)
        now = datetime.datetime.now(SAO_PAULO)
        anchor = (now - datetime.timedelta(days=3)).replace(hour=0, minute=0, second=0, microsecond=0)
        saas.subscribe("ana", "starter-1", anchor_at=anchor.isoformat(), anchor_day=anchor.day)
        saas.chat("ana")
        shown = saas.own("ana", place)[1]
        t.check(shown["used"] > 0 and abs(shown["total"] - shown["used"] - shown["available"]) < 1e-9, "total is used and available", shown)
        t.equal(shown["planType"], "starter", "plan type")
        renewal = datetime.datetime.fromisoformat(shown["renewalDate"].replace("Z", "+00:00")).astimezone(SAO_PAULO)
        month = anchor.month % 12 + 1
        t.equal((renewal.month, renewal.hour), (month, 0), "renewal is the end of the period")
        t.check(renewal.day == anchor.day or anchor.day > 28, "on the anchor's day", renewal)
        t.equal(saas.get(place, customer="ana")["used"], shown["used"], "the operator sees the same")
        made = saas.get("/api/v1/keys", customer="ana")["keys"][0]
        saas.put(f"key-rules/{made['id']}", {"customer": "ana", "scopes": ["inference"]})
        status, problem = saas.own("ana", place)
        t.equal((status, problem["code"]), (403, "forbidden"), "a key for calls only may not look")
        saas.put(f"key-rules/{made['id']}", {"customer": "ana", "scopes": ["credits:read"]})
        t.equal((saas.own("ana", place)[0], saas.own("ana", "/api/v1/ai-config")[0]), (200, 403), "scope by scope")
        saas.put(f"key-rules/{made['id']}", {"customer": "ana", "addresses": ["10.0.0.0/8"]})
        t.equal(saas.own("ana", place)[1]["code"], "address_not_allowed", "and only from its addresses")
        t.equal(saas.api("DELETE", f"/api/v1/key-rules/{made['id']}")[0], 204, "no more rules")
        t.equal(saas.own("ana", place)[0], 200, "no more bounds")
        t.equal(saas.api("DELETE", f"/api/v1/keys/ana/{made['id']}")[0], 200, "the key is revoked")
        t.equal(saas.own("ana", place)[0], 403, "at the very next request")


def test_s3_ai_analytics(t, binary):
    """GET /api/admin/ai-analytics: requests, credits, cost, unique users of the day."""
    place = "/api/admin/ai-analytics"
    with folder() as path, world(t, binary, path) as daemon:
        saas = World(daemon, t)
        saas.customer("ana")
        saas.customer("familia")
        saas.chat("ana")
        for user in ("pai", "mae", "pai"):
            saas.chat("familia", user=user)
        shown = saas.get(place)
        t.equal((shown["requests"], shown["unique_users"], shown["date"]), (4, 3, today()), "of today")
        t.check(shown["credits"] > 0 and abs(shown["credits"] - float(shown["cost_usd"])) < 1e-9, "credits and cost", shown)
        t.equal(saas.get(place, date=today())["requests"], 4, "by its date")
        other = saas.get(place, date="2024-02-29")
        t.equal((other["date"], other["requests"], other["unique_users"]), ("2024-02-29", 0, 0), "another day")
        t.equal(saas.api("GET", f"{place}?date=2023-02-29")[0], 400, "a day that never was")
        t.equal(saas.own("ana", place)[0], 401, "not for customers")


# --- S5: plans, assignments -----------------------------------------------------------------------------------------------------
def test_s5_assignment_states(t, binary):
    """Plan assignments: suspend, reactivate, cancel, change; only what can be."""
    with folder() as path, world(t, binary, path) as daemon:
        saas = World(daemon, t)
        saas.customer("cliente")
        saas.plan("pro", [limit("daily", "requests", "day", 3)])
        saas.put("plan-versions/pro-2", {"plan": "pro", "number": 2, "status": "active", "interval": "month", "limits": [limit("daily", "requests", "day", 5)]})
        saas.put("plan-versions/pro-3", {"plan": "pro", "number": 3, "status": "draft"})
        made = saas.subscribe("cliente", "pro-1", anchor_at=instant(-86400))

        def act(name, body=None, ident=made["id"], **headers):
            status, _, answer = saas.api("POST", f"/api/v1/subscriptions/{ident}/{name}", body or {}, headers)
            return status, answer

        t.equal(saas.chat("cliente")[0], 200, "active")
        status, shown = act("suspend", {"reason": "chargeback"})
        t.equal((status, shown["status"], shown["suspended_reason"]), (200, "suspended", "chargeback"), "suspended, with its reason")
        t.equal(saas.chat("cliente")[0], 403, "refused from the next call on")
        status, problem = act("suspend")
        t.equal((status, problem["code"]), (409, "conflict"), "not twice")
        status, shown = act("reactivate", {"reason": "paid"})
        t.equal((shown["status"], "suspended_reason" in shown), ("active", False), "active again")
        t.equal([saas.chat("cliente")[0] for _ in range(3)], [200, 200, 429], "what was used stays used")
        t.equal(act("reactivate")[0], 409, "an active one is not reactivated")
        status, shown = act("change", {"plan_version": "pro-2", "reason": "upgrade"})
        t.equal((status, shown["plan_version"]), (200, "pro-2"), "another version, at once")
        t.equal([saas.chat("cliente")[0] for _ in range(3)], [200, 200, 429], "with its limits, and what was used of the same name")
        t.equal(act("change", {"plan_version": "pro-3"})[0], 409, "not to a draft")
        t.equal(act("change", {"plan_version": "none"})[1]["param"], "plan_version", "nor to nothing")
        status, shown = act("cancel")
        ends = datetime.datetime.fromisoformat(shown["cancel_at"].replace("Z", "+00:00"))
        left = ends - datetime.datetime.now(datetime.timezone.utc)
        t.check(shown["status"] == "cancel_scheduled" and 26 <= left.days <= 30, "to the end of the period", shown)
        t.equal(saas.chat("cliente")[0], 429, "served until then")
        status, shown = act("reactivate")
        t.equal((shown["status"], "cancel_at" in shown), ("active", False), "taken back")
        version = shown["version"]
        t.equal(act("cancel", {"at": "now"}, **{"If-Match": f'"{version - 1}"'})[0], 412, "If-Match counts")
        status, shown = act("cancel", {"at": "now", "reason": "moved away"})
        t.equal(shown["status"], "canceled", "at once")
        t.equal(saas.chat("cliente")[1]["code"], "subscription_inactive", "over")
        for name, body in (("cancel", {}), ("suspend", {}), ("change", {"plan_version": "pro-1"})):
            t.equal(act(name, body)[0], 409, f"canceled is final: {name}")
        t.equal(act("reactivate", **{"If-Match": '"1"'})[0], 412, "If-Match of the one that is followed")
        status, after = act("reactivate")
        t.check(status == 201 and after["id"] != made["id"] and after["status"] == "active", "but a new one may follow", after)
        t.equal((after["previous"], after["anchor_at"], "cancel_at" in after), (made["id"], made["anchor_at"], False), "with the same anchor")
        t.equal(act("reactivate")[0], 409, "once")
        t.equal(saas.chat("cliente")[0], 429, "what was used is not given again")
        rows = saas.get(f"/api/v1/subscriptions/{made['id']}/history")["items"]
        t.equal([(row["to_status"], row["reason"]) for row in rows][::-1],
                [("active", ""), ("suspended", "chargeback"), ("active", "paid"), ("active", "upgrade"), ("cancel_scheduled", ""), ("active", ""),
                 ("canceled", "moved away")], "the history says all of it")
        t.equal((rows[-4]["from_plan_version"], rows[-4]["to_plan_version"]), ("pro-1", "pro-2"), "plans too")
        page = saas.get(f"/api/v1/subscriptions/{made['id']}/history", limit=2)
        rest = saas.get(f"/api/v1/subscriptions/{made['id']}/history", cursor=page["next_cursor"])
        t.equal(page["items"] + rest["items"], rows, "page by page")
        t.equal(saas.api("GET", "/api/v1/subscriptions/none/history")[0], 404, "of nothing there is none")
        t.equal(act("suspend", ident="none")[0], 404, "nor can it be suspended")
        t.equal(act("suspend", {"colour": "red"})[0], 400, "unknown members are refused")


def test_s5_stats(t, binary):
    """Plan stats and assignment stats."""
    with folder() as path, world(t, binary, path) as daemon:
        saas = World(daemon, t)
        for plan in ("free", "pro"):
            saas.plan(plan)
        saas.put("plan-versions/pro-2", {"plan": "pro", "number": 2, "status": "active"})
        for number, (version, status) in enumerate([("free-1", "active"), ("free-1", "canceled"), ("pro-1", "active"), ("pro-1", "trialing"), ("pro-1", "active")]):
            saas.customer(f"c{number}")
            saas.post("subscriptions", {"customer": f"c{number}", "plan_version": version, "status": status})
        shown = saas.get("/api/v1/plans/pro/stats")
        t.equal((shown["subscriptions"], shown["by_status"]["active"], shown["by_status"]["trialing"], shown["by_status"]["canceled"]), (3, 2, 1, 0), "of a plan")
        t.equal([(row["plan_version"], row["subscriptions"]) for row in shown["versions"]], [("pro-1", 3), ("pro-2", 0)], "version by version")
        shown = saas.get("/api/v1/subscriptions-stats")
        t.equal((shown["subscriptions"], shown["by_status"]["active"], shown["by_status"]["canceled"]), (5, 3, 1), "of all")
        t.equal([(row["plan_version"], row["subscriptions"]) for row in shown["versions"]], [("free-1", 2), ("pro-1", 3)], "by version")
        t.equal(saas.api("GET", "/api/v1/plans/none/stats")[0], 404, "of no plan")


# --- what a customer's key opens --------------------------------------------------------------------------------------------------
def foreign_value(parameter, made):
    name = parameter["name"]
    if name in made:
        return made[name]
    if "example" in parameter:
        return str(parameter["example"])
    return made["customer"]


def addresses(document):
    """(method, address, scope, body) of every operation, about the customer `victim`."""
    made = {"customer": "victim", "tenant": "victim", "clinic_id": "victim", "key": "main", "id": "victim"}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if operation["x-permission"] == "public":
                continue  # signing in and links ask for no credential: tests/e2e/team.py
            if "text/event-stream" in operation["responses"].get("200", {}).get("content", {}):
                continue  # has no end: tests/e2e/events.py
            parameters = [document["components"]["parameters"][one["$ref"].rsplit("/", 1)[1]] if "$ref" in one else one
                          for one in operation.get("parameters", [])]
            address, query = path, {}
            for one in parameters:
                if one["in"] == "path":
                    address = address.replace("{" + one["name"] + "}", urllib.parse.quote(foreign_value(one, made), safe=""))
                elif one["in"] == "query" and (one.get("required") or one["name"] in ("customer", "tenant", "clinic_id")):
                    query[one["name"]] = foreign_value(one, made)
            body = None
            if "requestBody" in operation:
                body = next(iter(operation["requestBody"]["content"].values()))["example"]
            text = address + ("?" + urllib.parse.urlencode(query) if query else "")
            yield method.upper(), text, address, operation["x-scope"], body, "{" in path


def test_nothing_foreign(t, binary):
    """Every operation of openapi.yaml with the key of another customer: nothing foreign is seen, nothing is changed."""
    document = yaml.safe_load((ROOT / "openapi.yaml").read_text())
    secrets = ("victim", "geheim", "sub-victim")
    with folder() as path, world(t, binary, path) as daemon:
        saas = World(daemon, t)
        saas.customer("victim", external_id="4711", tax_id="geheim")
        saas.customer("nosy")
        saas.plan("geheim-plan", [limit("hourly", "requests", "hour", 7)])
        saas.put("subscriptions/victim", {"customer": "victim", "plan_version": "geheim-plan-1", "status": "active"})
        saas.put("licenses/victim", {"customer": "victim", "modules": ["ai"], "ai_enabled": True, "status": "active"})
        saas.chat("victim", user="geheim")
        before = saas.get("/api/v1/audit/verify")["entries"]
        walked, own = 0, 0
        for method, text, bare, scope, body, named_in_path in addresses(document):
            walked += 1
            status, _, answer = daemon.request(method, text, body, saas.keys["nosy"])
            said = answer.decode(errors="replace")
            wanted = (403, 404) if scope == "self" else (401,)
            t.check(status in wanted or (scope == "self" and "?" not in text and not named_in_path), f"{method} {text} with another's key", f"{status} {said[:300]}")
            t.check(not any(word in said for word in secrets), f"{method} {text} says nothing of another", said[:300])
            status, _, answer = daemon.request(method, text, body, "ck_live_" + "0" * 40)
            t.check(status == 401, f"{method} {text} with a key that nobody has", f"{status} {answer[:200]}")
            status, _, answer = daemon.request(method, text, body)
            t.check(status == 401, f"{method} {text} without a key", f"{status} {answer[:200]}")
            if scope == "self" and method == "GET":
                own += 1
                status, _, answer = daemon.request(method, bare, None, saas.keys["nosy"])
                said = answer.decode(errors="replace")
                wanted = 404 if named_in_path else 200
                t.check(status == wanted and not any(word in said for word in secrets), f"{method} {bare}: its own, and nothing else", said[:400])
                named = json.loads(said)
                whose = {item["customer"] for item in named["items"]} if "items" in named else {named.get("tenant", named.get("customer"))}
                t.check(named_in_path or whose <= {"nosy"}, f"{method} {bare} speaks of the key's customer", whose)
        t.check(walked > 110 and own >= 5, "all operations were walked", f"{walked} {own}")
        t.equal(saas.get("/api/v1/audit/verify")["entries"], before, "and nothing was written")
        t.equal(saas.get("/api/marketing/ai/rate-limits", tenant="victim")["requests_per_hour"], 7, "the other's limits are as they were")
        for header in ("x-api-key",):
            status, _, _ = daemon.request("GET", "/api/user/ai-credits", None, None, {header: saas.keys["nosy"]})
            t.equal(status, 401, "a credential is sent as Authorization: Bearer")


def test_mapping(t, binary):
    """docs/mapping.md names only operations that there are, and every compat operation."""
    document = yaml.safe_load((ROOT / "openapi.yaml").read_text())
    operations = {f"{method.upper()} {path}": operation for path, item in document["paths"].items() for method, operation in item.items()}
    text = (ROOT / "docs" / "mapping.md").read_text()
    there, missing = set(), set()
    for line in re.findall(r"^\|.*\|$", text, re.M):
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        named = re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /api/[^` ?]+)[^`]*`", line)
        (there if cells[-1].startswith("here") else missing).update(named)
    compat = {name for name, operation in operations.items() if "compat" in operation["tags"]}
    calls = {f"POST {path}" for path in re.findall(r'^X\(\w+, "([^"]+)"', (ROOT / "src/gateway/assistant.def").read_text(), re.M)}
    t.equal(sorted(there - set(operations) - calls), [], "it names operations that do not exist")
    t.equal(sorted(calls - there), [], "assistants that it does not name")
    t.equal(sorted(missing & set(operations) - there), [], "it says that something is not there which is")
    t.equal(sorted(compat - there), [], "compat operations that it does not name")
    rows = re.findall(r"^\| (\d+) \|", text, re.M)
    t.equal([int(row) for row in rows], list(range(1, 60)), "S5: 59 operations, numbered")


TESTS = [test_s1_put_license, test_s1_ai_config, test_s2_rate_limits, test_s2_usage_stats, test_s2_configs, test_s3_ai_credits, test_s3_ai_analytics,
         test_s5_assignment_states, test_s5_stats, test_nothing_foreign, test_mapping]


if __name__ == "__main__":
    sys.exit(run_tests(__doc__, TESTS, between_hours))
