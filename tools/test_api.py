#!/usr/bin/env python3
"""test_api.py - api.py must see each of these mistakes in openapi.yaml, and none in the one that we have."""
import copy
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import api as tool

GOOD = tool.Api((tool.ROOT / "openapi.yaml").read_text())
PLANS, PLAN = "/api/v1/plans", "/api/v1/plans/{id}"


def operation(path, method):
    return lambda document: document["paths"][path][method]


def schema(name):
    return lambda document: document["components"]["schemas"][name]


def body_example(path, method):
    return lambda document: next(iter(document["paths"][path][method]["requestBody"]["content"].values()))["example"]


def key(where, name, value):
    return lambda document: where(document).__setitem__(name, value)


def gone(where, name):
    return lambda document: where(document).pop(name)


CASES = [  # what is wrong, how it comes about, a part of the complaint
    ("a reference to nothing", key(schema("Plan"), "allOf", [{"$ref": "#/components/schemas/Nothing"}]), "is not there"),
    ("an operationId twice", key(operation(PLANS, "get"), "operationId", "getPlan"), "operationId of two operations"),
    ("no summary", gone(operation(PLANS, "get"), "summary"), "summary is missing"),
    ("an unknown scope", key(operation(PLANS, "get"), "x-scope", "all"), "x-scope must be one of"),
    ("an unknown error", key(operation(PLANS, "get"), "x-errors", ["NOTHING"]), "not in src/base/err.def"),
    ("an undeclared tag", key(operation(PLANS, "get"), "tags", ["things"]), "is not declared"),
    ("a kind without an operation", gone(lambda document: document["paths"][PLAN], "patch"), "PATCH /api/v1/plans/{id}: is missing"),
    ("a kind that is none", key(operation("/api/v1/status", "get"), "x-kind", "STATUS"), "is no kind"),
    ("the operation of another kind", key(operation(PLANS, "get"), "x-kind", "GROUP"), "x-kind and x-handler must be PLAN"),
    ("a path parameter less", key(operation(PLAN, "get"), "parameters", []), "not those of its path"),
    ("no answer for errors", gone(lambda document: document["paths"][PLAN]["get"]["responses"], "default"), "no answer for errors"),
    ("no example", gone(lambda document: next(iter(document["paths"][PLANS]["post"]["requestBody"]["content"].values())), "example"), "has no example"),
    ("an example without a member", gone(body_example(PLANS, "post"), "name"), "name is missing"),
    ("an example with a foreign member", key(body_example(PLANS, "post"), "nome", "x"), "no member nome"),
    ("an example of another type", key(body_example(PLANS, "post"), "price", 29), "is of type integer"),
    ("an example out of format", key(body_example(PLANS, "post"), "price", "29,00"), "is no decimal"),
    ("an instant that YAML made a date", key(body_example("/api/v1/subscriptions", "post"), "anchor_at", __import__("datetime").date(2026, 1, 1)), "put it in quotes"),
    ("a patch with a wrong value", key(body_example(PLAN, "patch"), "active", "no"), "is of type string"),
    ("a keyword that nothing checks", key(schema("Words"), "pattern", "a"), "keywords that nothing checks"),
    ("a member without a description", gone(lambda document: document["components"]["schemas"]["Words"]["properties"]["pt"], "description"), "has no description"),
    ("an unknown format", key(schema("Currency"), "format", "iban"), "there is no format"),
    ("a body that takes anything", gone(schema("PlanNew"), "unevaluatedProperties"), "must refuse members"),
    ("a required member that is none", key(schema("Words"), "required", ["fr"]), "required, but no member"),
    ("unique items without a bound", gone(lambda document: document["components"]["schemas"]["PlanVersionFields"]["properties"]["modules"], "maxItems"), "needs maxItems"),
]


def problems_of(change):
    broken = copy.copy(GOOD)
    broken.document, broken.problems = copy.deepcopy(GOOD.document), []
    change(broken.document)
    try:
        tool.check(broken)
    except tool.Wrong as what:
        broken.problems.append(str(what))
    return broken.problems


def main():
    failures = [f"the document as it is: {problem}" for problem in problems_of(lambda document: None)]
    for what, change, complaint in CASES:
        problems = problems_of(change)
        if not any(complaint in problem for problem in problems):
            failures.append(f"{what}: not seen; said {problems[:2]}")
    try:
        tool.Api("a: 1\nb: {c: 1, c: 2}\n")
        failures.append("a key twice: not seen")
    except tool.Wrong:
        pass
    print("\n".join(failures) or f"{len(CASES) + 1} mistakes seen")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
