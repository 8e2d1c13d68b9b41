#!/usr/bin/env python3
"""alerts.py - shares of limits and of credit that were used up are told once: under load, after kill -9, to whom they belong.

usage: tests/e2e/alerts.py [--binary build/cota] [TEST…]      last line: N passed, N failed, N skipped
"""
import concurrent.futures
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from governance import Saas, between_hours, limit  # noqa: E402
from harness import config, folder, run_tests, serving  # noqa: E402

CALLS = 200


class Listener(Saas):
    def alerts(self, **query):
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return self.api("GET", f"/api/v1/alerts?{text}")[2]["items"]

    def told(self, **query):
        """Oldest first: (kind, subject, shares)"""
        return [(row["kind"], row["subject"], tuple(row["percent"])) for row in reversed(self.alerts(**query))]


def one_by_one(t, listener, rows, value):
    """Each share of the limit once, whichever calls met it."""
    shares = [share for row in rows for share in row["percent"]]
    t.equal(sorted(shares), [50, 80, 100], "each share was told exactly once")
    for row in rows:
        before = row["used"] - 1
        t.check(all(100 * before < share * value <= 100 * row["used"] for share in row["percent"]), "by the call that met it",
                json.dumps(row))


def test_a_storm(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        listener = Listener(daemon, t)
        listener.customer("clinica")
        listener.customer("other")
        listener.plan("p", [limit("hourly", "requests", "hour", CALLS // 2, alert_percent=[100, 80, 50]),
                            limit("untold", "requests", "day", 10 * CALLS)])
        listener.subscribe("clinica", "p-1")
        listener.subscribe("other", "p-1")
        between_hours()
        answers = listener.storm("clinica", CALLS, users=7)
        t.equal(answers[(200, None)], CALLS // 2, "the limit was met exactly")
        rows = listener.alerts(customer="clinica")
        one_by_one(t, listener, rows, CALLS // 2)
        t.equal({(row["kind"], row["subject"], row["scope"], row["window"], row["limit"]) for row in rows},
                {("limit", "hourly", "plan", "hour", CALLS // 2)}, "and says whose limit it is")
        t.equal({row["severity"] for row in rows if 100 in row["percent"]}, {"critical"}, "all of it is critical")
        t.equal(listener.alerts(customer="other"), [], "another customer of the same plan has none")
        t.equal(len(listener.alerts(kind="limit")), 3, "by kind")
        t.equal(listener.alerts(kind="low_credit"), [], "by another kind")


def test_kill(t, binary):
    """Killed four times in a storm: none is lost, and none is told twice."""
    between_hours()
    value = 4 * CALLS // 2
    with folder() as path:
        keys = {}
        for life in range(4):
            with serving(binary, config(), path) as daemon:
                listener = Listener(daemon, t)
                if life == 0:
                    listener.customer("clinica")
                    listener.plan("p", [limit("hourly", "requests", "hour", value, alert_percent=[50, 80, 100])])
                    listener.subscribe("clinica", "p-1")
                    keys = listener.keys
                listener.keys = keys

                def one(number):
                    try:
                        return daemon.chat(keys["clinica"], text="storm", timeout=20)[0]
                    except (OSError, ValueError):
                        return 0  # it was killed
                with concurrent.futures.ThreadPoolExecutor(32) as pool:
                    calls = [pool.submit(one, number) for number in range(CALLS)]
                    concurrent.futures.wait(calls[:CALLS // 2])
                    daemon.kill()
        with serving(binary, config(), path) as daemon:
            listener = Listener(daemon, t)
            listener.keys = keys
            for _ in range(40):
                answers = listener.storm("clinica", 32)
                if (200, None) not in answers:
                    break
            one_by_one(t, listener, listener.alerts(customer="clinica"), value)
            first = listener.alerts()
            daemon.kill()
        with serving(binary, config(), path) as daemon:
            t.equal(Listener(daemon, t).alerts(), first, "and one more start changes nothing")


def test_limits_that_change(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        listener = Listener(daemon, t)
        listener.customer("clinica")
        between_hours()

        def own(value):
            listener.put("limits/clinica-own", {"owner": "customer", "owner_id": "clinica", "alert_percent": [80, 100],
                                             **limit("own", "requests", "hour", value)})
        own(5)
        for _ in range(6):
            listener.chat("clinica")
        t.equal(listener.told(), [("limit", "own", (80,)), ("limit", "own", (100,))], "80 and 100 %")
        own(6)
        for _ in range(2):
            listener.chat("clinica")
        t.equal(listener.told()[2:], [("limit", "own", (100,))], "raised to 6: 80 % was used already, 100 % is told")
        own(10)
        for _ in range(5):
            listener.chat("clinica")
        t.equal(listener.told()[3:], [("limit", "own", (80,)), ("limit", "own", (100,))], "raised to 10: both are told")


def test_allowance_and_budget(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        listener = Listener(daemon, t)
        made = listener.customer("clinica")
        listener.plan("p", items=[{"feature": "*", "included": 4, "metric": "requests", "reset": "day", "overage": "block"}])
        listener.subscribe("clinica", "p-1")
        between_hours()
        for _ in range(4):
            listener.chat("clinica")
        t.equal(listener.told(), [("allowance", "*", (80, 100))], "an allowance tells 80 and 100 % unless it says otherwise")
        listener.put(f"key-rules/{made['id']}", {"customer": "clinica", "budget": {"amount": "0.000001", "window": "day",
                                                                             "alert_percent": [10]}})
        status, error = listener.chat("clinica")
        t.equal((status, error.get("scope")), (402, "key"), "a budget that is too small refuses")
        t.equal(listener.told(kind="limit"), [], "and what was refused is not used")
        listener.put(f"key-rules/{made['id']}", {"customer": "clinica", "budget": {"amount": "0.01", "window": "day",
                                                                             "alert_percent": [1]}})
        for _ in range(100):
            listener.chat("clinica")
            if listener.told(kind="limit"):
                break
        t.equal(listener.told(kind="limit"), [("limit", "budget", (1,))], "a budget tells its shares")
        row = listener.alerts(kind="limit")[0]
        t.equal((row["limit"], row["metric"], row["scope"], row["key"]), ("0.01", "cost", "key", made["id"]), "in money")


def test_low_credit(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        listener = Listener(daemon, t)
        listener.customer("clinica", amount="1", low_credit="0.99995")

        def until_told(count):
            for _ in range(200):
                listener.chat("clinica")
                if len(listener.alerts(kind="low_credit")) >= count:
                    return
        until_told(1)
        rows = listener.alerts(kind="low_credit")
        t.equal(len(rows), 1, "little credit is told")
        t.check(float(rows[0]["used"]) < 0.99995 and rows[0]["limit"] == "0.99995", "with what is left", json.dumps(rows))
        for _ in range(3):
            listener.chat("clinica")
        listener.post("customers/clinica/grants", {"amount_usd": "0.05"})
        for _ in range(3):
            listener.chat("clinica")
        t.equal(len(listener.alerts(kind="low_credit")), 1, "not again, and not for a grant that brings it barely above")
        listener.post("customers/clinica/grants", {"amount_usd": "0.2"})
        listener.chat("clinica")
        left = listener.held("clinica")["available_nano"]
        listener.put("customer-profiles/clinica", {"customer": "clinica", "low_credit": f"{(left - 20000) / 1e9:.9f}"})
        until_told(2)
        t.equal(len(listener.alerts(kind="low_credit")), 2, "again after credit came in that was a tenth above it")


def test_whose(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        listener = Listener(daemon, t)
        for name in ("clinica", "other"):
            listener.customer(name)
            listener.put(f"limits/{name}", {"owner": "customer", "owner_id": name, "alert_percent": [1, 60],
                                            **limit("own", "requests", "month", 10)})
            for _ in range(6):
                listener.chat(name)
        t.equal(len(listener.alerts()), 4, "the operator sees all")

        def own(path):
            status, _, answer = daemon.request("GET", f"/api/v1/alerts{path}", None, listener.keys["clinica"])
            return status, json.loads(answer)
        status, page = own("")
        t.equal((status, {row["customer"] for row in page["items"]}, len(page["items"])), (200, {"clinica"}, 2), "a key sees its own")
        t.equal(own("?customer=clinica")[0], 200, "and may say so")
        t.equal(own("?customer=other")[0], 404, "and nobody else's")
        foreign = listener.alerts(customer="other")[0]["id"]
        mine = page["items"][0]["id"]
        t.equal((own(f"/{mine}")[0], own(f"/{foreign}")[0]), (200, 404), "one by one, too")
        status, _, _ = daemon.request("POST", f"/api/v1/alerts/{mine}/acknowledge", None, listener.keys["clinica"])
        t.check(status in (401, 403, 404), "a key does not acknowledge", str(status))
        first = own("?limit=1")[1]
        second = own(f"?limit=1&cursor={first['next_cursor']}")[1]
        t.equal([first["items"][0], second["items"][0]], page["items"], "page by page")
        t.equal(second["next_cursor"], None, "to the end")
        seen = listener.api("POST", f"/api/v1/alerts/{mine}/acknowledge")
        t.check(seen[0] == 200 and seen[2]["acknowledged_at"] and seen[2]["acknowledged_by"], "acknowledged", str(seen))
        again = listener.api("POST", f"/api/v1/alerts/{mine}/acknowledge")
        t.equal(again[2], seen[2], "the first acknowledgement counts")
        t.equal((len(listener.alerts(acknowledged="true")), len(listener.alerts(acknowledged="false"))), (1, 3), "by that")
        t.equal(listener.api("POST", "/api/v1/alerts/999999999/acknowledge")[0], 404, "one that is not there")
        t.equal(listener.api("GET", "/api/v1/alerts/abc")[0], 404, "one that cannot be there")


TESTS = [test_a_storm, test_kill, test_limits_that_change, test_allowance_and_budget, test_low_credit, test_whose]


if __name__ == "__main__":
    sys.exit(run_tests(__doc__, TESTS))
