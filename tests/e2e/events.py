#!/usr/bin/env python3
"""events.py - what happens is told as it happens, to whom it concerns, and again after a break; and what ends soon is told once.

usage: tests/e2e/events.py [--binary build/cota] [TEST…]      last line: N passed, N failed, N skipped
"""
import contextlib
import datetime
import http.client
import json
import pathlib
import re
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from alerts import Listener  # noqa: E402
from governance import TOKEN, between_hours, limit  # noqa: E402
from harness import config, folder, run_tests, serving  # noqa: E402
from team import OWNER, PASSWORD, Browser  # noqa: E402

WAIT_SECONDS = 15
LISTENERS = 200
PER_CUSTOMER_MAX = 32
QUEUE_BYTES = 1 << 20  # what the process may hold of one listener, with room for the machine's own
OWNER_MADE = {"COTA_OWNER_EMAIL": OWNER, "COTA_OWNER_PASSWORD": PASSWORD}


class Stream:
    """One listener: a thread that collects (id, event, data)."""

    def __init__(self, daemon, query="", key=TOKEN, last=None, cookie=None):
        self.events, self.comments, self.last, self.retry, self.ended = [], 0, None, None, None
        self.connection = http.client.HTTPConnection(daemon.host, daemon.port, timeout=60)
        headers = {"Cookie": f"cota_session={cookie}"} if cookie else {"Authorization": f"Bearer {key}"}
        if last is not None:
            headers["Last-Event-ID"] = last
        self.connection.request("GET", f"/api/v1/events{query}", None, headers)
        self.answer = self.connection.getresponse()
        self.status, self.type = self.answer.status, self.answer.getheader("content-type")
        self.retry_after = self.answer.getheader("retry-after")
        self.thread = None
        if self.status != 200:
            self.problem = json.loads(self.answer.read())
            return
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        self.until(lambda: self.last is not None)  # it has begun

    def read(self):
        name = data = number = None
        try:
            for line in self.answer:
                line = line.decode().rstrip("\n")
                if not line:
                    self.last = number or self.last
                    if data is not None:
                        self.events.append((number, name, json.loads(data)))
                    name = data = number = None
                elif line.startswith(":"):
                    self.comments += 1
                else:
                    field, _, value = line.partition(": ")
                    name = value if field == "event" else name
                    data = value if field == "data" else data
                    number = value if field == "id" else number
                    self.retry = int(value) if field == "retry" else self.retry
            self.ended = "whole"
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            self.ended = self.ended or "cut"

    def until(self, condition, seconds=WAIT_SECONDS):
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.01)
        return condition()

    def of(self, *names):
        return [data for _, name, data in list(self.events) if name in names]

    def close(self):
        self.ended = self.ended or "closed"
        with contextlib.suppress(OSError):
            self.connection.sock.shutdown(socket.SHUT_RDWR)  # wakes the reader
        if self.thread:
            self.thread.join(WAIT_SECONDS)
        self.connection.close()


def groups(listener, start, count):
    for number in range(start, start + count):
        listener.put(f"groups/g-{number}", {"name": {"pt": "g", "en": "g"}, "priority": number})


def changed(stream, kind="group"):
    return [row["id"] for row in stream.of("config.changed") if row["kind"] == kind]


def names(start, count):
    return [f"g-{number}" for number in range(start, start + count)]


