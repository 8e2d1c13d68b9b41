#!/usr/bin/env python3
"""forecast.py - GET /api/v1/forecast over a database with known days, against the same figures worked out here in fractions.

usage: tests/e2e/forecast.py [--binary build/cota] [TEST…]      last line: N passed, N failed, N skipped
"""
import datetime
import json
import pathlib
import random
import sqlite3
import sys
import urllib.parse
import zoneinfo
from fractions import Fraction

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from governance import Saas, limit  # noqa: E402
from harness import KEY, config, folder, run_tests, serving  # noqa: E402

ZONE = zoneinfo.ZoneInfo("America/Sao_Paulo")
DAY = datetime.timedelta(days=1)
HISTORY = 28
WEEK = [10, 20, 30, 40, 50, 0, 5]  # Monday first
CUSTOMERS = {"acme": None, "fresh": 2, "young": 9, "wild": 75, "idle": 0}  # days of use before today; None: all


def midnight(day):
    return datetime.datetime.combine(day, datetime.time(), ZONE).timestamp()


def month_of(day):
    """The first of the month, and of the next."""
    first = day.replace(day=1)
    return first, (first + 31 * DAY).replace(day=1)


def days_of(customer, today):
    """Requests of each day."""
    first = (month_of(month_of(today)[0] - DAY)[0]) - HISTORY * DAY
    chance = random.Random(customer)
    days = {}
    while first < today:
        before = (today - first).days
        if CUSTOMERS[customer] is None:
            days[first] = WEEK[first.weekday()]
        elif before <= CUSTOMERS[customer]:
            days[first] = chance.randrange(1, 90)
        first += DAY
    if CUSTOMERS[customer] != 0:
        days[today] = 7
    return days


def model(days, today, used, now, end):
    """What the rule says, plainly: None, or the sum at the end."""
    history = [days.get(today - n * DAY, 0) for n in range(HISTORY, 0, -1)]
    while history and history[0] == 0:
        history.pop(0)
    if len(history) < 3:
        return None
    dated = [(today - (len(history) - n) * DAY, amount) for n, amount in enumerate(history)]
    whole = dated[len(dated) % 7:]
    total = sum(amount for _, amount in whole)
    factors = [Fraction(1)] * 7
    if len(dated) >= 14 and total:
        factors = [Fraction(7 * sum(amount for day, amount in whole if day.weekday() == n), total) for n in range(7)]
    level, seen = Fraction(0), []
    for day, amount in dated:
        if factors[day.weekday()]:
            seen.append(Fraction(amount) / factors[day.weekday()])
            level = sum(seen) / len(seen) if len(seen) <= 7 else level + (seen[-1] - level) / 4
    day = today
    sum_ = Fraction(used)
    while midnight(day) < end:
        begins, ends = midnight(day), midnight(day + DAY)
        part = Fraction(min(ends, end) - max(begins, now)) / Fraction(ends - begins)
        sum_ += level * factors[day.weekday()] * max(part, 0)
        day += DAY
    return sum_


