#!/usr/bin/env python3
"""decisions.py - why a finished call ran: told from its record, whatever plans and limits say today.

usage: tests/e2e/decisions.py [--binary build/cota] [TEST…]      last line: N passed, N failed, N skipped
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from governance import Saas, between_hours, instant, limit  # noqa: E402
from harness import config, folder, run_tests, serving  # noqa: E402

LIMITS = [limit("per-hour", "requests", "hour", 5), limit("tokens-a-day", "tokens", "day", 10 ** 6),
          limit("spend-a-month", "cost", "month", "50.00"), limit("at-once", "requests", "minute", 100, mode="soft")]
COUNTED = ["per-hour", "tokens-a-day", "spend-a-month", "at-once"]


def world(daemon, t):
    saas = Saas(daemon, t)
    saas.put("features/chat", {"type": "metered", "category": "chat", "name": {"pt": "Chat", "en": "Chat"}})
    saas.plan("pro", LIMITS, [{"feature": "*", "included": 2, "metric": "requests", "reset": "month", "overage": "block"}])
    saas.put("plan-matrix/pro-chat", {"plan": "pro", "feature": "chat", "provider": "sim", "profile": "*", "daily_limit": 50, "active": True,
                                       "origin": "promo"})
    for name in ("acme-saude", "outra"):
        saas.customer(name)
        saas.subscribe(name, "pro-1")
    return saas


def ask(saas, customer, **headers):
    status, _ = saas.chat(customer, feature="chat", user="ana", **headers)
    return status, saas.headers["x-request-id"]


def decision(saas, request_id, key=None):
    if key is None:
        status, _, answer = saas.api("GET", f"/api/v1/decisions/{request_id}")
        return status, answer
    status, _, answer = saas.daemon.request("GET", f"/api/v1/decisions/{request_id}", None, key)
    return status, json.loads(answer)


def by_name(answer):
    return {row["name"]: row for row in answer["limits"]}


def test_one_call(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = world(daemon, t)
        calls = [ask(saas, "acme-saude") for _ in range(4)]
        t.equal([status for status, _ in calls], [200] * 4, "served")
        seen = []
        for number, (_, request_id) in enumerate(calls):
            status, answer = decision(saas, request_id)
            t.equal(status, 200, f"call {number} has a decision")
            seen.append(answer)
            limits = by_name(answer)
            t.equal((limits["per-hour"]["before"], limits["per-hour"]["used"], limits["per-hour"]["after"]), (number, 1, number + 1),
                    "requests before and after")
            t.check(all(row["after"] == row["before"] + row["used"] for row in limits.values()), "after is before and what was used", limits)
        first, last = seen[0], seen[-1]
        t.equal((first["plan"], first["plan_version"], first["provider"], first["model"]), ("pro", "pro-1", "sim", "sim-fast"), "who answered")
        t.equal(first["matrix_cell"], {"id": "pro-chat", "origin": "promo"}, "by which cell")
        t.equal(by_name(first)["per-hour"]["source"], {"layer": "plan", "id": "pro-1"}, "where a limit came from")
        t.equal(sorted(name for name in by_name(first) if name in COUNTED), sorted(COUNTED), "all limits")
        t.equal((by_name(first)["spend-a-month"]["limit"], by_name(first)["at-once"]["mode"]), (50, "soft"), "their values and modes")
        t.check(by_name(last)["tokens-a-day"]["before"] > 0 and by_name(last)["spend-a-month"]["before"] == 0
                or by_name(last)["spend-a-month"]["before"] > 0, "tokens and money were counted", by_name(last))
        t.equal([one["allowance"]["after"] for one in seen], [1, 2, 2, 2], "the allowance was used up by the second")
        t.check(first["money"]["covered"] > 0 and first["money"]["charged"] == 0, "covered", first["money"])
        t.check(last["money"]["covered"] == 0 and last["money"]["charged"] > 0, "charged", last["money"])
        usage = json.loads(saas.daemon.request("GET", f"/api/v1/usage?request_id={calls[3][1]}", None, "admin-token-of-the-test")[2])
        t.equal(round(last["money"]["charged"] * 1e9), usage["charged_nano"], "the same money as the usage row")


def test_later_changes(t, binary):
    """A plan's limits are changed, an override comes: what was decided before stays as it was, over a kill too."""
    with folder() as path:
        with serving(binary, config(), path) as daemon:
            saas = world(daemon, t)
            _, before = ask(saas, "acme-saude")
            saas.put("overrides/black-friday", {"scope": "customer", "scope_id": "acme-saude", "target": "limit", "selector": {"name": "per-hour"},
                                                "op": "multiply", "value": "3", "starts_at": instant(-60), "expires_at": instant(3600),
                                                "reason": "Black Friday"})
            _, after = ask(saas, "acme-saude")
            old, new = by_name(decision(saas, before)[1]), by_name(decision(saas, after)[1])
            t.equal((old["per-hour"]["limit"], old["per-hour"]["source"]), (5, {"layer": "plan", "id": "pro-1"}), "as it was")
            t.equal((new["per-hour"]["limit"], new["per-hour"]["source"]), (15, {"layer": "customer", "id": "black-friday"}), "as it is")
            saas.api("DELETE", "/api/v1/overrides/black-friday")
            _, last = ask(saas, "acme-saude")
            key = saas.keys["acme-saude"]
            daemon.kill()
        with serving(binary, config(), path) as daemon:
            saas = Saas(daemon, t)
            saas.keys["acme-saude"] = key
            t.equal([by_name(decision(saas, one)[1])["per-hour"]["limit"] for one in (before, after, last)], [5, 15, 5], "after kill -9, too")
            _, again = ask(saas, "acme-saude")
            row = by_name(decision(saas, again)[1])["per-hour"]
            t.equal((row["before"], row["after"]), (3, 4), "and it goes on from there")