def test_order_and_resume(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        listener = Listener(daemon, t)
        stream = Stream(daemon)
        t.equal((stream.status, stream.type, stream.retry), (200, "text/event-stream", 2000), "a stream of events begins")
        groups(listener, 0, 20)
        t.check(stream.until(lambda: len(changed(stream)) == 20), "each change is told", str(stream.events))
        t.equal(changed(stream), names(0, 20), "in order")
        numbers = [int(number.split("-")[1]) for number, _, _ in stream.events]
        t.equal(numbers, sorted(set(numbers)), "ids grow")
        t.equal([row["version"] for row in stream.of("config.changed")], [1] * 20, "with the version")
        tenth = stream.events[9][0]
        stream.close()
        groups(listener, 20, 5)
        again = Stream(daemon, last=tenth)
        t.check(again.until(lambda: len(changed(again)) == 15), "what came meanwhile is told", str(again.events))
        t.equal(changed(again), names(10, 15), "from the id on, once each")
        other = Stream(daemon, f"?last_event_id={tenth}")
        t.check(other.until(lambda: len(changed(other)) == 15), "by the parameter, too")
        newest = Stream(daemon)
        listener.api("DELETE", "/api/v1/groups/g-0")
        t.check(newest.until(lambda: changed(newest)), "one that begins now hears of now alone")
        t.equal(newest.of("config.changed"), [{"kind": "group", "id": "g-0", "customer": "", "version": 0}], "a deletion has version 0")
        for bad in ("nonsense", "0123456789abcdef-3", tenth.split("-")[0] + "-999999999"):
            reset = Stream(daemon, last=bad)
            t.equal([name for _, name, _ in reset.events], ["reset"], f"an id that is none of ours: {bad}")
            t.equal(reset.last, newest.last, "says where it goes on")
            reset.close()
        last = newest.last
        for each in (again, other, newest):
            each.close()
        groups(listener, 100, 1)
        after = Stream(daemon, last=last)
        t.check(after.until(lambda: changed(after) == ["g-100"]), "kept for a while when nobody listens", str(after.events))
        after.close()
        daemon.kill()
        with serving(binary, config(), path) as second:
            reset = Stream(second, last=last)
            t.equal([name for _, name, _ in reset.events], ["reset"], "an id of the process before: reset")
            reset.close()


def test_reset_when_too_old(t, binary):
    """More events than are kept: whoever has missed some is told so."""
    with folder() as path, serving(binary, config(), path) as daemon:
        listener = Listener(daemon, t)
        stream = Stream(daemon, "?topics=config.changed")
        groups(listener, 0, 1)
        stream.until(lambda: changed(stream))
        first = stream.events[0][0]
        bulk(listener, 9000)
        t.check(stream.until(lambda: len(changed(stream)) == 9001, 60), "a client that reads hears all 9001", str(len(changed(stream))))
        late = Stream(daemon, "?topics=config.changed", last=first)
        t.equal([name for _, name, _ in late.events], ["reset"], "one that comes too late is told to read anew")
        stream.close()
        late.close()


def bulk(listener, count, prefix="b"):
    """So many documents in one job."""
    step = 3000
    for start in range(0, count, step):
        rows = [{"op": "create", "kind": "group", "id": f"{prefix}-{number}", "document": {"name": {"pt": "x", "en": "x"}, "priority": 1}}
                for number in range(start, min(count, start + step))]
        made = listener.api("POST", "/api/v1/jobs", {"kind": "bulk", "operations": rows})[2]
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            job = listener.api("GET", f"/api/v1/jobs/{made['id']}")[2]
            if job["status"] not in ("queued", "running"):
                break
            time.sleep(0.1)
        listener.t.equal((job["status"], job["failed"]), ("done", 0), "the job wrote its documents")


def test_topics(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        listener = Listener(daemon, t)
        listener.customer("clinica")
        listener.plan("p", [limit("daily", "requests", "day", 4, alert_percent=[50, 100])])
        listener.subscribe("clinica", "p-1")
        between_hours()
        all_of_it, jobs, both = Stream(daemon), Stream(daemon, "?topics=job.progress"), Stream(daemon, "?topics=alert,limit.edge")
        ticks = Stream(daemon, "?topics=usage.tick&customer=clinica")
        for _ in range(4):
            t.equal(listener.chat("clinica")[0], 200, "a call")
        t.check(both.until(lambda: len(both.events) == 4), "two shares, each an alert and its short form", str(both.events))
        rows = listener.alerts()
        t.equal(sorted(both.of("alert"), key=lambda row: -row["id"]), rows, "the alert as the list has it")
        t.equal([(row["alert"], row["subject"], row["percent"], row["used"], row["limit"]) for row in both.of("limit.edge")],
                [(row["id"], "daily", row["percent"], row["used"], 4) for row in reversed(rows)], "the edge is its short form")
        bulk(listener, 10)
        t.check(jobs.until(lambda: any(row["status"] == "done" for row in jobs.events and jobs.of("job.progress"))), "a job's progress")
        t.check({name for _, name, _ in jobs.events} == {"job.progress"}, "and nothing else for that topic", str(jobs.events))
        t.equal((jobs.of("job.progress")[-1]["done"], jobs.of("job.progress")[-1]["kind"]), (10, "bulk"), "with figures")
        t.check(ticks.until(lambda: sum(row["requests"] for row in ticks.of("usage.tick")) == 4), "ticks add up to the calls", str(ticks.events))
        t.check(all_of_it.until(lambda: sum(row["requests"] for row in all_of_it.of("usage.tick")) == 4), "of all customers, too")
        usage = [json.loads(line) for line in daemon.request("GET", "/api/v1/usage?customer=clinica", None, TOKEN)[2].splitlines()]
        t.equal(sum(row["cost_nano"] for row in ticks.of("usage.tick")), sum(row["cost_nano"] for row in usage), "and to the cost of the rows")
        t.equal(sum(row["charge_nano"] for row in ticks.of("usage.tick")), sum(row["charge_nano"] for row in usage), "and to the charge")
        t.equal({row["unit"] for row in ticks.of("usage.tick")}, {"USD"}, "in the customer's unit")
        t.check({"alert", "limit.edge", "usage.tick", "config.changed", "job.progress"} <= {name for _, name, _ in all_of_it.events},
                "without topics: all", str({name for _, name, _ in all_of_it.events}))
        t.check(all(row["customer"] == "" for row in all_of_it.of("usage.tick")), "a listener to all gets the ticks of all")
        wrong = Stream(daemon, "?topics=alert,nothing")
        t.equal((wrong.status, wrong.problem["code"], wrong.problem["param"]), (400, "invalid_field", "topics"), "no such topic")
        t.equal(Stream(daemon, "?customer=nobody").status, 404, "no such customer")
        for each in (all_of_it, jobs, both, ticks):
            each.close()


def test_ticks_are_few(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        listener = Listener(daemon, t)
        listener.customer("clinica")
        stream = Stream(daemon, "?topics=usage.tick")
        started = time.monotonic()
        listener.storm("clinica", 300)
        t.check(stream.until(lambda: sum(row["requests"] for row in stream.of("usage.tick")) == 300), "every call is in a tick", str(stream.events))
        seconds = time.monotonic() - started
        t.check(len(stream.events) <= 2 * seconds + 2, "at most two a second", f"{len(stream.events)} in {seconds:.1f} s")
        stream.close()


def test_whose(t, binary):
    with folder() as path, serving(binary, config(), path, env=OWNER_MADE) as daemon:
        listener = Listener(daemon, t)
        for name in ("clinica", "other"):
            listener.customer(name)
            listener.put(f"limits/{name}", {"owner": "customer", "owner_id": name, "alert_percent": [1],
                                            **limit("own", "requests", "month", 10)})
        machine = listener.post("machine-tokens", {"name": "portal", "permissions": ["alerts:read", "usage:read"], "customer": "clinica"})
        browser = Browser(daemon)
        t.equal(browser.login(OWNER)[0], 200, "the owner signs in")
        own, foreign = Stream(daemon, key=listener.keys["clinica"]), Stream(daemon, key=listener.keys["other"])
        token, cookie = Stream(daemon, key=machine["secret"]), Stream(daemon, cookie=browser.cookie)
        t.equal((own.status, token.status, cookie.status), (200, 200, 200), "a key, a token of a customer and a session listen")
        listener.chat("clinica")
        listener.put("customer-profiles/clinica", {"customer": "clinica", "name": "Aurora"})
        groups(listener, 0, 1)
        t.check(cookie.until(lambda: cookie.of("alert") and changed(cookie) and changed(cookie, "profile") and cookie.of("usage.tick")),
                "the operator hears all of it", str(cookie.events))
        for stream, what in ((own, "the key"), (token, "the token")):
            t.check(stream.until(lambda: stream.of("alert") and stream.of("usage.tick")), f"{what} hears of its customer", str(stream.events))
            t.equal(changed(stream), [], f"{what} hears nothing of the operator's documents")
            t.check(all(row["customer"] == "clinica" for row in stream.of("alert", "usage.tick", "limit.edge", "config.changed")),
                    f"{what} hears of nobody else", str(stream.events))
        t.equal(changed(own, "profile"), ["clinica"], "its own profile was changed")
        t.equal(token.of("config.changed"), [], "the token has no permission for documents")
        time.sleep(1)
        t.equal(foreign.events, [], "another customer hears nothing")
        listener.chat("other")
        t.check(foreign.until(lambda: foreign.of("alert") and foreign.of("usage.tick")), "until it is about itself")
        t.check(all(row["customer"] == "other" for row in foreign.of("alert", "usage.tick")), "alone", str(foreign.events))
        t.equal((len(own.of("alert")), len(own.of("usage.tick"))), (1, 1), "which the first does not hear")
        resumed = Stream(daemon, key=listener.keys["clinica"], last=cookie.events[0][0])
        time.sleep(0.5)
        t.check(all(row["customer"] == "clinica" for _, name, row in resumed.events if name != "reset"), "nor by an id of another", str(resumed.events))
        t.equal(Stream(daemon, "?customer=other", key=listener.keys["clinica"]).status, 404, "a key names nobody else")
        t.equal(Stream(daemon, "?customer=other", key=machine["secret"]).status, 404, "nor does a token")
        t.equal(Stream(daemon, "?topics=config.changed", key=machine["secret"]).status, 403, "a topic without its permission is refused")
        t.equal(Stream(daemon, key="ck_test_nobody_0123456789abcdef").status, 401, "nobody without a credential")
        full = [Stream(daemon, key=listener.keys["other"]) for _ in range(PER_CUSTOMER_MAX)]
        refused = [stream for stream in full if stream.status != 200]
        t.equal([(stream.status, stream.problem["code"], stream.retry_after) for stream in refused], [(503, "overloaded", "10")],
                "one customer has a bounded number of listeners")
        for each in [own, foreign, token, cookie, resumed, *full]:
            each.close()


def memory_bytes(daemon):
    text = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) << 10


def test_a_slow_listener(t, binary):
    """Over the Unix socket, whose buffers are small: it reads nothing, and is let go."""
    with folder() as path, serving(binary, config(), path) as daemon:
        listener = Listener(daemon, t)
        quick = Stream(daemon, "?topics=config.changed")
        slow = socket.socket(socket.AF_UNIX)
        slow.connect(str(next(path.glob("data/*.sock"))))
        slow.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: cota\r\n\r\n")
        time.sleep(0.5)
        bulk(listener, 3000, "warm")
        before = memory_bytes(daemon)
        bulk(listener, 9000)
        grown = memory_bytes(daemon) - before
        t.check(grown < 64 * QUEUE_BYTES, "memory stays flat", f"{grown >> 10} KiB more")  # the documents are in it
        dropped = daemon.wait_event("event_listener_dropped", 1, 40)
        t.equal(len(dropped), 1, "who reads nothing is let go")
        t.check(dropped and dropped[0]["queued"] < QUEUE_BYTES, "with a bounded queue", str(dropped))
        t.check(quick.until(lambda: len(changed(quick)) == 12000, 60), "and nobody else notices", str(len(changed(quick))))
        slow.close()
        quick.close()


def test_many_listeners_and_term(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        listener = Listener(daemon, t)
        streams = [Stream(daemon, "?topics=config.changed,alert") for _ in range(LISTENERS)]
        t.equal({stream.status for stream in streams}, {200}, f"{LISTENERS} listeners")
        status, _, _ = daemon.chat()
        t.equal((status, listener.api("GET", "/api/v1/status")[0]), (200, 200), "hold neither a worker nor the pool")
        groups(listener, 0, 3)
        t.check(all(stream.until(lambda: changed(stream) == names(0, 3)) for stream in streams), "all of them hear, in order")
        started = time.monotonic()
        daemon.signal(signal.SIGTERM)
        t.check(all(stream.until(lambda: stream.ended == "whole", 5) for stream in streams), "TERM ends each of them cleanly",
                str([stream.ended for stream in streams]))
        t.equal(daemon.stop(), 0, "the daemon stops")
        seconds = time.monotonic() - started
        t.check(seconds < 4, "at once", f"{seconds:.1f} s")


def test_a_heartbeat(t, binary):
    with folder() as path, serving(binary, config(), path) as daemon:
        stream = Stream(daemon, "?topics=alert")
        begun = stream.comments
        groups(Listener(daemon, t), 0, 3)
        t.check(stream.until(lambda: stream.comments > begun, 25), "a comment comes within 15 seconds and a little")
        t.equal(stream.events, [], "which is no event")
        t.check(int(stream.last.split("-")[1]) >= 3, "but moves the id on, past what it did not ask for", str(stream.last))
        stream.close()


# --- what ends soon ---------------------------------------------------------------------------------------------------------
def after(**span):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


def expiring(listener):
    return sorted((row["kind"], row["subject"], row["scope"], row["limit"]) for row in listener.alerts(limit=500) if row["metric"] == "days")


def wait_expiring(listener, count):
    deadline = time.monotonic() + WAIT_SECONDS
    while len(expiring(listener)) < count and time.monotonic() < deadline:
        time.sleep(0.1)
    return expiring(listener)


def make_ends(listener):
    listener.customer("clinica")
    listener.plan("p", trial_days=10)
    listener.put("licenses/soon", {"customer": "clinica", "modules": ["ai"], "ai_enabled": True, "status": "active", "valid_to": after(days=5)})
    listener.put("licenses/far", {"customer": "clinica", "modules": ["ai"], "ai_enabled": True, "status": "active", "valid_to": after(days=8)})
    listener.put("licenses/off", {"customer": "clinica", "modules": ["ai"], "ai_enabled": True, "status": "suspended", "valid_to": after(days=5)})
    zone = (datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=-11))) + datetime.timedelta(hours=12)).isoformat(timespec="seconds")
    listener.put("overrides/near", {"scope": "customer", "scope_id": "clinica", "target": "feature", "op": "deny", "selector": {"feature": "x"},
                                    "expires_at": zone, "reason": "test"})
    listener.put("overrides/past", {"scope": "customer", "scope_id": "clinica", "target": "feature", "op": "deny", "selector": {"feature": "x"},
                                    "expires_at": after(days=-1), "reason": "test"})
    key = listener.post("keys", {"customer": "clinica", "name": "short", "expires_at": after(hours=20)})
    gone = listener.post("keys", {"customer": "clinica", "name": "gone", "expires_at": after(hours=20)})
    listener.api("DELETE", f"/api/v1/keys/clinica/{gone['id']}")
    cancelled = listener.subscribe("clinica", "p-1", status="cancel_scheduled", cancel_at=after(days=3), anchor_at=after(days=-30))
    trial = listener.subscribe("clinica", "p-1", status="trialing", anchor_at=after(days=-4))
    listener.subscribe("clinica", "p-1", status="trialing", anchor_at=after(days=-1))
    listener.post("customers/clinica/grants", {"amount_usd": "5", "expires_at": after(days=2)})
    return key, cancelled, trial


