#!/usr/bin/env python3
"""sql.py - what `cota export sql` writes, in a real PostgreSQL: ai_get_providers_for_context answers as the API does.

usage: tests/e2e/sql.py [--binary build/cota] [TEST…]      last line: N passed, N failed, N skipped
"""
import contextlib
import glob
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import config, cota, folder, run_tests, serving  # noqa: E402

TOKEN = "admin-token-of-the-test"
SEEDS = pathlib.Path(__file__).parents[2] / "seeds" / "s4"
EXIT_SKIPPED = 77
CATALOGUES, CONTEXTS = 24, 40
PROFILES = ["user", "professional", "admin"]
MEMBERS = ["provider", "role", "weight", "model", "daily_limit", "monthly_limit", "origin", "order"]
PAST, FUTURE = "2020-01-31T12:00:00Z", "2099-12-31T23:59:59.999999Z"
HOSTILE = "O'Brien \\'; drop schema cota cascade; -- $$ :x \n\\q €"


def programs():
    """The folder of initdb and postgres; None: PostgreSQL is not installed."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    place = shutil.which("initdb")
    return pathlib.Path(found[-1] if found else place).resolve().parent if found or place else None


class Postgres:
    """A server of its own on a Unix socket, as a user that is not root."""

    def __init__(self, path):
        self.path = path
        self.user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(path, "nobody", "nogroup")
        subprocess.run([programs() / "initdb", "-D", path / "data", "-U", "boss", "-A", "trust", "-E", "UTF8",
                        "--locale=C.UTF-8", "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd=path, **self.user)
        self.log = (path / "log").open("w+")
        self.process = subprocess.Popen(
            [programs() / "postgres", "-D", path / "data", "-c", "listen_addresses=", "-c", f"unix_socket_directories={path}",
             "-c", "fsync=off", "-c", "log_min_messages=warning"],
            stdout=self.log, stderr=self.log, cwd=path, **self.user)
        deadline = time.monotonic() + 30
        while self.run("select 1", user="boss")[0] != 0:
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.stop()
                raise RuntimeError(f"PostgreSQL does not start: {(path / 'log').read_text()}")
            time.sleep(0.05)

    def run(self, script, user="boss", stop=True):
        """(exit code, stdout, stderr) of psql; text, or a file."""
        done = subprocess.run([programs() / "psql", "-X", "-q", "-A", "-t", "-v", f"ON_ERROR_STOP={int(stop)}", "-h", self.path,
                               "-U", user, "-d", "postgres"], input=script, text=True, cwd=self.path,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    def ask(self, query):
        code, said, wrong = self.run(query)
        if code != 0:
            raise RuntimeError(wrong)
        return said

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


@contextlib.contextmanager
def postgres():
    path = pathlib.Path(tempfile.mkdtemp(prefix="cota-pg-", dir="/tmp"))
    server = Postgres(path)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(path, ignore_errors=True)


class World:
    def __init__(self, daemon, t, path, binary, server):
        self.daemon, self.t, self.path, self.binary, self.server = daemon, t, path, binary, server

    def api(self, method, path, body=None):
        status, _, answer = self.daemon.request(method, f"/api/v1/{path}", body, TOKEN)
        return status, json.loads(answer) if answer else None

    def put(self, path, body):
        status, answer = self.api("PUT", path, body)
        self.t.check(status in (200, 201), f"PUT {path}", f"{status} {answer}")

    def apply(self, path):
        code, said, wrong = cota(self.binary, "apply", "-f", str(path), "--data", str(self.path / "data"))
        self.t.equal(code, 0, f"{path} is applied: {said[-1500:]} {wrong[-1500:]}")

    def export(self):
        code, script, wrong = cota(self.binary, "export", "sql", "--data", str(self.path / "data"))
        self.t.equal((code, wrong), (0, ""), "export sql")
        return script

    def load(self):
        script = self.export()
        code, said, wrong = self.server.run(script)
        self.t.equal((code, said, wrong), (0, "", ""), "the script loads")
        return script

    def resolve(self, context):
        """What the API says, or the code of its refusal."""
        asked = {name: value for name, value in context.items() if value is not None and name != "said"}
        status, answer = self.api("GET", "resolve?" + urllib.parse.urlencode(asked))
        if status != 200:
            return answer["code"]
        return [[row[name] for name in MEMBERS] + [row["source"]["layer"], row["source"]["id"]]
                for row in answer["candidates"]]

    def same(self, contexts, what):
        """The function and the API, one by one; how many rows there were, and refusals."""
        columns = "plan text, feature text, profile text, \"group\" text, \"user\" text"
        asked = json.dumps([context["said"] for context in contexts]).replace("'", "''")
        rows = json.loads(self.server.ask(f"""
            select json_agg(answer order by number) from (
                select c.number, coalesce((select json_agg(json_build_array(r.provider, r.role, r.weight, r.model,
                    r.daily_limit, r.monthly_limit, r.origin, r.ordering, r.source_layer, r.source_id) order by r.position)
                  from cota.ai_get_providers_for_context(c.plan, c.feature, c.profile, c."group", c."user")
                    with ordinality r(provider, role, weight, model, daily_limit, monthly_limit, origin, ordering,
                                      source_layer, source_id, position)), '[]') as answer
                from rows from (json_to_recordset('{asked}') as ({columns})) with ordinality
                    c(plan, feature, profile, "group", "user", number)) all_of_them"""))
        self.t.equal(len(rows), len(contexts), f"{what}: an answer each")
        different, refused, found = [], 0, 0
        for context, got in zip(contexts, rows):
            wanted = self.resolve(context)
            if isinstance(wanted, str):
                refused += 1
                wanted = [] if wanted in ("not_found", "customer_suspended") else wanted
            found += len(wanted)
            if got != wanted:
                different.append((context, wanted, got))
        self.t.check(not different, f"{what}: {len(different)} of {len(contexts)} contexts differ", str(different[:3]))
        return found, refused


def in_plan(plan, feature, profile, group=None):
    return {"plan": plan, "feature": feature, "profile": profile, "group": group,
            "said": {"plan": plan, "feature": feature, "profile": profile, "group": group}}


def of_customer(plan, feature, profile, customer, user=None):
    return {"customer": customer, "feature": feature, "profile": profile, "user": user,
            "said": {"plan": plan, "feature": feature, "profile": profile, "user": f"{customer}/{user or ''}"}}


def world(test):
    def run(t, binary):
        with folder() as path, postgres() as server:
            with serving(binary, config(more_customers="\n"), path) as daemon:
                test(t, World(daemon, t, path, binary, server))
                t.equal(daemon.stop(), 0, "a clean end")
    run.__name__ = test.__name__
    return run


# --- random catalogues -----------------------------------------------------------------------------
class Catalogue:
    """One of many: names of its own, and everything in it by chance."""

    def __init__(self, number):
        self.chance = random.Random(number)
        self.name = f"r{number}"
        self.dense = number % 2 == 1  # much of it meets in the same call
        self.documents = []
        self.features = [f"{self.name}-f{n}" for n in range(1 if self.dense else 3)]
        self.providers = [f"{self.name}-p{n}" for n in range(3 if self.dense else 5)]
        self.plans = [f"{self.name}-plan{n}" for n in range(2)]
        self.groups = [f"{self.name}-g{n}" for n in range(3)]
        self.customers = [f"{self.name}-c{n}" for n in range(3)]
        self.users = ["ana", "o'neil", "x\\y"]
        self.subscriptions = {}
        self.fill()

    def maybe(self, share, **members):
        return members if self.chance.random() < share else {}

    def add(self, kind, id_=None, **members):
        self.documents.append({"kind": kind, "id": id_ or f"{self.name}-{len(self.documents)}", **members})

    def span(self, first, last):
        pick = self.chance.choice
        return pick([{}, {}, {first: PAST}, {last: FUTURE}, {first: PAST, last: FUTURE}, {first: FUTURE}, {last: PAST},
                     {first: None, last: None}])

    def fill(self):
        chance, pick = self.chance, self.chance.choice
        for feature in self.features:
            self.add("feature", feature, type=pick(["boolean", "static", "metered"]), category="chat",
                     name={"pt": HOSTILE, "en": feature}, **self.maybe(0.3, active=chance.random() < 0.6))
        for provider in self.providers[:-1]:  # the last has no document
            self.add("provider", provider, display_name=HOSTILE, dialect="simulated",
                     **self.maybe(0.6, status=pick(["active", "active", "disabled", "testing"])),
                     **self.maybe(0.5, default_model=f"{provider}-model"))
        for plan in self.plans:
            self.add("plan", plan, name={"pt": plan, "en": plan})
            for number in range(1, 4):
                self.version(plan, number, "active" if number == 2 else pick(["draft", "archived", "active"]))
        for _ in range(chance.randrange(4, 16)):
            self.add("feature_provider", feature=pick(self.features), provider=pick(self.providers),
                     role=pick(["analysis", "voting", "consensus", "generation", "fallback"]),
                     **self.maybe(0.6, weight=pick([0, 50, 50, 1000])), **self.maybe(0.6, order=chance.randrange(3)),
                     **self.maybe(0.3, model="of-the-route"), **self.maybe(0.4, active=chance.random() < 0.7))
        for _ in range(40 if self.dense else pick([0, 6, 20])):
            self.add("matrix_cell", plan=pick(self.plans), feature=pick(self.features), provider=pick(self.providers),
                     profile=pick(PROFILES + ["*", "*"]), **self.maybe(0.7, daily_limit=pick([None, 0, 3, 10])),
                     **self.maybe(0.7, monthly_limit=pick([None, 0, 30, 9223372036854775807])),
                     **self.maybe(0.5, origin=pick(["default", "promo", "exclusive"])),
                     **self.maybe(0.4, active=chance.random() < 0.5), **self.maybe(0.3, model="of-the-cell"))
        for group in self.groups:
            self.add("group", group, name={"pt": group, "en": group}, **self.maybe(0.7, priority=chance.randrange(3)))
        for customer in self.customers:
            for user in self.users[:2]:
                self.add("user", f"{customer}/{user}", customer=customer, external_id=user,
                         **self.maybe(0.5, profile=pick(PROFILES)), **self.maybe(0.4, active=chance.random() < 0.8),
                         **self.maybe(0.4, groups=chance.sample(self.groups, 2)))
        for _ in range(12 if self.dense else chance.randrange(8)):
            self.add("group_member", group=pick(self.groups), customer=pick(self.customers),
                     **self.maybe(0.5, user=pick(self.users)), **self.span("valid_from", "valid_to"))
        for _ in range(24 if self.dense else pick([0, 8, 16, 32])):
            self.override()

    def version(self, plan, number, status):
        self.add("plan_version", f"{plan}-{number}", plan=plan, number=number, status=status, interval="month",
                 **self.maybe(0.3, providers=self.chance.sample(self.providers, 2)),
                 items=[{"feature": feature, "included": 10, "metric": "requests", "reset": "month", "overage": "block"}
                        for feature in self.features + ["*"] if self.chance.random() < 0.3])
        if status == "active":
            self.subscriptions[plan] = f"{plan}-{number}"

    def override(self):
        chance, pick = self.chance, self.chance.choice
        scope = pick(["group", "group", "customer", "user", "key"])
        scope_id = {"group": pick(self.groups), "customer": pick(self.customers), "key": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                    "user": f"{pick(self.customers)}/{pick(self.users)}"}[scope]
        target = "matrix" if self.dense and chance.random() < 0.95 else pick(["matrix"] * 5 + ["feature", "provider", "model", "limit", "output_max"])
        counts = target in ("matrix", "limit", "output_max")
        op = pick(["set", "add", "multiply", "max", "min", "set", "add", "allow", "allow"] + ["deny"] * (not self.dense) if counts else ["allow", "allow", "deny"])
        operand = pick([0, 1, 7, 1000, "2", "2.999999999", "0.5", 9223372036854775807])
        selector = {**self.maybe(0.4, feature=pick(self.features + [HOSTILE[:60]])), **self.maybe(0.6, provider=pick(self.providers)),
                    **self.maybe(0.3, profile=pick(PROFILES + ["*"])), **self.maybe(0.1, model="of-the-cell"),
                    **self.maybe(0.2, metric=pick(["requests", "tokens"])), **self.maybe(0.3, window=pick(["day", "month", "hour"]))}
        if self.dense and chance.random() < 0.6:
            selector = {}
        self.add("override", scope=scope, scope_id=scope_id, target=target, op=op, priority=chance.randrange(3),
                 **({} if op in ("allow", "deny") else {"value": operand}), **({"selector": selector} if selector else {}),
                 **self.span("starts_at", "expires_at"))

    def contexts(self, count):
        pick = self.chance.choice
        for _ in range(count):
            plan, feature = pick(self.plans), pick(self.features + [f"{self.name}-none"])
            profile = pick(PROFILES)
            if self.chance.random() < 0.5:
                yield in_plan(pick([plan, plan, plan, plan, f"{self.name}-none"]), feature, profile, pick(self.groups + [None]))
            else:
                customer = pick(self.customers)
                yield of_customer(self.plan_of(customer), feature, profile, customer, pick(self.users + ["nobody", None]))

    def plan_of(self, customer):
        return self.plans[self.customers.index(customer) % len(self.plans)]


# --- the tests -------------------------------------------------------------------------------------
@world
def test_seeds(t, w):
    """S4's own catalogue, in every context that it has."""
    w.apply(SEEDS)
    w.load()
    plans = [row["id"] for row in w.api("GET", "plans?limit=500")[1]["items"]]
    features = [row["id"] for row in w.api("GET", "features?limit=500")[1]["items"]]
    contexts = [in_plan(plan, feature, profile) for plan in plans for feature in features for profile in PROFILES]
    found, refused = w.same(contexts, "S4's seeds")
    t.check(found > len(plans) * len(features) and refused == 0, "they have answers", (found, refused))
    t.equal(w.server.ask("select provider, daily_limit, monthly_limit from cota.ai_get_providers_for_context('free', 'user-chat', 'user')"),
            "openai|3|30", "S4: free")
    print(f"    {len(contexts)} contexts, {found} rows")


