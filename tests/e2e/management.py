#!/usr/bin/env python3
"""management.py - what the management API promises to its clients: repeated writes, rotated keys, exports, facets, price imports, the
audit trail's end.

usage: tests/e2e/management.py [--binary build/cota] [TEST…]      last line: N passed, N failed, N skipped
"""
import concurrent.futures
import csv
import io
import json
import pathlib
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import KEY, config, cota, folder, run_tests, serving  # noqa: E402

TOKEN = "admin-token-of-the-test"


class Api:
    """An operator with the admin token."""

    def __init__(self, daemon, t):
        self.daemon, self.t = daemon, t

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, body as bytes)"""
        return self.daemon.request(method, f"/api/v1/{path}", body, TOKEN, headers)

    def json(self, method, path, body=None, headers=None):
        status, said, answer = self.ask(method, path, body, headers)
        return status, said, json.loads(answer) if answer else None

    def made(self, path, body):
        status, _, answer = self.json("POST", path, body)
        self.t.check(status in (200, 201), f"POST {path}", f"{status} {answer}")
        return answer

    def put(self, path, body):
        status, _, answer = self.json("PUT", path, body)
        self.t.check(status in (200, 201), f"PUT {path}", f"{status} {answer}")
        return answer

    def once(self, key, path, body):
        """(status, is it a replay?, body as bytes)"""
        status, said, answer = self.ask("POST", path, body, {"Idempotency-Key": key})
        return status, said.get("idempotent-replayed") == "true", answer


def seed_plan(api):
    api.put("plans/pro", {"name": {"en": "Pro"}})
    for number in (1, 2):
        api.put(f"plan-versions/pro-{number}", {"plan": "pro", "number": number, "status": "active", "interval": "month"})


# --- 1: the same write twice ----------------------------------------------------------------------------------------------
def test_repeated_writes(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        api = Api(daemon, t)
        seed_plan(api)
        subscription = {"customer": "acme", "plan_version": "pro-1", "status": "active"}
        writes = [("customers/acme/grants", {"amount_usd": "5.00"}, {"amount_usd": "6.00"}),
                  ("keys", {"customer": "acme", "name": "again"}, {"customer": "acme", "name": "other"}),
                  ("subscriptions", subscription, {**subscription, "plan_version": "pro-2"})]
        first = {}
        for number, (where, body, other) in enumerate(writes):
            status, replayed, answer = api.once(f"k{number}", where, body)
            t.equal((status, replayed), (201, False), f"{where}: done")
            first[where] = answer
            t.equal(api.once(f"k{number}", where, body), (201, True, answer), f"{where}: the same answer, byte for byte")
            status, _, problem = api.once(f"k{number}", where, other)
            t.equal((status, json.loads(problem)["code"]), (422, "idempotency_key_reused"), f"{where}: another body")
        made = json.loads(first["subscriptions"])["id"]
        for verb, body in [("change", {"plan_version": "pro-2"}), ("suspend", {"reason": "late"}), ("reactivate", {"reason": "paid"})]:
            where = f"subscriptions/{made}/{verb}"
            status, _, answer = api.once(f"s-{verb}", where, body)
            t.equal((status, *api.once(f"s-{verb}", where, body)), (200, 200, True, answer), f"{where}: twice is once")
        t.equal(api.once("k0", "keys", writes[1][1])[0], 422, "a key belongs to one operation")
        credit = api.json("GET", "customers/acme/credit")[2]
        t.equal(credit["granted_nano"], 105_000_000_000, "given once")
        names = [row["name"] for row in api.json("GET", "keys?customer=acme")[2]["keys"]]
        t.equal(names.count("again"), 1, "one key of that name")
        status, _, answer = api.once("bad", "keys", {"customer": "nobody", "name": "x"})
        t.equal(status, 404, "refused")
        status, replayed, _ = api.once("bad", "keys", {"customer": "acme", "name": "x"})
        t.equal((status, replayed), (201, False), "a refusal frees the key")
        t.equal(api.ask("POST", "keys", {"customer": "acme", "name": "y"}, {"Idempotency-Key": "k" * 256})[0], 400, "too long")
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            storm = list(pool.map(lambda _: api.once("storm", "customers/acme/grants", {"amount_usd": "1.00"}), range(64)))
        t.equal({status for status, _, _ in storm} <= {201, 409}, True, "64 at once: an answer or 'it is running'")
        t.equal(sum(status == 201 and not replayed for status, replayed, _ in storm), 1, "done by one of them")
        t.equal(api.json("GET", "customers/acme/credit")[2]["granted_nano"], 106_000_000_000, "given once")
        daemon.kill()
        with serving(binary, config(), path) as daemon:
            api = Api(daemon, t)
            for number, (where, body, other) in enumerate(writes):
                t.equal(api.once(f"k{number}", where, body), (201, True, first[where]), f"{where}: after kill -9")
                t.equal(api.once(f"k{number}", where, other)[0], 422, f"{where}: another body, after kill -9")
            status, _, _ = daemon.chat(json.loads(first["keys"])["secret"])
            t.equal(status, 200, "the secret of the answer works")
            stored = (path / "data").rglob("*")
            secret = json.loads(first["keys"])["secret"].encode()
            t.equal([str(one) for one in stored if one.is_file() and secret in one.read_bytes()], [], "no file has the secret in clear")


def test_killed_in_between(t, binary):
    """Killed at any moment of a stream of writes: each retried with its key until it answers, each done once."""
    done, answers, rounds = {}, {}, 4
    with folder() as path:
        for number in range(rounds):
            with serving(binary, config(), path) as daemon:
                api = Api(daemon, t)
                for key, status in list(done.items()):
                    if status is None:
                        done[key] = api.once(key, "customers/acme/grants", {"amount_usd": "1.00"})[0]

                def write(n):
                    key = f"w{number}-{n}"
                    done[key] = None
                    try:
                        done[key], _, answers[key] = api.once(key, "customers/acme/grants", {"amount_usd": "1.00"})
                    except Exception:  # the daemon is gone: the outcome is not known
                        pass
                with concurrent.futures.ThreadPoolExecutor(8) as pool:
                    work = [pool.submit(write, n) for n in range(200)]
                    time.sleep(0.15 * (number + 1))
                    daemon.kill()
                    concurrent.futures.wait(work)
        with serving(binary, config(), path) as daemon:
            api = Api(daemon, t)
            for key in done:
                status, _, answer = api.once(key, "customers/acme/grants", {"amount_usd": "1.00"})
                done[key] = status
                if key in answers:
                    t.equal(answer, answers[key], f"{key}: the answer of before")
            t.equal(set(done.values()), {201}, "each has its answer in the end")
            granted = api.json("GET", "customers/acme/credit")[2]["granted_nano"]
            t.equal(granted, 100_000_000_000 + len(done) * 1_000_000_000, f"{len(done)} grants, each given once")


# --- 2: rotation ----------------------------------------------------------------------------------------------------------
def test_rotation(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        api = Api(daemon, t)
        key = api.made("keys", {"customer": "acme", "name": "prod", "requests_per_minute": 6})
        t.equal(daemon.chat(key["secret"])[0], 200, "the first secret")
        status, _, rotated = api.json("POST", "keys/acme/prod/rotate", {"overlap_seconds": 3})
        t.equal((status, rotated["id"], rotated["name"]), (200, key["id"], "prod"), "the same key")
        t.check(rotated["secret"] != key["secret"], "another secret")
        codes = [daemon.chat(secret)[0] for secret in [key["secret"], rotated["secret"]] * 2]
        t.equal(codes, [200] * 4, "both open it within the overlap")
        t.equal(daemon.chat(rotated["secret"])[0], 200, "the sixth call of the minute")
        t.equal([daemon.chat(secret)[0] for secret in (key["secret"], rotated["secret"])], [429, 429], "one limit for both")
        row = [one for one in api.json("GET", "keys?customer=acme")[2]["keys"] if one["id"] == key["id"]][0]
        t.check(row["old_secret_until"] == rotated["old_secret_until"], "told in the list", row)
        time.sleep(3.1)
        status, _, answer = daemon.chat(key["secret"])
        t.equal((status, json.loads(answer)["error"]["code"]), (401, "expired_api_key"), "the old secret has ended")
        t.equal(daemon.chat(rotated["secret"])[0], 429, "the new one goes on, and so does what was used")

        def code(secret):
            return daemon.chat(secret)[0]
        one = api.made("keys", {"customer": "acme", "name": "two"})["secret"]
        two = api.json("POST", "keys/acme/two/rotate", {"overlap_seconds": 3600})[2]["secret"]
        three = api.json("POST", "keys/acme/two/rotate", {"overlap_seconds": 3600})[2]["secret"]
        t.equal([code(secret) for secret in (one, two, three)], [401, 200, 200], "at most two at a time")
        four = api.json("POST", "keys/acme/two/rotate", {"overlap_seconds": 0})[2]["secret"]
        t.equal([code(secret) for secret in (three, four)], [401, 200], "no overlap")
        five = api.once("rotate-1", "keys/acme/two/rotate", {"overlap_seconds": 3600})
        t.equal(api.once("rotate-1", "keys/acme/two/rotate", {"overlap_seconds": 3600}), (200, True, five[2]), "repeated: not again")
        five = json.loads(five[2])["secret"]
        for where, wanted in [("keys/acme/none", 404), ("keys/nobody/two", 404), ("keys/acme/main", 409)]:
            t.equal(api.json("POST", f"{where}/rotate", {})[0], wanted, f"{where}: not there, or of the file")
        t.equal(api.json("POST", "keys/acme/two/rotate", {"overlap_seconds": 99999999})[0], 400, "too long an overlap")
        daemon.kill()
        with serving(binary, config(), path) as daemon:
            api = Api(daemon, t)
            t.equal([code(secret) for secret in (one, two, three, four, five)], [401, 401, 401, 200, 200], "after kill -9")
            daemon.stop()
        with serving(binary, config(), path) as daemon:
            api = Api(daemon, t)
            t.equal([code(secret) for secret in (three, four, five)], [401, 200, 200], "from the database")
            done = cota(binary, "key", "rotate", "--customer", "acme", "two", "--overlap", "1h", "--data", str(path / "data"), "--json")
            t.equal(done[0], 0, f"cota key rotate {done[2]}")
            six = json.loads(done[1])["secret"]
            t.equal([code(secret) for secret in (four, five, six)], [401, 200, 200], "by the command")
            api.ask("DELETE", "keys/acme/two")
            t.equal([code(secret) for secret in (five, six)], [403, 403], "revoked: both")
            t.equal(api.json("POST", "keys/acme/two/rotate", {})[0], 409, "a revoked key is not rotated")


# --- 3: exports -----------------------------------------------------------------------------------------------------------
def test_exports(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        api = Api(daemon, t)
        evil = ["=1+1", "+cmd", "-2", "@SUM(A1)", 'a "quoted", one', "plain"]
        for user in evil * 20:
            daemon.chat(headers={"x-cota-user": user, "x-cota-feature": "chat"})
        lines = [json.loads(line) for line in api.ask("GET", "usage")[2].splitlines()]
        t.equal(len(lines), 120, "all calls as lines")
        status, said, body = api.ask("GET", "usage?format=csv")
        t.equal((status, said["content-type"].split(";")[0]), (200, "text/csv"), "CSV")
        t.equal(api.ask("GET", "usage", headers={"Accept": "text/csv"})[2], body, "the same by Accept")
        table = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
        t.equal(len(table), 120, "all calls as a table")
        guarded = {"=1+1": "'=1+1", "+cmd": "'+cmd", "-2": "'-2", "@SUM(A1)": "'@SUM(A1)"}
        t.equal([row["user"] for row in table], [guarded.get(row["user"], row["user"]) for row in lines], "no formula")
        for name in ("request_id", "model", "outcome", "finished_at"):
            t.equal([row[name] for row in table], [row[name] for row in lines], f"the same {name}")
        for name in ("cost_nano", "input_tokens", "http_status"):
            t.equal([int(row[name]) for row in table], [row[name] for row in lines], f"the same {name}")
        status, said, body = api.ask("GET", "usage?format=json&limit=7")
        t.equal((said["content-type"], json.loads(body)), ("application/json", lines[:7]), "one array")
        t.equal(json.loads(api.ask("GET", "usage?format=json&customer=acme&model=none")[2]), [], "an empty array")
        t.equal(api.ask("GET", "usage?format=csv&model=none")[2].count(b"\r\n"), 1, "a head alone")
        t.equal(api.ask("GET", "usage?format=xml")[0], 400, "no such format")
        for by in ("model,customer", "user,feature", "day,model", "key,outcome", "month,provider", "hour,user"):
            rows = [json.loads(line) for line in api.ask("GET", f"usage?by={by}")[2].splitlines()]
            one, other = by.split(",")
            t.check(all(one in row and other in row for row in rows), f"by {by}: both are said", rows[:1])
            t.equal(sum(row["requests"] for row in rows), 120, f"by {by}: all calls")
            t.equal(sum(row["cost_nano"] for row in rows), sum(row["cost_nano"] for row in lines), f"by {by}: all cost")
            table = list(csv.DictReader(io.StringIO(api.ask("GET", f"usage?by={by}&format=csv")[2].decode(), newline="")))
            t.equal([row["requests"] for row in table], [str(row["requests"]) for row in rows], f"by {by}: as CSV")
        by_user = {row["user"]: row["requests"] for row in json.loads(api.ask("GET", "usage?by=user&format=json")[2])}
        t.equal(by_user, dict.fromkeys(evil, 20), "by user")
        for by in ("colour", "model,model", "model,customer,key", "model,", ","):
            t.equal(api.ask("GET", f"usage?by={by}")[0], 400, f"by={by} is refused")
        own = daemon.request("GET", "/api/v1/usage?format=csv", None, KEY)[0]
        t.check(own in (401, 403), "not with a customer's key", own)


# --- 4: facets ------------------------------------------------------------------------------------------------------------
def test_facets(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        api = Api(daemon, t)
        seed_plan(api)
        api.put("plans/free", {"name": {"en": "Free"}, "active": False})
        for number in range(12):
            name = f"c{number}"
            api.made("keys", {"customer": name, "name": "main", "new_customer": True})
            api.made("subscriptions", {"customer": name, "plan_version": "pro-1" if number % 3 else "pro-2",
                                       "status": "active" if number % 4 else "paused"})
        page = api.json("GET", "subscriptions?facets=status,plan_version&limit=2&fields=status")[2]
        t.equal((len(page["items"]), set(page["items"][0])), (2, {"id", "status"}), "a page, sparse")
        t.equal(page["facets"]["status"], {"values": [{"value": "active", "count": 9}, {"value": "paused", "count": 3}], "other": 0,
                                           "complete": True}, "of the whole list")
        counts = {one["value"]: one["count"] for one in page["facets"]["plan_version"]["values"]}
        t.equal(counts, {"pro-1": 8, "pro-2": 4}, "a second member")
        page = api.json("GET", "subscriptions?status=paused&facets=plan_version")[2]
        t.equal(sum(one["count"] for one in page["facets"]["plan_version"]["values"]), 3, "filters hold")
        again = api.json("GET", f"subscriptions?facets=status&limit=2&cursor={api.json('GET', 'subscriptions?limit=2')[2]['next_cursor']}")
        t.equal(sum(one["count"] for one in again[2]["facets"]["status"]["values"]), 12, "the same on every page")
        page = api.json("GET", "subscriptions?facets=customer")[2]
        t.equal(len(page["facets"]["customer"]["values"]), 12, "by customer")
        page = api.json("GET", "plans?facets=active")[2]
        counts = {one["value"]: one["count"] for one in page["facets"]["active"]["values"]}
        t.equal(counts, {None: 1, "false": 1}, "not there is null")
        t.check("facets" not in api.json("GET", "plans")[2], "only when asked for")
        for facets in ("colour", "status,limit", "status,status,status,status,status", ","):
            t.equal(api.ask("GET", f"subscriptions?facets={facets}")[0], 400, f"facets={facets} is refused")


# --- 5: prices from a table -----------------------------------------------------------------------------------------------
HEAD = "provider,model,input,output,cached_input,context,modality\n"


def test_price_import(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        api = Api(daemon, t)
        api.put("providers/house", {"display_name": "House", "dialect": "simulated", "status": "active"})
        for name in ("small", "large", "embed", "slip"):
            api.put(f"models/{name}", {"provider": "house", "upstream_model": f"house/{name}"})

        def take(rows, source="feed", **more):
            status, _, said = api.json("POST", "prices/import", {"csv": HEAD + rows, "source": source, **more})
            t.equal(status, 200, f"imported {said}")
            return said, {row["model"]: (row["result"], row.get("reason", "")) for row in said["rows"]}

        def prices(**query):
            text = "&".join(f"{name}={value}" for name, value in query.items())
            return api.json("GET", f"prices?limit=500&{text}")[2]["items"]
        first = 'house,house/small,0.15,0.6,0.0000005,1000,"text,image->text"\nhouse,house/large,5,30,,,\nhouse,house/embed,0.13,0,,,text->embedding\n'
        odd = "house,house/slip,2500,9000,,,\nhouse,whisper,,,,,audio->text\nother,house/small,1,1,,,\nhouse,house/small,1.2.3,1,,,\n"
        said, rows = take(first + odd, dry_run=True)
        t.equal(([said[name] for name in ("new", "held", "unpriced", "unknown_model", "invalid")], prices()), ([3, 1, 1, 1, 1], []),
                "a dry run does nothing")
        said, rows = take(first + odd)
        t.equal((said["new"], said["held"], rows["slip"][0]), (3, 1, "held"), "the absurd one is held")
        small = prices(model="small")[0]
        t.equal((small["status"], small["pools"], small["source"]), ("active", {"input": "0.15", "output": "0.6", "cached_input": "0"}, "feed"),
                "exact to six digits, then half to even")
        t.check("0.0000005" in small["source_text"], "what the source wrote is kept", small)
        said, rows = take(first + odd)
        t.equal([said[name] for name in ("new", "changed", "held", "unchanged")], [0, 0, 1, 3], "the same again changes nothing")
        t.equal(len(prices()), 4, "four documents")
        said, rows = take("house,house/small,0.3,1.2,0,,\nhouse,house/large,0.5,3,,,\nhouse,house/embed,1,0.4,,,\n")
        t.equal([rows[name][0] for name in ("small", "large", "embed")], ["changed", "held", "held"], "moved too far, or upside down")
        t.check("three times" in rows["large"][1] and "three times" not in rows["small"][1], "told why", rows)
        said, rows = take("house,house/large,0.502,3.01,,,\n", source="another")
        t.equal(rows["large"][0], "changed", "two sources within one percent")
        held = [row for row in prices(model="slip") if row["status"] == "proposed"][0]
        status, _, answer = api.json("POST", f"prices/{held['id']}/reject", {"reason": "per thousand"})
        t.equal((status, answer["status"]), (200, "rejected"), "rejected")
        said, rows = take("house,house/slip,2500,9000,,,\n")
        t.equal(rows["slip"][0], "rejected", "not proposed again")
        held = [row for row in prices(model="embed") if row["status"] == "proposed"][0]
        t.equal(api.json("POST", f"prices/{held['id']}/approve", {})[2]["status"], "active", "approved")
        t.equal(api.json("POST", f"prices/{held['id']}/approve", {})[0], 409, "only a proposed one")
        t.equal(api.json("POST", f"prices/{held['id']}/reject", {})[0], 409, "not one in force")
        t.equal(api.json("POST", "prices/none/approve", {})[0], 404, "not there")
        time.sleep(0.3)
        status, said, _ = daemon.chat(model="small")
        t.equal(status, 200, "a model with an imported price answers")
        for text in ("", "model,input\nx,1\n", "provider,model,input,input\n", '"never ends'):
            t.equal(api.ask("POST", "prices/import", {"csv": text, "source": "x"})[0], 400, f"refused: {text!r}")
        (path / "more.csv").write_text(HEAD + "house,house/small,0.31,1.21,,,\n")
        done = cota(binary, "import", "prices", str(path / "more.csv"), "--data", str(path / "data"), "--dry-run")
        t.check(done[0] == 0 and "1 changed" in done[1], "cota import prices --dry-run", done)
        done = cota(binary, "import", "prices", str(path / "more.csv"), "--data", str(path / "data"), "--json")
        t.equal((done[0], json.loads(done[1])["changed"]), (0, 1), "cota import prices --json")
        t.equal(cota(binary, "import", "prices", str(path / "none.csv"), "--data", str(path / "data"))[0] != 0, True, "no such file")


def test_price_seeds(t, binary):
    seeds = pathlib.Path(__file__).resolve().parents[2] / "seeds" / "prices"
    with folder() as path, serving(binary, config(), path) as daemon:
        api = Api(daemon, t)
        done = cota(binary, "apply", "-f", str(seeds), "--data", str(path / "data"), "--json")
        t.equal(done[0], 0, f"applied {done[2][-500:]}")
        rows, cursor = [], ""
        while cursor is not None:
            page = api.json("GET", "prices?limit=100" + (f"&cursor={cursor}" if cursor else ""))[2]
            rows, cursor = rows + page["items"], page["next_cursor"]
        t.equal((len(rows), {row["origin"] for row in rows}), (129, {"file"}), "all of them, from files")
        t.equal({row["effective_from"] for row in rows}, {"2026-08-01T00:00:00Z"}, "dated")
        again = cota(binary, "apply", "-f", str(seeds), "--data", str(path / "data"), "--json")
        t.equal(again[0], 0, "applied again")
        api.put("providers/openai", {"display_name": "OpenAI", "dialect": "openai", "base_url": "http://127.0.0.1:9", "status": "active"})
        api.put("models/gpt-5-mini", {"provider": "openai"})
        csv_text = "provider,model,input,output,cached_input\nopenai,gpt-5-mini,0.25,2,0.025\n"
        said = api.json("POST", "prices/import", {"csv": csv_text, "source": "again", "dry_run": True})[2]
        t.equal(said["unchanged"], 1, "the seed is the price in force")


# --- 7: the end of the audit trail ----------------------------------------------------------------------------------------
def test_audit_end(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        api = Api(daemon, t)
        t.equal(api.json("GET", "audit/verify")[2]["valid"], True, "nothing written yet")
        for number in range(5):
            api.put(f"groups/g{number}", {"name": {"en": "G"}, "priority": number})
        said = api.json("GET", "audit/verify")[2]
        t.equal((said["valid"], said["problem"]), (True, None), "a whole chain")
        database = [one for one in (path / "data").rglob("*.db")][0]

        def run(sql, *values):
            connection = sqlite3.connect(database, timeout=10)
            rows = connection.execute(sql, values).fetchall()
            connection.commit()
            connection.close()
            return rows
        last = run("SELECT max(seq) FROM audit")[0][0]
        run("DELETE FROM audit WHERE seq = ?", last)
        said = api.json("GET", "audit/verify")[2]
        t.equal(said["valid"], False, "its end was cut off")
        t.check(str(last) in (said["problem"] or ""), "told which", said)


TESTS = [test_repeated_writes, test_killed_in_between, test_rotation, test_exports, test_facets, test_price_import, test_price_seeds,
         test_audit_end]

if __name__ == "__main__":
    sys.exit(run_tests(__doc__, TESTS))