def fill(path, now):
    """Each request of a day: 100 tokens, 0.25 USD of which credit paid 0.125."""
    today = datetime.datetime.fromtimestamp(now, ZONE).date()
    rows = []
    for customer in CUSTOMERS:
        for day, count in days_of(customer, today).items():
            at = midnight(day) + (0 if day == today else 10 * 3600)
            for part, key in ((count // 2, "one"), (count - count // 2, "two")):
                if part:
                    rows.append((int(at) * 1000000, customer, key, "sim", "sim-fast", part, 0, 0, part * 10 ** 8, part * 125 * 10 ** 6,
                                 part * 60, part * 40, part * 250 * 10 ** 6))
    database = sqlite3.connect(path)
    names = ("start_us customer_id key_id provider model requests failures latency_us cost_nano charged_nano input_tokens output_tokens "
             "charge_nano").split()
    others = [row[1] for row in database.execute("pragma table_info(usage_bucket)") if row[1] not in names and row[3] and row[4] is None]
    database.executemany(f"insert into usage_bucket ({', '.join(names + others)}) values ({', '.join(['?'] * len(names) + ['0'] * len(others))})", rows)
    database.commit()
    database.close()


class World(Saas):
    def own(self, path, key=KEY, **query):
        status, _, answer = self.daemon.request("GET", f"/api/v1/{path}?" + urllib.parse.urlencode(query), None, key)
        return status, json.loads(answer)

    def ask(self, **query):
        status, _, answer = self.api("GET", "/api/v1/forecast?" + urllib.parse.urlencode(query))
        self.t.equal(status, 200, f"forecast {query}: {answer}")
        return answer


def prepared(test):
    def run(t, binary):
        with folder() as path:
            with serving(binary, config(), path) as daemon:
                saas = World(daemon, t)
                for customer in CUSTOMERS:
                    if customer != "acme":
                        saas.customer(customer)
                saas.plan("pro", limits=[limit("month-tokens", "tokens", "month", 200000), limit("day", "requests", "day", 5)])
                saas.subscribe("acme", "pro-1")
                saas.subscribe("idle", "pro-1")
                t.equal(daemon.stop(), 0, "a clean end")
            now = datetime.datetime.now(datetime.timezone.utc).timestamp()
            fill(next((path / "data").rglob("*.db")), now)
            with serving(binary, config(), path) as daemon:
                saas.daemon = daemon
                test(t, saas)
                t.equal(daemon.stop(), 0, "a clean end")
    run.__name__ = test.__name__
    return run


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


SCALES = {"requests": 1, "tokens": 100, "cost": Fraction(1, 4)}
CLOSE = {"requests": 1, "tokens": 2, "cost": Fraction(1, 1000)}


@prepared
def test_figures(t, w):
    """Each customer and metric: used, forecast, band and last month's error."""
    for customer in CUSTOMERS:
        for metric, scale in SCALES.items():
            before = datetime.datetime.now().timestamp()
            got = w.ask(customer=customer, metric=metric)
            today = datetime.datetime.fromtimestamp(before, ZONE).date()
            start, end = month_of(today)
            days = days_of(customer, today)
            used = sum(count for day, count in days.items() if day >= start)
            t.equal((seconds(got["since"]), seconds(got["until"]), got["time_zone"]), (midnight(start), midnight(end), "America/Sao_Paulo"), f"{customer}: the month")
            t.equal(Fraction(got["used"]), used * scale, f"{customer} {metric}: used")
            t.equal(got["method"]["en"].split(":")[0].split(",")[0].startswith("too few"), got["forecast"] is None, f"{customer}: the method says so")
            said = model(days, today, used, before, midnight(end))
            t.equal(got["forecast"] is None, said is None, f"{customer} {metric}: is it known?")
            if said is None:
                t.equal((got["low"], got["high"], got["last_month"]), (None, None, None), f"{customer}: no band")
                continue
            close = CLOSE[metric] + scale * Fraction(1, 20)  # the clock went on
            t.check(abs(Fraction(got["forecast"]) - said * scale) <= close, f"{customer} {metric}: forecast", f"{got['forecast']} {float(said * scale)}")
            last_start, last_end = month_of(start - DAY)
            share = Fraction(before - midnight(start)) / Fraction(midnight(end) - midnight(start))
            then = midnight(last_start) + float(share * Fraction(midnight(last_end) - midnight(last_start)))
            day = datetime.datetime.fromtimestamp(then, ZONE).date()
            until = sum(count for at, count in days.items() if last_start <= at < day)
            if then - midnight(day) > 10 * 3600 + 60:
                until += days.get(day, 0)
            elif then - midnight(day) > 10 * 3600 - 60:
                continue  # the day's use falls on this very minute
            last = model(days, day, until, then, midnight(last_end))
            t.equal(got["last_month"] is None, last is None, f"{customer} {metric}: is there a last month?")
            if last is None:
                continue
            came = sum(count for at, count in days.items() if last_start <= at < start)
            t.equal(Fraction(got["last_month"]["used"]), came * scale, f"{customer}: last month")
            t.check(abs(Fraction(got["last_month"]["forecast"]) - last * scale) <= close, f"{customer} {metric}: last forecast", f"{got['last_month']} {float(last * scale)}")
            error = Fraction(got["last_month"]["error"])
            t.equal(error, abs(Fraction(got["last_month"]["forecast"]) - came * scale), f"{customer}: its error")
            t.equal(Fraction(got["high"]), Fraction(got["forecast"]) + error, f"{customer}: high")
            t.equal(Fraction(got["low"]), max(Fraction(got["forecast"]) - error, used * scale), f"{customer}: low")
    t.check("weekday" in w.ask(customer="acme")["method"]["en"], "weeks are told of")
    t.equal(w.ask(customer="young", metric="requests")["days_of_history"], 9, "days of history")


@prepared
def test_exhaustion(t, w):
    """Credit and the limits of the month: when, by the same pace; a limit of a day is not asked."""
    got = w.ask(customer="acme", metric="requests")
    t.equal((got["credit"]["unit"], got["credit"]["available"]), ("USD", "100"), "credit")
    at, now = seconds(got["credit"]["exhausted_at"]), datetime.datetime.now().timestamp()
    today = datetime.datetime.fromtimestamp(now, ZONE).date()
    pace = model(days_of("acme", today), today, 0, now, at) / 8
    t.check(abs(pace - 100) < Fraction(1, 5), "is used up then", float(pace))
    t.check(abs(got["credit"]["days_left"] - (at - now) / 86400) <= 0.11, "days left", got["credit"])
    t.equal([(row["metric"], row["window"], row["limit"], row["used"]) for row in got["limits"]], [("tokens", "month", 200000, 0)], "limits of the month")
    row = got["limits"][0]
    t.equal(row["resets_at"], got["until"], "begins anew")
    ahead = model(days_of("acme", today), today, 0, now, midnight(month_of(today)[1])) * 100
    t.equal(row["exhausted_at"] is None, ahead < 200000, "used up before that, or not")
    w.put("overrides/tight", {"scope": "customer", "scope_id": "acme", "target": "limit", "selector": {"name": "month-tokens"}, "op": "set", "value": 300})
    row = w.ask(customer="acme", metric="cost")["limits"][0]
    t.equal(row["limit"], 300, "tight")
    if ahead > 310:
        soon = seconds(row["exhausted_at"])
        pace = model(days_of("acme", today), today, 0, now, soon) * 100
        t.check(abs(pace - 300) < 5, "used up then", float(pace))
    w.put("overrides/tight", {"scope": "customer", "scope_id": "acme", "target": "limit", "selector": {"name": "month-tokens"}, "op": "set", "value": 0})
    row = w.ask(customer="acme")["limits"][0]
    t.equal(row["days_left"], 0, "nothing left: now")
    got = w.ask(customer="idle")
    t.equal((got["credit"]["exhausted_at"], got["credit"]["days_left"], got["limits"][0]["exhausted_at"]), (None, None, None), "never used: nobody knows")


@prepared
def test_who(t, w):
    """An own key sees its own; S1's ai-config carries the forecast."""
    status, got = w.own("forecast", metric="tokens")
    t.equal((status, got["customer"]), (200, "acme"), "its own")
    whole = w.ask(customer="acme", metric="tokens")
    t.check(abs(got["forecast"] - whole["forecast"]) <= 2, "the same figures")
    t.equal(w.own("forecast", customer="wild")[0], 403, "not another's")
    t.equal(w.own("forecast", key=w.keys["wild"])[1]["customer"], "wild", "each its own")
    t.equal(w.own("forecast", key="ck_live_none")[0], 401, "no key")
    t.equal((w.own("forecast", metric="money")[0], w.api("GET", "/api/v1/forecast")[0], w.api("GET", "/api/v1/forecast?customer=nobody")[0]), (400, 400, 404), "mistakes")
    status, stats = w.own("ai-config")
    stats = stats["usage_stats"]["forecast"]
    t.check(status == 200 and abs(stats["tokens"] - whole["forecast"]) <= 2, "ai-config", stats)
    t.check(abs(Fraction(stats["cost_usd"]) - Fraction(w.ask(customer="acme", metric="cost")["forecast"])) < Fraction(1, 100), "its cost", stats)
    none = w.own("ai-config", key=w.keys["fresh"])[1]["usage_stats"]["forecast"]
    t.equal(none, {"requests": None, "tokens": None, "cost_usd": None}, "too few days")


TESTS = [test_figures, test_exhaustion, test_who]


if __name__ == "__main__":
    sys.exit(run_tests(__doc__, TESTS))
