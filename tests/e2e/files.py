#!/usr/bin/env python3
"""files.py - cota apply, export and import litellm against the running daemon: twice is once, and nothing is lost.

usage: tests/e2e/files.py [--binary build/cota] [TEST…]      last line: N passed, N failed, N skipped
"""
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import config, cota, folder, run_tests, serving  # noqa: E402

TOKEN = "admin-token-of-the-test"
SEEDS = pathlib.Path(__file__).parents[2] / "seeds"
MANY = 10000
CATALOGUE = """\
# order in the file does not matter: the cell comes before what it names
kind: matrix_cell
id: pro-chat
plan: pro
feature: chat
provider: sim
profile: user
daily_limit: 3
monthly_limit: null
origin: promo
---
kind: plan_version
id: pro-1
plan: pro
number: 1
status: draft
limits:
- name: hourly
  metric: requests
  window: hour
  value: 100
---
kind: plan
id: pro
name: {pt: "Profissional ✓", en: Professional}
price: "29.00"
currency: BRL
---
documents:
- {kind: feature, id: chat, type: metered, category: chat, name: {pt: Conversa, en: Chat}}
- {kind: group, id: vip, name: {en: VIP}, priority: 5}
"""


class World:
    """A daemon, a folder of files, and the command line."""

    def __init__(self, t, binary, path, daemon):
        self.t, self.binary, self.path, self.daemon = t, binary, path, daemon
        self.files = path / "files"
        self.files.mkdir()

    def run(self, *arguments, seconds=120):
        return cota(self.binary, *map(str, arguments), "--data", str(self.path / "data"), seconds=seconds)

    def apply(self, *arguments, path=None, wanted=0):
        code, out, err = self.run("apply", "-f", path or self.files, "--json", *arguments)
        self.t.equal(code, wanted, f"apply {' '.join(map(str, arguments))}: {err[-300:]} {out[-300:] if code != wanted else ''}")
        said = json.loads(out)
        said["counts"] = tuple(said.get(name) for name in ("created", "updated", "unchanged", "deleted"))
        return said

    def api(self, method, path, body=None):
        status, _, answer = self.daemon.request(method, f"/api/v1/{path}", body, TOKEN)
        return status, json.loads(answer) if answer else None

    def write(self, name, text):
        (self.files / name).write_text(text)


def world(test):
    def run(t, binary):
        with folder() as path, serving(binary, config(), path) as daemon:
            test(t, World(t, binary, path, daemon))
    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@world