@world
def test_random(t, w):
    """Catalogues by chance: zero differences."""
    catalogues = [Catalogue(number) for number in range(CATALOGUES)]
    for catalogue in catalogues:
        for customer in catalogue.customers:
            t.equal(w.api("POST", "keys", {"customer": customer, "name": "main", "new_customer": True})[0], 201, f"key of {customer}")
    (w.path / "catalogues.yaml").write_text(json.dumps({"documents": [row for one in catalogues for row in one.documents]}))
    w.apply(w.path / "catalogues.yaml")
    for catalogue in catalogues:
        for customer in catalogue.customers:
            version = catalogue.subscriptions[catalogue.plan_of(customer)]
            status, said = w.api("POST", "subscriptions", {"customer": customer, "plan_version": version, "status": "active"})
            t.equal(status, 201, f"subscription of {customer}: {said}")
    first = w.load()
    contexts = [context for catalogue in catalogues for context in catalogue.contexts(CONTEXTS)]
    found, refused = w.same(contexts, "random catalogues")
    t.check(found > len(contexts) / 2 and refused > 10, "answers and refusals", (found, refused))
    before = w.server.ask(DUMP)
    t.check(len(before) > 10000, "the tables are full", len(before))
    t.equal(w.load() == first, True, "exported again: the same script")
    t.check(w.server.ask(DUMP) == before, "loaded again: the same tables")
    print(f"    {len(contexts)} contexts, {found} rows, {refused} refused")


