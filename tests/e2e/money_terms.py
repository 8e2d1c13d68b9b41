#!/usr/bin/env python3
"""money_terms.py - markups, credits with a unit of their own, grants for some features, throttled plans: over the API and real calls.

usage: tests/e2e/money_terms.py [--binary build/cota] [TEST…]      last line: N passed, N failed, N skipped
"""
import datetime
import decimal
import json
import pathlib
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from governance import STORM, TOKEN, Saas  # noqa: E402
from harness import config, folder, run_tests, serving  # noqa: E402

NANO = decimal.Decimal(10) ** 9


def credit(basis="requests", rate="3", **more):
    return {"unit": {"pt": "Créditos", "en": "Credits"}, "basis": basis, "rate": rate, **more}


def wallet(saas, customer, credits):
    """A customer whose wallet turns to credits with its first grant."""
    made = saas.post("keys", {"customer": customer, "name": "main", "new_customer": True})
    saas.keys[customer] = made["secret"]
    return saas.post(f"customers/{customer}/grants", {"credits": credits})


def last_row(saas, customer):
    _, _, text = saas.daemon.request("GET", f"/api/v1/usage?customer={customer}&limit=1", None, TOKEN)
    return json.loads(text.splitlines()[0])


def price(saas, customer, **headers):
    """What the call was charged by its header, as its row says it, and what it cost us."""
    status, answer = saas.chat(customer, **headers)
    saas.t.equal(status, 200, f"a call of {customer}: {answer}")
    row = last_row(saas, customer)
    said = decimal.Decimal(saas.headers["x-cota-cost"]) * NANO
    saas.t.equal(said, row["charge_nano"], "x-cota-cost is the charge")
    saas.t.equal(row["charge_nano"], row["charged_nano"] + row["covered_nano"] + row["overage_nano"] + row["debt_nano"],
                 "the charge is the sum of who pays")
    return row["charge_nano"], row["cost_nano"]


def up(amount, factor):
    return int((decimal.Decimal(amount) * decimal.Decimal(factor)).to_integral_value(decimal.ROUND_CEILING))