def test_apply(t, w):
    """Created, unchanged, updated, pruned; dry runs and diffs say so and change nothing."""
    w.write("a.yaml", CATALOGUE)
    said = w.apply("--dry-run", "--diff")
    t.equal((said["counts"], said["written"]), ((5, 0, 0, 0), 0), "a dry run says what would be made")
    t.equal(w.api("GET", "plans/pro")[0], 404, "… and makes nothing")
    t.equal(w.apply()["counts"], (5, 0, 0, 0), "made, in the order of what names what")
    t.equal(w.apply()["counts"], (0, 0, 5, 0), "again: nothing changes")
    plan = w.api("GET", "plans/pro")[1]
    t.equal((plan["version"], plan["origin"], plan["price"]), (1, "file", "29.00"), "written once, of a file")
    cell = w.api("GET", "plan-matrix/pro-chat")[1]
    t.equal((cell["origin"], cell["document_origin"]), ("promo", "file"), "a cell's own origin is another thing")
    entry = w.api("GET", "audit?kind=plan&id=pro")[1]["items"][0]
    t.equal(entry["actor"], f"file:{w.files}/a.yaml", "the audit trail names the file")
    w.write("a.yaml", CATALOGUE.replace("29.00", "39.00").replace("value: 100", "value: 200"))
    said = w.apply("--dry-run", "--diff")
    changed = {(row["id"], one["member"]): (one["before"], one["after"]) for row in said["changes"] for one in row["diff"]}
    t.equal(changed, {("pro", "price"): ("29.00", "39.00"), ("pro-1", "limits[0].value"): (100, 200)}, "exactly the members that differ")
    code, out, _ = w.run("apply", "-f", w.files, "--dry-run", "--diff")
    t.check(code == 0 and '-price: "29.00"\n+price: "39.00"\n' in out and "--- plan/pro version 1\n" in out, "as a unified diff", out)
    t.equal(w.api("GET", "plans/pro")[1]["version"], 1, "nothing was written")
    t.equal(w.apply()["counts"], (0, 2, 3, 0), "now it is")
    t.equal(w.api("GET", "plans/pro")[1]["version"], 2, "a new version")
    w.api("PUT", "groups/runtime", {"name": {"en": "made over the API"}})
    w.write("a.yaml", CATALOGUE.replace("29.00", "39.00").replace("value: 100", "value: 200").replace("- {kind: group, id: vip", "- {kind: group, id: beta"))
    t.equal(w.apply()["counts"], (1, 0, 4, 0), "without --prune nothing is deleted")
    t.equal(w.apply("--prune", "--dry-run")["counts"], (0, 0, 5, 1), "what prune would delete")
    t.equal(w.api("GET", "groups/vip")[0], 200, "still there")
    t.equal(w.apply("--prune")["counts"], (0, 0, 5, 1), "pruned")
    t.equal((w.api("GET", "groups/vip")[0], w.api("GET", "groups/runtime")[0]), (404, 200), "of files only, never of the API")
    w.write("a.yaml", "kind: feature\nid: chat\ntype: metered\ncategory: chat\nname: {pt: Conversa, en: Chat}\n")
    t.equal(w.apply("--prune")["counts"], (0, 0, 1, 4), "a whole tree goes, what names others first")
    t.check(w.api("GET", "audit/verify")[1]["valid"], "the chain is whole")


@world
def test_side_by_side(t, w):
    """What a file manages is not changed over TCP; what the API made can be taken over."""
    w.write("a.yaml", CATALOGUE)
    w.apply()
    for method, body in [("PUT", {"name": {"en": "x"}}), ("PATCH", {"priority": 1}), ("DELETE", None)]:
        status, problem = w.api(method, "groups/vip", body)
        t.check(status == 409 and problem["code"] == "conflict" and "managed by a file" in problem["detail"], f"{method} over TCP is refused", problem)
    status, _, answer = w.daemon.request("PUT", "/api/v1/groups/vip", {"name": {"en": "x"}}, TOKEN, {"x-cota-origin": "file"})
    t.equal(status, 409, "the header is not believed over TCP")
    status, _, answer = w.daemon.request("PUT", "/api/v1/groups/new", {"name": {"en": "x"}}, TOKEN, {"x-cota-origin": "file", "x-cota-dry-run": "1"})
    t.equal((status, json.loads(answer)["origin"]), (201, "runtime"), "nor when it makes something")
    w.api("PUT", "groups/mine", {"name": {"en": "Mine"}, "priority": 1})
    w.write("b.yaml", "kind: group\nid: mine\npriority: 1\nname: {en: Mine}\n")
    t.equal(w.apply()["counts"], (0, 0, 6, 0), "the same document is left to the API")
    w.write("b.yaml", "kind: group\nid: mine\npriority: 2\nname: {en: Mine}\n")
    said = w.apply()
    t.equal((said["counts"], said["changes"][0]["was_runtime"]), ((0, 1, 5, 0), True), "another one takes it over, and says so")
    t.equal(w.api("DELETE", "groups/mine")[0], 409, "now it is the file's")