DUMP = "select string_agg(x, ' ') from (" + " union all ".join(
    f"select '{name}' || row(t.*)::text as x from (select * from cota.{name} order by id) t"
    for name in ("features", "providers", "plans", "plan_versions", "feature_providers", "matrix_cells", "groups", "users",
                 "group_members", "overrides")) + ") rows"


def small(w):
    w.put("providers/one", {"display_name": HOSTILE, "dialect": "simulated", "default_model": "it's-$$-one"})
    w.put("features/chat", {"type": "metered", "category": "chat", "name": {"pt": HOSTILE, "en": HOSTILE}})
    w.put("plans/pro", {"name": {"pt": "Pro", "en": "Pro"}})
    w.put("plan-versions/pro-1", {"plan": "pro", "number": 1, "status": "active", "interval": "month"})
    w.put("plan-matrix/cell", {"plan": "pro", "feature": "chat", "provider": "one", "profile": "*", "daily_limit": 10})
    w.put("groups/vip", {"name": {"pt": "VIP", "en": "VIP"}})


ONE = "select daily_limit from cota.ai_get_providers_for_context('pro', 'chat', 'user', 'vip'"


@world
def test_times(t, w):
    """An override holds from its first microsecond to before its last; texts come through as they are."""
    small(w)
    w.put("overrides/now", {"scope": "group", "scope_id": "vip", "target": "matrix", "op": "multiply", "value": "2.5",
                            "starts_at": "2026-03-01T00:00:00.000001-03:00", "expires_at": "2026-04-01T00:00:00Z"})
    w.load()
    for at, limit in [("2026-03-01T03:00:00Z", "10"), ("2026-03-01T03:00:00.000001Z", "25"),
                      ("2026-03-31T23:59:59.999999Z", "25"), ("2026-04-01T00:00:00Z", "10")]:
        t.equal(w.server.ask(f"{ONE}, at => '{at}')"), limit, f"at {at}")
    t.equal(json.loads(w.server.ask("select to_json(display_name) from cota.providers")), HOSTILE, "a text as it is")
    t.equal(w.server.ask("select model from cota.ai_get_providers_for_context('pro', 'chat', 'user')"), "it's-$$-one", "and in an answer")