def test_whose(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = world(daemon, t)
        _, mine = ask(saas, "acme-saude")
        _, theirs = ask(saas, "outra")
        t.equal(decision(saas, mine, saas.keys["acme-saude"])[0], 200, "with the customer's own key")
        t.check("cost" not in decision(saas, mine, saas.keys["acme-saude"])[1]["money"], "but not what we pay")
        t.check("cost" in decision(saas, mine)[1]["money"], "which an operator sees")
        t.equal(decision(saas, theirs, saas.keys["acme-saude"])[0], 404, "nothing of another")
        status, _, answer = daemon.request("GET", "/api/v1/decisions", None, saas.keys["acme-saude"])
        t.equal((status, [row["request_id"] for row in json.loads(answer)["items"]]), (200, [mine]), "nor in the list")
        status, _, _ = daemon.request("GET", "/api/v1/decisions?customer=outra", None, saas.keys["acme-saude"])
        t.equal(status, 404, "nor when asked for")
        t.equal(decision(saas, "req_nobody")[0], 404, "unknown")


def test_list_and_no_plan(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = world(daemon, t)
        made = [ask(saas, "acme-saude")[1] for _ in range(3)]
        daemon.chat()  # acme of the configuration: credit alone
        status, _, page = saas.api("GET", "/api/v1/decisions?limit=2")
        t.equal((status, len(page["items"]), page["items"][0]["customer"]), (200, 2, "acme"), "newest first")
        t.equal((page["items"][0]["plan"], page["items"][0]["limits"], page["items"][0]["allowance"]), (None, [], None), "no plan, no limits")
        status, _, rest = saas.api("GET", f"/api/v1/decisions?limit=2&cursor={page['next_cursor']}")
        t.equal([row["request_id"] for row in page["items"][1:] + rest["items"]], made[::-1], "each once over the pages")
        t.equal(rest["next_cursor"], None, "and an end")
        t.equal(saas.api("GET", "/api/v1/decisions?cursor=x")[0], 400, "no cursor")
        t.equal(saas.api("GET", "/api/v1/decisions?since=yesterday")[0], 400, "no instant")


TESTS = [test_one_call, test_later_changes, test_whose, test_list_and_no_plan]


if __name__ == "__main__":
    sys.exit(run_tests(__doc__, TESTS, between_hours))