@world
def test_refusals(t, w):
    """What is wrong is told with its place, before anything is written."""
    cases = [
        ("an unknown kind", "kind: plann\nid: x\n", "1:7", 'did you mean "plan"'),
        ("no kind", "id: x\n", "1:1", "kind is missing"),
        ("no id", "kind: plan\nname: {en: x}\n", "1:1", "id is missing"),
        ("an unknown member", "kind: group\nid: x\nname: {en: x}\ncolour: red\n", "4:9", "colour"),
        ("a wrong type", 'kind: group\nid: x\nname: {en: x}\npriority: "5"\n', "4:11", "priority"),
        ("a bad value deep inside", "kind: plan_version\nid: v\nplan: p\nnumber: 1\nstatus: draft\nlimits:\n- {name: a, metric: requests, window: hour, value: 1}\n"
         "- {name: b, metric: bananas, window: hour, value: 1}\n", "8:21", "limits[1].metric"),
        ("a price that is no text", "kind: price\nid: p\nmodel: m\npools: {input: 0.15}\n", "4:16", "pools.input"),
        ("the same document twice", "kind: group\nid: x\nname: {en: x}\n---\nkind: group\nid: x\nname: {en: y}\n", "6:5", "there twice"),
        ("a key twice", "kind: group\nid: x\nname: {en: x, en: y}\n", "3:15", "there twice"),
        ("a merge key", "kind: group\nid: x\n<<: {a: b}\n", "3:1", "merge keys"),
        ("an anchor", "kind: group\nid: &x x\nname: {en: x}\n", "2:5", "anchors"),
        ("an alias", "kind: group\nid: x\nname: *y\n", "3:7", "aliases"),
        ("a tag", "kind: group\nid: !!str 5\nname: {en: x}\n", "2:5", "tags"),
        ("an octal number", "kind: group\nid: x\nname: {en: x}\npriority: 010\n", "4:11", "different things"),
        ("no YAML", "kind: group\n id: x\n", "2:4", "not YAML"),
        ("a list of nothing known", "- 1\n- 2\n", "1:1", "must be a mapping"),
        ("what it names is not there", "kind: model\nid: m\nprovider: nobody\n", "3:11", 'there is no provider "nobody"'),
    ]
    for what, text, place, words in cases:
        w.write("bad.yaml", text + "---\nkind: feature\nid: never\ntype: metered\ncategory: chat\nname: {en: x}\n")
        code, out, err = w.run("apply", "-f", w.files)
        t.check(code == 1 and f"bad.yaml:{place}: " in err and words in err, what, f"{code} {err}")
    t.equal(w.api("GET", "features/never")[0], 404, "nothing was written")
    deep = "kind: group\nid: x\nname: " + "[" * 5000 + "]" * 5000 + "\n"
    bomb = "kind: group\nid: x\na: &a [x,x,x]\nb: &b [*a,*a,*a]\nname: {en: *b}\n"
    for what, text in [("nested too deep", deep), ("a bomb of aliases", bomb), ("a NUL", "kind: group\nid: \0\n"), ("a lone key", "?"), ("bytes", "\x85\ufeff%YAML 9.9\n---\n")]:
        w.write("bad.yaml", text)
        t.check(w.run("apply", "-f", w.files)[0] == 1, what)
    (w.files / "bad.yaml").write_bytes(b"kind: \xff\xfe\n")
    t.equal(w.run("apply", "-f", w.files)[0], 1, "no UTF-8")
    (w.files / "bad.yaml").unlink()
    t.equal(w.run("apply", "-f", w.files / "none.yaml")[0], 3, "no such file")
    t.equal(w.run("apply")[0], 2, "no file said")
    t.equal(cota(w.binary, "apply", "-f", str(w.files), "--data", str(w.path / "nowhere"))[0], 0, "no documents: nobody needs to be asked")
    w.write("a.yaml", CATALOGUE.replace("status: draft", "status: active"))
    w.apply()
    w.write("a.yaml", CATALOGUE.replace("status: draft", "status: active").replace("value: 100", "value: 5").replace("29.00", "49.00"))
    for arguments in (["--dry-run"], []):
        said = w.apply(*arguments, wanted=4)
        t.check("new version for new terms" in said["problems"][0]["message"] and said["written"] == 0, "what was sold is not changed", said["problems"])
    t.equal(w.api("GET", "plans/pro")[1]["price"], "29.00", "and nothing else is written then")
    w.api("PUT", "plan-versions/mine", {"plan": "pro", "number": 2, "status": "draft"})
    w.write("a.yaml", "# none\n")
    for arguments in (["--prune", "--dry-run"], ["--prune"]):
        said = w.apply(*arguments, wanted=4)
        t.check('plan_version "mine" still names it' in json.dumps(said["problems"]).replace('\\"', '"'), "the API's document needs the file's", said["problems"])
    t.equal(w.api("GET", "features/chat")[0], 200, "nothing was deleted")