@world
def test_rights(t, w):
    """Only who loads it reads and writes; a reader asks the function; others nothing."""
    small(w)
    w.load()
    w.server.ask("create role app login; grant cota_reader to app; create role stranger login")
    t.equal(w.server.run(f"{ONE})", "app"), (0, "10", ""), "a reader asks")
    refused = ["select * from cota.matrix_cells", "select * from cota.users", "update cota.matrix_cells set daily_limit = 99",
               "delete from cota.plans", "insert into cota.groups values ('x', null, null, 0)", "create table cota.mine (id int)",
               "select cota.limit_after(1, 'set', 2)"]
    for query in refused:
        code, _, wrong = w.server.run(query, "app")
        t.check(code != 0 and "permission denied" in wrong, f"a reader may not: {query}", wrong)
    for query in refused + [f"{ONE})"]:
        code, _, wrong = w.server.run(query, "stranger")
        t.check(code != 0 and "permission denied" in wrong, f"a stranger may not: {query}", wrong)
    # Names of the caller's own do not get in between.
    shadow = "create temp table plan_versions (id text); create function pg_temp.floor(numeric) returns numeric language sql as 'select 0.0'; "
    t.equal(w.server.run(f"set search_path = pg_temp, cota; {shadow}{ONE})", "app"), (0, "10", ""), "whatever the caller's path says")