def test_markups(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = Saas(daemon, t)
        saas.customer("ana")
        saas.plan("pro")
        saas.subscribe("ana", "pro-1")
        charge, cost = price(saas, "ana")
        t.check(cost > 0, "the call costs us something", cost)
        t.equal(charge, cost, "without a markup the cost is the charge")
        model = last_row(saas, "ana")["model"]
        for scope, scope_id, percent, fixed in [("global", None, "10", "0"), ("provider", "sim", "20", "0.000001"),
                                                ("model", model, "30", "0"), ("plan", "pro", "40.5", "0"), ("customer", "ana", "-100", "0")]:
            body = {"scope": scope, "percent": percent, "fixed": fixed}
            if scope_id:
                body["scope_id"] = scope_id
            saas.put(f"markups/{scope}", body)
            charge, cost = price(saas, "ana")
            factor = 1 + decimal.Decimal(percent) / 100
            t.equal(charge, up(cost, factor) + int(decimal.Decimal(fixed) * NANO), f"the markup of the {scope} applies, alone")
        t.check(cost > 0 and charge == 0, "free, but metered", (cost, charge))
        sums = [json.loads(line) for line in daemon.request("GET", "/api/v1/usage?by=customer", None, TOKEN)[2].splitlines()]
        t.equal(sums[0]["margin_nano"], sums[0]["charge_nano"] - sums[0]["cost_nano"], "operators see the margin")
        status, _, text = daemon.request("GET", "/v1/me/usage", None, saas.keys["ana"])
        mine = json.loads(text)
        t.equal((status, decimal.Decimal(str(mine["cost_usd"])) * NANO), (200, sums[0]["charge_nano"]), "the customer sees its charge")
        t.check("margin" not in str(mine), "… and no margin", mine)
        for body, member in [({"scope": "plan", "percent": "5"}, "scope_id"), ({"scope": "global", "percent": "-101"}, "percent"),
                             ({"scope": "global", "scope_id": "x"}, "scope_id"), ({"scope": "galaxy"}, "scope")]:
            status, _, problem = saas.api("PUT", "/api/v1/markups/wrong", body)
            t.equal((status, problem.get("param")), (400, member), f"refused: {body}")
        balance = saas.held("ana")
        t.equal(balance["held_nano"], 0, "nothing is held")


def test_markup_storm(t, binary):
    """With a markup the wallet is met exactly, and never overspent."""
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = Saas(daemon, t)
        saas.put("markups/all", {"scope": "global", "percent": "33.3", "fixed": "0.001"})
        saas.customer("ana", amount="0.1")
        seen = saas.storm("ana", calls=300)
        balance = saas.held("ana")
        t.check(seen[(200, None)] > 0 and sum(n for (status, _), n in seen.items() if status == 402) > 0, "some in, some not", seen)
        t.equal((balance["held_nano"], balance["debt_nano"]), (0, 0), "nothing held, nothing owed")
        t.check(balance["available_nano"] >= 0, "never below zero", balance)
        t.equal(balance["granted_nano"], balance["remaining_nano"] + balance["consumed_nano"], "I1")


def test_credits(t, binary):
    with folder() as path:
        with serving(binary, config(), path) as daemon:
            saas = Saas(daemon, t)
            saas.plan("finance", credit=credit(minimum="10", features={"advice": "5", "free": "0"}))
            made = wallet(saas, "bia", "22")
            t.equal((made["unit"], made["available_nano"]), ("credits", 22 * NANO), "a wallet in credits")
            status, error = saas.chat("bia")
            t.equal((status, error.get("scope")), (402, "credit"), "money is not paid with credits")
            saas.subscribe("bia", "finance-1")
            t.equal(price(saas, "bia")[0], 3 * NANO, "three credits a call")
            t.equal((saas.headers["x-cota-unit"], decimal.Decimal(saas.headers["x-cota-balance"])), ("credits", 19), "headers name the unit")
            t.equal(price(saas, "bia", feature="advice")[0], 5 * NANO, "five for advice")
            t.equal(price(saas, "bia", feature="free")[0], 0, "nothing for what is free")
            for left in (11, 8):
                t.equal(price(saas, "bia")[0], 3 * NANO, f"down to {left}")
            status, error = saas.chat("bia")
            t.equal((status, error.get("scope")), (402, "credit"), "fewer than the minimum: 402")
            t.equal(saas.chat("bia", feature="free")[0], 200, "what needs no credits runs all the same")
            status, _, said = daemon.request("GET", "/api/user/ai-credits", None, saas.keys["bia"])
            said = json.loads(said)
            t.equal((status, said["unit"], said["unitName"], said["unitNamePt"], said["available"], said["minimum"]),
                    (200, "credits", "Credits", "Créditos", 8, 10), "S3: GET /api/user/ai-credits")
            status, _, problem = saas.api("POST", "/api/v1/customers/bia/grants", {"amount_usd": "5"})
            t.equal((status, problem["code"]), (409, "conflict"), "no dollars into a wallet of credits")
            saas.customer("caio", amount="1")
            status, _, problem = saas.api("POST", "/api/v1/customers/caio/grants", {"credits": "5"})
            t.equal((status, problem["code"]), (409, "conflict"), "no credits into a wallet of dollars")
            saas.subscribe("caio", "finance-1")
            t.equal(saas.chat("caio")[0], 402, "dollars do not pay what costs credits")
            sums = [json.loads(line) for line in daemon.request("GET", "/api/v1/usage?by=customer", None, TOKEN)[2].splitlines()]
            bia = [row for row in sums if row["customer"] == "bia"][0]
            t.equal((bia["credits_nano"], bia["charge_nano"], bia["margin_nano"]), (14 * NANO, 0, 0), "credits are never added to dollars")
        with serving(binary, config(), path) as daemon:
            saas.daemon = daemon
            t.equal((saas.held("bia")["available_nano"], saas.held("bia")["unit"]), (8 * NANO, "credits"), "the same after a restart")
            saas.post("customers/bia/grants", {"credits": "5000", "reference": "starter-1"})
            t.equal(price(saas, "bia")[0], 3 * NANO, "a package: on it goes")


def test_credit_bases(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = Saas(daemon, t)
        saas.put("markups/all", {"scope": "global", "percent": "50"})
        saas.plan("by-cost", credit=credit("cost", "1000"))
        saas.plan("by-tokens", credit=credit("tokens", "2.5"))
        for plan in ("by-cost", "by-tokens"):
            wallet(saas, plan, "1000")
            saas.subscribe(plan, f"{plan}-1")
            charge, cost = price(saas, plan)
            row = last_row(saas, plan)
            tokens = row["input_tokens"] + row["output_tokens"]
            expected = up(up(cost, "1.5"), 1000) if plan == "by-cost" else up(tokens * NANO, "0.0025")
            t.equal(charge, expected, plan)


def test_credit_storm(t, binary):
    """1 000 calls at once against a wallet in credits: it is met exactly, never overspent."""
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = Saas(daemon, t)
        saas.plan("finance", credit=credit())
        wallet(saas, "bia", "100")
        saas.subscribe("bia", "finance-1")
        seen = saas.storm("bia")
        good = seen[(200, None)]
        t.equal((good, sum(seen.values())), (33, STORM), f"33 calls at three credits of a hundred: {seen}")
        balance = saas.held("bia")
        t.equal((balance["held_nano"], balance["available_nano"], balance["debt_nano"]), (0, NANO, 0), "one credit is left")


def test_scoped_grants(t, binary):
    with folder() as path:
        with serving(binary, config(), path) as daemon:
            saas = Saas(daemon, t)
            saas.customer("ana", amount="1")
            saas.post("customers/ana/grants", {"amount_usd": "2", "features": ["reports", "laudos"], "priority": 1, "category": "promo"})
            t.equal(saas.held("ana")["scoped_nano"], 2 * NANO, "two dollars are for some features alone")
            price(saas, "ana", feature="chat")
            first = {tuple(g["features"]): g["remaining_nano"] for g in saas.held("ana")["grants"]}
            t.equal(first[("reports", "laudos")], 2 * NANO, "chat does not touch them")
            t.check(first[()] < NANO, "it takes what is for all", first)
            price(saas, "ana", feature="laudos")
        with serving(binary, config(), path) as daemon:
            saas.daemon = daemon
            second = {tuple(g["features"]): g["remaining_nano"] for g in saas.held("ana")["grants"]}
            t.check(second[("reports", "laudos")] < 2 * NANO, "laudos does, and a restart knows what they are for", second)
            t.equal(second[()], first[()], "… and leaves the others alone")
            saas.customer("bob", amount="0.000000001")
            saas.post("customers/bob/grants", {"amount_usd": "2", "features": ["reports"]})
            t.equal(saas.chat("bob", feature="chat")[0], 402, "short for chat")
            t.equal(saas.chat("bob", feature="reports")[0], 200, "enough for reports")
            t.equal(saas.chat("bob")[0], 402, "a call that says no feature has nothing of it")


def test_throttle(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        saas = Saas(daemon, t)
        saas.plan("slow", items=[{"feature": "*", "included": 2, "metric": "requests", "reset": "month",
                                  "overage": "throttle", "throttle_per_minute": 3}])
        saas.customer("ana", amount="1")
        saas.subscribe("ana", "slow-1")
        seen = [saas.chat("ana")[0] for _ in range(5)]
        t.equal(seen, [200] * 5, "two are included, three more are free this minute")
        status, error = saas.chat("ana")
        t.equal((status, error.get("scope")), (429, "plan"), "then the plan slows down")
        t.check(0 < int(saas.headers["retry-after"]) <= 20, "… and says for how long", saas.headers.get("retry-after"))
        balance = saas.held("ana")
        t.equal((balance["consumed_nano"], balance["held_nano"]), (0, 0), "nothing of it was paid")
        status, _, problem = saas.api("PUT", "/api/v1/plan-versions/bad", {
            "plan": "slow", "number": 2, "status": "draft",
            "items": [{"feature": "*", "included": 2, "metric": "requests", "reset": "month", "overage": "throttle"}]})
        t.equal(status, 400, f"a throttle wants its rate: {problem}")


def a_day_earlier(path, *kinds):
    """Today's windows become yesterday's in the database of a daemon that does not run."""
    with sqlite3.connect(f"{path}/data/cota.db") as database:
        names = [name.split("/") for (name,) in database.execute("SELECT name FROM counter")]
        for parts in sorted(names, key=lambda parts: parts[-1]):
            if parts[0] in kinds:
                moved = parts[:4] + [str(int(at) - 86400 * 10 ** 6) for at in parts[4:]]
                database.execute("UPDATE counter SET name = ? WHERE name = ?", ("/".join(moved), "/".join(parts)))


def test_rollover(t, binary):
    """What is left of yesterday's allowance is there today: met exactly, told, and known after kill -9."""
    if datetime.datetime.now(datetime.timezone.utc).strftime("%H%M") >= "2358":
        time.sleep(150)
    with folder() as path:
        with serving(binary, config(), path) as daemon:
            saas = Saas(daemon, t)
            saas.plan("rolls", items=[{"feature": "*", "included": 5, "metric": "requests", "reset": "day", "overage": "block", "rollover_max": 3}])
            saas.customer("ana", amount="0.000000001", time_zone="UTC")
            saas.subscribe("ana", "rolls-1")
            said = saas.entitlements("ana")["allowance"]
            t.equal((said["included"], said["carried"], said["remaining"]), (5, 0, 5), "the first window has nothing from before")
            t.equal([saas.chat("ana")[0] for _ in range(3)], [200] * 3, "three of five are used")
            for wrong, member in (({"reset": "one_off"}, "rollover_max"), ({"included": None}, "included")):
                item = {"feature": "*", "included": 5, "metric": "requests", "reset": "day", "rollover_max": 3, **wrong}
                status, _, problem = saas.api("PUT", "/api/v1/plan-versions/wrong-1", {"plan": "rolls", "number": 9, "status": "draft", "items": [item]})
                t.equal((status, member in str(problem)), (400, True), f"refused: {wrong} {problem}")
            daemon.stop()
        a_day_earlier(path, "window", "carried", "included")
        with serving(binary, config(), path) as daemon:
            saas.daemon = daemon
            said = saas.entitlements("ana")["allowance"]
            t.equal((said["included"], said["carried"], said["remaining"]), (5, 2, 7), "two were left of yesterday")
            seen = saas.storm("ana", calls=60)
            t.equal(seen[(200, None)], 7, f"five and two, not one more: {seen}")
            status, _, text = daemon.request("GET", "/api/v1/decisions?customer=ana&limit=1", None, TOKEN)
            allowance = json.loads(text)["items"][0]["allowance"]
            t.equal((status, allowance["limit"], allowance["carried"]), (200, 5, 2), "the decision says what was carried")
            alerts = saas.api("GET", "/api/v1/alerts?customer=ana")[2]["items"]
            told = {(*a["percent"], a["used"], a["limit"]) for a in alerts if a["kind"] == "allowance" and a["limit"] == 7}
            t.equal(told, {(80, 6, 7), (100, 7, 7)}, "told of shares of five and two")
            daemon.kill()
        with serving(binary, config(), path) as daemon:
            saas.daemon = daemon
            said = saas.entitlements("ana")["allowance"]
            t.equal((said["carried"], said["used"], said["remaining"]), (2, 7, 0), "the same after kill -9")
            t.equal(saas.chat("ana")[0], 402, "and nothing is left")
            t.equal(saas.held("ana")["held_nano"], 0, "nothing is held")
            daemon.stop()
        a_day_earlier(path, "window", "carried", "included")
        with serving(binary, config(), path) as daemon:
            saas.daemon = daemon
            t.equal(saas.entitlements("ana")["allowance"]["carried"], 0, "all of it was used: nothing is left for the next day")


def test_zone_change(t, binary):
    """Windows that run when the zone changes keep what is used, and their ends; a restart knows."""
    with folder() as path:
        with serving(binary, config(), path) as daemon:
            saas = Saas(daemon, t)
            saas.plan("pro", limits=[{"name": "monthly", "metric": "requests", "window": "month", "value": 3, "mode": "hard"}],
                      items=[{"feature": "*", "included": 9, "metric": "requests", "reset": "period", "overage": "block"}])
            saas.customer("ana")
            saas.subscribe("ana", "pro-1", anchor_at="2026-01-15T12:00:00Z")
            t.equal([saas.chat("ana")[0] for _ in range(2)], [200] * 2, "two of three")
            before = saas.entitlements("ana")
            status, _, said = saas.api("PATCH", "/api/v1/customer-profiles/ana", {"time_zone": "Asia/Tokyo"})
            t.equal((status, [zone["time_zone"] for zone in said["time_zone_before"]]), (200, ["America/Sao_Paulo"]), "the server notes the zone before")
            after = saas.entitlements("ana")
            t.equal((after["time_zone"], after["limits"], after["allowance"]), ("Asia/Tokyo", before["limits"], before["allowance"]),
                    "what runs keeps its use and its end")
            t.equal([saas.chat("ana")[0] for _ in range(2)], [200, 429], "one more, not three")
            status, _, problem = saas.api("PATCH", "/api/v1/customer-profiles/ana", {"time_zone_before": []})
            t.equal((status, problem.get("param")), (400, "time_zone_before"), "only the server writes it")
            status, _, said = saas.api("PATCH", "/api/v1/customer-profiles/ana", {"name": "Ana"})
            t.equal((status, len(said["time_zone_before"])), (200, 1), "another change leaves it alone")
            zones = ["UTC", "Asia/Kolkata", "America/Manaus", "America/Noronha", "Asia/Tokyo", "UTC", "Asia/Tokyo"]
            for zone in zones:
                said = saas.put("customer-profiles/ana", {"customer": "ana", "time_zone": zone})
            t.equal([zone["time_zone"] for zone in said["time_zone_before"]], ["America/Sao_Paulo", "Asia/Tokyo"] + zones[:-1], "all of them, in order")
            status, _, problem = saas.api("PATCH", "/api/v1/customer-profiles/ana", {"time_zone": "UTC"})
            t.equal((status, problem.get("param")), (400, "time_zone"), "not for ever")
            before = saas.entitlements("ana")
            t.equal(saas.chat("ana")[0], 429, "changing it often does not help either")
            daemon.kill()
        with serving(binary, config(), path) as daemon:
            saas.daemon = daemon
            t.equal(saas.entitlements("ana")["limits"], before["limits"], "the same after kill -9")
            t.equal(saas.chat("ana")[0], 429, "and still nothing is left")


TESTS = [test_rollover, test_zone_change, test_markups, test_markup_storm, test_credits, test_credit_bases, test_credit_storm, test_scoped_grants, test_throttle]


if __name__ == "__main__":
    sys.exit(run_tests(__doc__, TESTS))