@world
def test_export(t, w):
    """Exported files, applied, change nothing; also strings that YAML would twist."""
    w.write("a.yaml", CATALOGUE)
    w.apply()
    w.api("POST", "keys", {"customer": "loja", "name": "main", "new_customer": True})
    odd = {"n": "no", "empty": "", "number": "012", "null": "null", "lines": "a\nb\t\"c\" \\ 'd'", "emoji": "é ✓ 😀 \u2028 \u0085 \x7f \ufeff",
           "colon": "a: b # c", "dash": "- x", "nested": {"list": [1, [2, [], {}], {"a": {"b": [{"c": None}]}}], "x": {}}, "k" * 150: ["long", {"key": 1.5e-7}],
           "space key: ": True, "float": 1.50, "big": 12345678901234567890}
    w.api("PUT", "customer-profiles/loja", {"customer": "loja", "metadata": odd})
    w.api("POST", "subscriptions", {"customer": "loja", "plan_version": "pro-1", "status": "active"})
    w.api("PUT", "users/loja%2Fana", {"customer": "loja", "external_id": "ana"})
    code, out, err = w.run("export", "-o", w.path / "out", "--json")
    t.check(code == 0 and json.loads(out)["documents"] == 8, "exported", f"{out} {err}")
    said = w.apply(path=w.path / "out")
    t.equal(said["counts"], (0, 0, 8, 0), f"read back with zero changes {said['changes']}")
    t.equal(w.api("GET", "customer-profiles/loja")[1]["metadata"], odd, "and nothing was twisted")
    again = {path.name: path.read_text() for path in (w.path / "out").iterdir()}
    w.run("export", "-o", w.path / "out")
    t.equal({path.name: path.read_text() for path in (w.path / "out").iterdir()}, again, "the same files again")
    t.check("ck_test" not in "".join(again.values()) and "cota_live" not in "".join(again.values()), "no secrets")
    code, out, _ = w.run("export", "--kind", "plan")
    t.equal((code, out.count("kind: ")), (0, 1), "one kind, on stdout")
    rows = json.loads(w.run("export", "--json")[1])["documents"]
    t.check(len(rows) == 8 and rows[0]["kind"] == "feature", "as JSON", rows)
    t.equal(w.run("export", "--kind", "secret")[0], 2, "no such kind")
    with folder() as other, serving(w.binary, config(more_customers="  - {id: loja}"), other) as daemon:
        second = World(t, w.binary, other, daemon)
        t.equal(second.apply(path=w.path / "out")["counts"], (8, 0, 0, 0), "moved to another daemon")
        t.equal(second.api("GET", "customer-profiles/loja")[1]["metadata"], odd, "whole")