def test_what_ends_soon(t, binary):
    with folder() as path:
        with serving(binary, config(), path) as daemon:
            key, cancelled, trial = make_ends(Listener(daemon, t))
            daemon.kill()
        with serving(binary, config(), path) as daemon:
            listener = Listener(daemon, t)
            rows = wait_expiring(listener, 6)
            grant = [row["subject"] for row in listener.alerts(kind="grant_expiring")]
            wanted = sorted([("license_expiring", "soon", "license", 7), ("override_expiring", "near", "customer", 1),
                             ("key_expiring", key["id"], "key", 1), ("subscription_ending", cancelled["id"], "subscription", 7),
                             ("subscription_ending", trial["id"], "trial", 7), ("grant_expiring", *grant, "grant", 7)])
            t.equal(rows, wanted, "each that ends within 7 days or 1, by the nearest of them, and nothing else")
            t.equal({row["customer"] for row in listener.alerts(limit=500)}, {"clinica"}, "each says whose it is")
            t.equal({row["severity"] for row in listener.alerts(kind="license_expiring")}, {"warning"}, "a week before is a warning")
            t.equal([(row["severity"], row["used"], row["key"]) for row in listener.alerts(kind="key_expiring")], [("critical", 0, key["id"])],
                    "a day before is critical")
            first = listener.alerts(limit=500)
            daemon.kill()
        with serving(binary, config(), path) as daemon:
            listener = Listener(daemon, t)
            stream = Stream(daemon, "?topics=alert")
            time.sleep(3)
            t.equal(listener.alerts(limit=500), first, "after kill -9 none is told again")
            t.equal(stream.events, [], "nor as an event")
            stream.close()
            listener.put("licenses/soon", {"customer": "clinica", "modules": ["ai"], "ai_enabled": True, "status": "active", "valid_to": after(days=6)})
            daemon.kill()
        with serving(binary, config() + 'expiry_notice_days: "9,7,1"\n', path) as daemon:
            rows = wait_expiring(Listener(daemon, t), 9)
            t.equal([row for row in rows if row not in wanted] + [row for row in wanted if rows.count(row) > 1],
                    [("license_expiring", "far", "license", 9), *[row for row in rows if row[2:] == ("trial", 9)],
                     ("license_expiring", "soon", "license", 7)], "another end, and other days, are told anew")
        with serving(binary, config() + 'expiry_notice_days: "none"\n', path) as daemon:
            Listener(daemon, t).put("licenses/new", {"customer": "clinica", "modules": ["ai"], "ai_enabled": True, "status": "active",
                                                     "valid_to": after(hours=2)})
            daemon.kill()
        with serving(binary, config() + 'expiry_notice_days: "none"\n', path) as daemon:
            time.sleep(2)
            t.check(all(row[1] != "new" for row in expiring(Listener(daemon, t))), "none: nothing is told")