@world
def test_whole(t, w):
    """A script that was cut short, or that fails, changes nothing; a new one takes the place of the old."""
    small(w)
    script = w.load()
    w.put("plan-matrix/cell", {"plan": "pro", "feature": "chat", "provider": "one", "profile": "*", "daily_limit": 20})
    newer = w.export()
    w.server.run(newer[:newer.rindex("commit;")])
    t.equal(w.server.ask(f"{ONE})"), "10", "cut short: as before")
    w.server.run(newer.replace("commit;", "select 1/0;\ncommit;"), stop=False)
    t.equal(w.server.ask(f"{ONE})"), "10", "failed: as before")
    t.equal(w.server.run(newer)[0], 0, "the newer one loads")
    t.equal(w.server.ask(f"{ONE})"), "20", "and counts")
    t.equal((w.server.run(script)[0], w.server.ask(f"{ONE})")), (0, "10"), "and the older one again")
    code, said, wrong = cota(w.binary, "export", "sql", "--data", str(w.path / "none"))
    t.check(code == 6 and "commit;" not in said and "start one" in wrong, "without a daemon", (code, wrong))


TESTS = [test_seeds, test_random, test_times, test_rights, test_whole]


if __name__ == "__main__":
    if programs() is None:
        print("skipped: PostgreSQL is not installed (Debian: postgresql-15)")
        sys.exit(EXIT_SKIPPED)
    sys.exit(run_tests(__doc__, TESTS))