LITELLM = """\
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o-2024-11-20
      api_key: os.environ/MY_OPENAI_KEY
      rpm: 500
      tpm: 100000
      input_cost_per_token: 2.5e-06
      output_cost_per_token: 0.00001
    model_info:
      max_tokens: 16384
      max_input_tokens: 128000
      cache_read_input_token_cost: 1.25e-06
      mode: chat
  - model_name: gpt-4o
    litellm_params: {model: azure/gpt-4o-eu, api_base: "https://x.openai.azure.com"}
  - model_name: small
    litellm_params: {model: gpt-4o-mini, api_key: os.environ/MY_OPENAI_KEY, input_cost_per_token: 1.5e-07, output_cost_per_token: "6e-07"}
  - model_name: llama
    litellm_params: {model: hosted_vllm/meta-llama/Llama-3.1-8B, api_base: "http://127.0.0.1:9999/v1", input_cost_per_token: 0, output_cost_per_token: 0.0}
  - model_name: claude
    litellm_params: {model: anthropic/claude-sonnet-4, api_key: sk-ant-SECRET}
  - model_name: "openai/*"
    litellm_params: {model: "openai/*"}
  - model_name: leaky
    litellm_params: {model: groq/llama-3.3-70b, api_key: gsk-SECRET, input_cost_per_token: 1.5e-13}
router_settings:
  fallbacks: [{gpt-4o: [small]}]
  num_retries: 3
litellm_settings:
  callbacks: [langfuse]
  cache: True
general_settings:
  master_key: sk-MASTER-SECRET
environment_variables:
  LANGFUSE_SECRET: sk-lf-SECRET
"""


@world
def test_litellm(t, w):
    """A LiteLLM configuration: models with exact prices, and every other setting reported."""
    source = w.path / "config.yaml"
    source.write_text(LITELLM)
    code, out, err = w.run("import", "litellm", source, "--dry-run")
    t.check(code == 0 and "2 models" not in out and "3 providers, 4 models, 3 prices" in out, "the report", f"{code} {out} {err}")
    t.check("-SECRET" not in out + err, "never a secret", out + err)
    said = json.loads(w.run("import", "litellm", source, "--dry-run", "--json")[1])
    settings = {row["setting"]: row for row in said["not_taken"]}
    for setting, line in [("model_list[0].litellm_params.rpm", 6), ("model_list[0].litellm_params.tpm", 7), ("model_list[0].model_info.mode", 14), ("model_list[1]", 15),
                          ("model_list[4]", 21), ("model_list[5]", 23), ("model_list[6].litellm_params.api_key", 26), ("model_list[6].litellm_params.input_cost_per_token", 26),
                          ("router_settings.fallbacks", 28), ("router_settings.num_retries", 29), ("litellm_settings.callbacks", 31), ("litellm_settings.cache", 32),
                          ("general_settings.master_key", 34), ("environment_variables.LANGFUSE_SECRET", 36)]:
        t.check(setting in settings and settings[setting]["line"] == line, f"reported: {setting}", sorted(settings))
    t.equal(len(settings), 14, "and nothing else")
    t.equal(w.api("GET", "models/small")[0], 404, "a dry run makes nothing")
    code, _, err = w.run("import", "litellm", source, "-o", w.path / "out")
    t.equal(code, 0, f"written as files {err}")
    t.check("-SECRET" not in "".join(path.read_text() for path in (w.path / "out").iterdir()), "no secret in them")
    code, out, err = w.run("import", "litellm", source)
    t.check(code == 0 and "10 created" in out and "not taken:" in err, "applied", f"{out} {err}")
    t.equal(w.apply(path=w.path / "out")["counts"], (0, 0, 10, 0), "the files say the same")
    t.equal(w.api("GET", "prices/litellm-gpt-4o")[1]["pools"], {"input": "2.5", "output": "10", "cached_input": "1.25"}, "per million, exactly")
    t.equal(w.api("GET", "prices/litellm-small")[1]["pools"], {"input": "0.15", "output": "0.6"}, "an exponent, exactly")
    t.equal(w.api("GET", "prices/litellm-llama")[1]["pools"], {"input": "0", "output": "0"}, "free is said, not guessed")
    model = w.api("GET", "models/gpt-4o")[1]
    t.equal((model["provider"], model["upstream_model"], model["max_output_tokens"], model["context_tokens"]), ("openai", "gpt-4o-2024-11-20", 16384, 128000), "the model")
    t.equal(w.api("GET", "providers/openai")[1]["api_key_env"], "MY_OPENAI_KEY", "its key is a variable's")
    t.equal(w.api("GET", "models/llama")[1]["upstream_model"], "meta-llama/Llama-3.1-8B", "only the first word is the provider")
    source.write_text("model_list: [\n")
    t.equal(w.run("import", "litellm", source)[0], 1, "no YAML")
    t.equal(w.run("import", "litellm", w.path / "none.yaml")[0], 3, "no file")