def test_many_ends(t, binary):
    """More than one piece of the sweep, killed in the middle of it: each once."""
    count = 2500
    with folder() as path:
        with serving(binary, config(), path) as daemon:
            listener = Listener(daemon, t)
            listener.customer("clinica")
            rows = [{"op": "create", "kind": "license", "id": f"many-{number}",
                     "document": {"customer": "clinica", "modules": ["ai"], "ai_enabled": True, "status": "active", "valid_to": after(days=4)}}
                    for number in range(count)]
            made = listener.api("POST", "/api/v1/jobs", {"kind": "bulk", "operations": rows})[2]
            while listener.api("GET", f"/api/v1/jobs/{made['id']}")[2]["status"] in ("queued", "running"):
                time.sleep(0.1)
            daemon.kill()
        told = 0
        for _ in range(3):
            with serving(binary, config(), path) as daemon:
                listener = Listener(daemon, t)
                deadline = time.monotonic() + 6
                while len(expiring(listener)) in (told, 0) and time.monotonic() < deadline:
                    time.sleep(0.02)
                told = len(expiring(listener))
                daemon.kill()
        with serving(binary, config(), path) as daemon:
            listener, subjects, cursor = Listener(daemon, t), [], ""
            deadline = time.monotonic() + WAIT_SECONDS
            while len(set(subjects)) < count and time.monotonic() < deadline:
                subjects, cursor = [], ""
                while cursor is not None:
                    page = listener.api("GET", f"/api/v1/alerts?kind=license_expiring&limit=500{cursor}")[2]
                    subjects += [row["subject"] for row in page["items"]]
                    cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
            t.equal((len(subjects), len(set(subjects))), (count, count), "each is told once, whenever it was killed")


TESTS = [test_order_and_resume, test_topics, test_ticks_are_few, test_whose, test_reset_when_too_old, test_a_slow_listener,
         test_many_listeners_and_term, test_a_heartbeat, test_what_ends_soon, test_many_ends]


if __name__ == "__main__":
    sys.exit(run_tests(__doc__, TESTS))