@world
def test_seeds(t, w):
    """Every folder of seeds applies, twice, and means what the source systems say."""
    for name, count in [("s2", 2), ("s3", 6), ("s4", 79), ("s5", 8)]:
        t.equal(w.apply(path=SEEDS / name)["counts"], (count, 0, 0, 0), f"{name} is applied")
        t.equal(w.apply(path=SEEDS / name)["counts"], (0, 0, count, 0), f"{name} again: nothing")
    limits = w.api("GET", "plan-versions/crm-padrao-1")[1]["limits"]
    t.equal([(row["metric"], row["window"], row["value"], row["alert_percent"]) for row in limits],
            [("requests", "hour", 100, [80]), ("tokens", "day", 50000, [80]), ("cost", "month", "100", [80])], "S2's limits")
    credit = w.api("GET", "plan-versions/starter-1")[1]["credit"]
    t.equal((credit["minimum"], credit["unit"]["pt"]), ("10", "créditos"), "S3's minimum")
    rows = w.api("GET", "resolve?plan=premium&feature=user-chat&profile=user")[1]["candidates"]
    t.equal({(row["provider"], row["daily_limit"], row["monthly_limit"]) for row in rows}, {("openai", 50, 1000)}, "S4: premium; Anthropic waits for its dialect")
    cell = w.api("GET", "plan-matrix/premium-user-chat-anthropic-all")[1]
    t.equal((cell["provider"], cell["daily_limit"], cell["monthly_limit"]), ("anthropic", 50, 1000), "… with its cell")
    rows = w.api("GET", "resolve?plan=free&feature=user-chat&profile=user")[1]["candidates"]
    t.equal([(row["provider"], row["daily_limit"], row["monthly_limit"]) for row in rows], [("openai", 3, 30)], "S4: free")
    rows = w.api("GET", "resolve?plan=free&feature=admin-oracle&profile=admin")[1]["candidates"]
    t.equal([(row["provider"], row["daily_limit"]) for row in rows], [("openai", None)], "S4: administrators have no limit")
    names = [w.api("GET", f"plans/{name}")[1]["name"]["pt"] for name in ("gratuito", "basico", "pro", "enterprise")]
    t.equal(names, ["Gratuito", "Básico", "Pro", "Enterprise"], "S5's plans")


@world
def test_many(t, w):
    """Ten thousand documents."""
    w.write("many.yaml", "documents:\n" + "".join(f"- {{kind: group, id: g{n}, name: {{en: Group {n}}}, priority: {n}}}\n" for n in range(MANY)))
    start = time.monotonic()
    t.equal(w.apply()["counts"], (MANY, 0, 0, 0), "all are made")
    first = time.monotonic() - start
    start = time.monotonic()
    t.equal(w.apply("--prune")["counts"], (0, 0, MANY, 0), "again: nothing")
    print(f"    {MANY} documents: {first:.1f} s, unchanged {time.monotonic() - start:.1f} s")
    t.check(first < 60, "in reasonable time", first)


TESTS = [test_apply, test_side_by_side, test_refusals, test_export, test_litellm, test_seeds, test_many]


if __name__ == "__main__":
    sys.exit(run_tests(__doc__, TESTS))
