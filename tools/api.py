#!/usr/bin/env python3
"""api.py - openapi.yaml: checked, and turned into C tables, the reference and JSON.

usage: tools/api.py [--table FOLDER | --docs FILE | --json FILE | --check]
  (nothing)        checks openapi.yaml: references, names, examples, kinds, errors
  --table FOLDER   writes api_table.h and api_table.c (the build does)
  --docs FILE      writes the reference page
  --json FILE      writes the same document as JSON
  --check          checks, and that docs/reference/api.md is what --docs would write
"""
import ipaddress
import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
METHODS = ("get", "post", "put", "patch", "delete")
SCOPES = ("read", "write", "money", "audit", "self")
PLACES = ("self", "document", "path", "query", "body")  # where an operation has the customer
ACTIONS = {"list": ("get", ""), "create": ("post", ""), "get": ("get", "/{id}"), "replace": ("put", "/{id}"),
           "change": ("patch", "/{id}"), "delete": ("delete", "/{id}")}
SHOWN_ONLY = ("JOB",)  # kinds that the server alone writes
TYPES = {"null": "SCHEMA_NULL", "boolean": "SCHEMA_BOOLEAN", "integer": "SCHEMA_INTEGER", "number": "SCHEMA_NUMBER",
         "string": "SCHEMA_STRING", "array": "SCHEMA_ARRAY", "object": "SCHEMA_OBJECT"}
NOTES = {"description", "default", "readOnly", "writeOnly", "example"}
KEYWORDS = NOTES | {"$ref", "type", "format", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
                    "uniqueItems", "minProperties", "maxProperties", "items", "properties", "required", "allOf",
                    "additionalProperties", "unevaluatedProperties"}
UNIQUE_ITEMS_MAX = 1024  # of src/codec/schema.h
LENGTHS = {"string": "Length", "array": "Items", "object": "Properties"}


class Wrong(Exception):
    pass


# --- formats: the same as src/codec/schema_format.c ---------------------------------------------------------------------
def is_date(text):
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.A):
        return False
    year, month, day = map(int, text.split("-"))
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= month <= 12 and 1 <= day <= [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]


def is_instant(text):
    found = re.fullmatch(r"(.{10})[Tt](\d\d):(\d\d):(\d\d)(\.\d{1,9})?([Zz]|[+-](\d\d):(\d\d))", text, re.A)
    return bool(found) and is_date(found[1]) and int(found[2]) < 24 and int(found[3]) < 60 and int(found[4]) < 60 \
        and int(found[7] or 0) < 24 and int(found[8] or 0) < 60


def is_cidr(text):
    try:
        return bool(ipaddress.ip_network(text)) and "%" not in text
    except ValueError:
        return False


def is_name(text):
    return re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", text) is not None


FORMATS = {
    "date-time": ("SCHEMA_FORMAT_INSTANT", is_instant),
    "date": ("SCHEMA_FORMAT_DATE", is_date),
    "decimal": ("SCHEMA_FORMAT_DECIMAL", lambda text: re.fullmatch(r"(0|[1-9]\d{0,8})(\.\d{1,9})?", text, re.A)),
    "name": ("SCHEMA_FORMAT_NAME", is_name),
    "id": ("SCHEMA_FORMAT_ID", lambda text: is_name(text) or re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", text)),
    "cidr": ("SCHEMA_FORMAT_CIDR", is_cidr),
    "email": ("SCHEMA_FORMAT_EMAIL", lambda text: re.fullmatch(r"[^\s@]{1,64}@[^\s@.]+(\.[^\s@.]+)+", text)),
    "uri": ("SCHEMA_FORMAT_URL", lambda text: re.fullmatch(r"https?://[^/?#\s]+\S*", text)),
}


# --- the document -------------------------------------------------------------------------------------------------------
class UniqueLoader(yaml.SafeLoader):
    """YAML keeps the last of two equal keys without a word; here that is an error."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise Wrong(f"line {node.start_mark.line + 1}: {key} is there twice")
        return super().construct_mapping(node, deep)


class Api:
    def __init__(self, text):
        self.document = yaml.load(text, Loader=UniqueLoader)
        self.problems = []

    def wrong(self, place, what):
        self.problems.append(f"openapi.yaml: {place}: {what}")

    def follow(self, node):
        """The node that a reference means; other members of the node stay beside it."""
        seen = set()
        while isinstance(node, dict) and "$ref" in node:
            if node["$ref"] in seen:
                raise Wrong(f"{node['$ref']} means itself")
            seen.add(node["$ref"])
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                if not isinstance(target, dict) or part not in target:
                    raise Wrong(f"{node['$ref']} is not there")
                target = target[part]
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        return node

    def flat(self, schema):
        """References followed and allOf merged: one plain schema."""
        schema = self.follow(schema)
        if not isinstance(schema, dict):
            raise Wrong("a schema must be a mapping")
        if "allOf" not in schema:
            return schema
        merged = {"type": "object", "properties": {}, "required": []}
        for part in [*schema["allOf"], {key: value for key, value in schema.items() if key != "allOf"}]:
            part = self.flat(part)
            for name in part.get("properties", {}):
                if name in merged["properties"]:
                    raise Wrong(f"allOf has {name} twice")
            merged["properties"].update(part.get("properties", {}))
            merged["required"] += [name for name in part.get("required", []) if name not in merged["required"]]
            merged.update({key: value for key, value in part.items() if key not in ("properties", "required")})
        return merged

    def operations(self):
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                yield path, method, operation

    def parameters(self, operation):
        return [self.follow(parameter) for parameter in operation.get("parameters", [])]

    def content(self, holder):
        """(media type, schema, example) of a request body or an answer; None without one."""
        for media, content in self.follow(holder).get("content", {}).items():
            return media, content["schema"], content.get("example")
        return None


def types_of(schema):
    kinds = schema.get("type", list(TYPES))
    return kinds if isinstance(kinds, list) else [kinds]


def is_closed(schema):
    """Are members that it does not name refused?"""
    return schema.get("additionalProperties", schema.get("unevaluatedProperties", True)) is False


def type_name(value):
    for kind, python in (("null", type(None)), ("boolean", bool), ("integer", int), ("number", float), ("string", str),
                         ("array", list), ("object", dict)):
        if isinstance(value, python):
            return kind
    raise Wrong(f"{value!r} is no JSON value; put it in quotes")


def check_scalar(schema, value, path):
    kind = type_name(value)
    if value is not None and "enum" in schema and value not in schema["enum"]:
        raise Wrong(f"{path}: must be one of {schema['enum']}")
    if kind in ("integer", "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        raise Wrong(f"{path}: out of bounds")
    if kind == "string" and not FORMATS.get(schema.get("format"), ("", lambda text: True))[1](value):
        raise Wrong(f"{path}: is no {schema['format']}")
    if word := LENGTHS.get(kind):
        if not schema.get("min" + word, 0) <= len(value) <= schema.get("max" + word, len(value)):
            raise Wrong(f"{path}: too short or too long")


def check_value(api, schema, value, path, writing, partial=False):
    """The same as schema_check() of src/codec/schema.c."""
    schema = api.flat(schema)
    kind = type_name(value)
    kinds = types_of(schema)
    if kind not in kinds and not (kind == "integer" and "number" in kinds):
        raise Wrong(f"{path}: is of type {kind}, must be {' or '.join(kinds)}")
    check_scalar(schema, value, path)
    if kind == "array":
        for index, item in enumerate(value):
            check_value(api, schema.get("items", {}), item, f"{path}[{index}]", writing)
        if schema.get("uniqueItems") and any(item in value[:index] for index, item in enumerate(value)):
            raise Wrong(f"{path}: has the same item twice")
    if kind == "object":
        check_members(api, schema, value, path, writing, partial)


def check_members(api, schema, value, path, writing, partial):
    members = schema.get("properties", {})
    others = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
    hidden = "readOnly" if writing else "writeOnly"
    for name, item in value.items():
        if name in members:
            member = api.flat(members[name])
            if member.get(hidden):
                raise Wrong(f"{path}.{name}: is {hidden}")
            if not (partial and item is None and name not in schema.get("required", [])):
                check_value(api, member, item, f"{path}.{name}", writing, partial)
        elif others is False:
            raise Wrong(f"{path}: there is no member {name}")
        elif isinstance(others, dict) and not (partial and item is None):
            check_value(api, others, item, f"{path}.{name}", writing, partial)
    for name in schema.get("required", []):
        if name not in value and not partial and not api.flat(members.get(name, {})).get(hidden):
            raise Wrong(f"{path}: {name} is missing")


# --- checks -------------------------------------------------------------------------------------------------------------
def check_schema(api, schema, place):
    """Only what schema.c understands, and a description for each member."""
    foreign = set(schema) - KEYWORDS
    if foreign:
        api.wrong(place, f"keywords that nothing checks: {', '.join(sorted(foreign))}")
    for kind in types_of(schema):
        if kind not in TYPES:
            api.wrong(place, f"there is no type {kind}")
    if schema.get("format", "name") not in FORMATS:
        api.wrong(place, f"there is no format {schema['format']}")
    if schema.get("uniqueItems") and schema.get("maxItems", UNIQUE_ITEMS_MAX + 1) > UNIQUE_ITEMS_MAX:
        api.wrong(place, f"uniqueItems needs maxItems, at most {UNIQUE_ITEMS_MAX}")
    if None in schema.get("enum", []) and "null" not in types_of(schema):
        api.wrong(place, "null is among the values, but not among the types")
    for name, member in schema.get("properties", {}).items():
        if not api.follow(member).get("description"):
            api.wrong(f"{place}.{name}", "has no description")
        check_schema(api, member, f"{place}.{name}")
    for name in api.flat(schema).get("required", []):
        if name not in api.flat(schema).get("properties", {}):
            api.wrong(place, f"{name} is required, but no member")
    for index, part in enumerate(schema.get("allOf", [])):
        check_schema(api, part, f"{place}.allOf[{index}]")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            check_schema(api, schema[key], f"{place}.{key}")


def check_refs(api, node, place):
    if isinstance(node, dict):
        if "$ref" in node:
            try:
                api.follow(node)
            except Wrong as what:
                api.wrong(place, what)
        for key, value in node.items():
            check_refs(api, value, f"{place}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            check_refs(api, value, f"{place}/{index}")


def check_example(api, schema, example, place, writing, partial=False):
    try:
        check_value(api, schema, example, "example", writing, partial)
    except Wrong as what:
        api.wrong(place, what)


def check_operation(api, path, method, operation, errors):
    place = f"{method.upper()} {path}"
    tags = {tag["name"] for tag in api.document["tags"]}
    for key in ("operationId", "summary", "description", "x-scope", "x-permission", "x-handler", "x-errors", "tags", "responses"):
        if not operation.get(key):
            api.wrong(place, f"{key} is missing")
            return
    if method not in METHODS:
        api.wrong(place, "is a method that nobody routes")
    if not re.fullmatch(r"[a-z][a-zA-Z]+", operation["operationId"]):
        api.wrong(place, "operationId must be a word in camelCase")
    if operation["x-scope"] not in SCOPES:
        api.wrong(place, f"x-scope must be one of {', '.join(SCOPES)}")
    check_permission(api, path, operation, place)
    for tag in set(operation["tags"]) - tags:
        api.wrong(place, f"the tag {tag} is not declared")
    for name in operation["x-errors"]:
        if name not in errors:
            api.wrong(place, f"x-errors: {name} is not in src/base/err.def")
    check_parameters(api, path, operation, place)
    check_contents(api, operation, place)


def check_permission(api, path, operation, place):
    """The permission is one of roles.def; what roles of customers may do says whose customer it is about."""
    roles, permissions = roles_of_source()
    wanted = operation["x-permission"]
    where = operation.get("x-customer", "")
    word, _, name = where.partition(":")
    if wanted not in permissions:
        api.wrong(place, f"x-permission must be one of src/admin/roles.def: {', '.join(permissions)}")
        return
    bound = any(has for role, has in zip(roles, permissions[wanted]) if role[1])
    if bound and wanted not in ("public", "own") and not where:
        api.wrong(place, f"x-customer is missing: roles of customers have {wanted}")
    if where and (word not in PLACES or (word in ("path", "query", "body")) != bool(name)):
        api.wrong(place, "x-customer must be self, document, path:NAME, query:NAME or body:NAME")
    if word in ("path", "query") and not any(one["in"] == word and one["name"] == name for one in api.parameters(operation)):
        api.wrong(place, f"x-customer: there is no parameter {name} in its {word}")
    if word == "body" and name not in api.flat(api.content(operation.get("requestBody", {}))[1]).get("required", []):
        api.wrong(place, f"x-customer: {name} is not required in its body")
    if word in ("path", "query", "body", "document") and "NOT_FOUND" not in operation["x-errors"]:
        api.wrong(place, "x-customer: what is another's is NOT_FOUND; x-errors must have it")
    if word == "document" and operation.get("x-kind") not in owned_kinds():
        api.wrong(place, "x-customer: document: the kind belongs to no customer")


def check_parameters(api, path, operation, place):
    parameters = api.parameters(operation)
    in_path = [parameter["name"] for parameter in parameters if parameter["in"] == "path"]
    if in_path != re.findall(r"{(\w+)}", path):
        api.wrong(place, "its path parameters are not those of its path, in order")
    names = [(parameter["in"], parameter["name"]) for parameter in parameters]
    for parameter in parameters:
        here = f"{place} {parameter['name']}"
        if names.count((parameter["in"], parameter["name"])) > 1:
            api.wrong(here, "is there twice")
        if not parameter.get("description"):
            api.wrong(here, "has no description")
        if parameter["in"] == "path" and not (parameter.get("required") and "example" in parameter):
            api.wrong(here, "must be required and have an example")
        if set(types_of(api.flat(parameter["schema"]))) - {"string", "integer", "boolean"}:
            api.wrong(here, "must be text, a whole number or a boolean")
        check_schema(api, parameter["schema"], here)
        if "example" in parameter:
            check_example(api, parameter["schema"], parameter["example"], here, True)


def check_contents(api, operation, place):
    holders = [(f"{place} {status}", answer, False) for status, answer in operation["responses"].items()]
    if "requestBody" in operation:
        holders.append((f"{place} body", operation["requestBody"], True))
    if not any(str(status).startswith("2") for status in operation["responses"]):
        api.wrong(place, "has no good answer")
    if "default" not in operation["responses"]:
        api.wrong(place, "has no answer for errors")
    for here, holder, writing in holders:
        if not (content := api.content(holder)):
            continue
        _, schema, example = content
        check_schema(api, schema, here)
        if example is None:
            api.wrong(here, "has no example")
        else:
            check_example(api, schema, example, here, writing, writing and operation.get("x-partial", False))
        if writing and not is_closed(api.flat(schema)):
            api.wrong(here, "must refuse members that it does not name")


def check_kinds(api, kinds):
    """Each kind has its six operations, and there is no operation of another kind."""
    expected = {(f"/api/v1/{path}{suffix}", method): (name, f"object_{action}")
                for name, path in kinds.items() for action, (method, suffix) in ACTIONS.items()
                if name not in SHOWN_ONLY or action in ("list", "get")}
    for name in SHOWN_ONLY:  # such a path may have operations of its own
        expected.pop((f"/api/v1/{kinds[name]}", "post"), None)
    for path, method, operation in api.operations():
        found = (operation.get("x-kind"), operation.get("x-handler"))
        wanted = expected.pop((path, method), None)
        if wanted and wanted != found:
            api.wrong(f"{method.upper()} {path}", f"x-kind and x-handler must be {' and '.join(wanted)}")
        if not wanted and operation.get("x-kind") and operation["x-kind"] not in private_kinds():
            api.wrong(f"{method.upper()} {path}", f"{operation['x-kind']} is no kind of src/book/kinds.def with this path")
    for (path, method), (name, _) in expected.items():
        api.wrong(f"{method.upper()} {path}", f"is missing; {name} is in src/book/kinds.def")


def rows_of(path):
    return re.findall(r"^X\((\w+),(.*)", (ROOT / path).read_text(), re.M)


def kinds_of_source():
    """Kinds with a collection; the others have operations of their own, or none."""
    paths = {name: re.search(r'"([^"]*)"', rest)[1] for name, rest in rows_of("src/book/kinds.def")}
    return {name: path for name, path in paths.items() if path and not path.startswith("/")}


def private_kinds():
    return {name for name, rest in rows_of("src/book/kinds.def") if re.search(r'"(/[^"]*)?"', rest)}


def owned_kinds():
    return {name for name, rest in rows_of("src/book/kinds.def") if rest.split(",")[2].strip(" )") == "true"}


def roles_of_source():
    """[(role, bound to a customer)] and {permission: [has each role it?]}"""
    text = (ROOT / "src/admin/roles.def").read_text()
    roles = [(row[0], row[1] == "true") for row in re.findall(r'^ROLE\(\w+,\s*"(\w+)",\s*(\w+)\)', text, re.M)]
    rows = re.findall(r'^PERMISSION\((\w+),\s*"([^"]+)",\s*([01, ]+),\s*"', text, re.M)
    permissions = {name: [flag.strip() == "1" for flag in flags.split(",")] for _, name, flags in rows}
    if any(len(flags) != len(roles) for flags in permissions.values()):
        raise Wrong("src/admin/roles.def: a permission says not for each role whether it has it")
    return roles, permissions


def check(api):
    check_refs(api, api.document, "")
    if api.problems:
        return  # everything else follows references
    errors = {name for name, _ in rows_of("src/base/err.def")}
    for name, schema in api.document["components"]["schemas"].items():
        check_schema(api, schema, f"schema {name}")
    ids = [operation.get("operationId") for _, _, operation in api.operations()]
    for name in sorted({name for name in ids if name and ids.count(name) > 1}):
        api.wrong(name, "is the operationId of two operations")
    for path, method, operation in api.operations():
        check_operation(api, path, method, operation, errors)
    check_kinds(api, kinds_of_source())


# --- C tables -----------------------------------------------------------------------------------------------------------
TABLE_HEADER = """/* api_table.h - made by tools/api.py from openapi.yaml; do not edit. The operations of the management API. */
#pragma once
#include "admin/roles.h"
#include "book/object.h"
#include "codec/schema.h"
#include "http/server.h"

enum api_scope { %(scopes)s };
/* Where an operation has the customer that it is about: of its customer a caller sees only that. */
enum api_customer { API_CUSTOMER_NONE, %(places)s };
enum api_place { API_IN_PATH, API_IN_QUERY, API_IN_HEADER };
enum { API_NO_KIND = -1, API_OPERATION_COUNT = %(count)d, API_PATH_PARAMETERS_MAX = %(path)d };

struct api_parameter {
    const char *name; /* NULL: the end */
    enum api_place place;
    bool required;
    const struct schema *schema; /* schema_check_text */
};
struct api_operation {
    enum http_method method;
    const char *method_name, *path, *id, *handler, *summary;
    int kind; /* enum object_kind, or API_NO_KIND */
    enum api_scope scope;
    enum permission permission;
    enum api_customer customer;
    const char *customer_name;              /* of its parameter or member */
    bool slow;                              /* a password's hash is made */
    const struct api_parameter *parameters; /* of the path first, in its order */
    const struct schema *body;              /* NULL: none is taken */
    bool partial;                           /* the body is a merge patch */
};
extern const struct api_operation api_operations[API_OPERATION_COUNT];
/* A whole document of a kind, as it is written: what a merged patch must be. */
extern const struct schema *const api_documents[OBJECT_KIND_COUNT];
"""


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


class Tables:
    """Each distinct table once, children before parents."""

    def __init__(self, api):
        self.api = api
        self.names = {}
        self.lines = []
        self.open = []

    def table(self, prefix, declaration, content):
        if (prefix, content) not in self.names:
            name = f"{prefix}_{sum(key[0] == prefix for key in self.names)}"
            self.names[prefix, content] = name
            self.lines.append(f"static const {declaration % name} = {content};")
        return self.names[prefix, content]

    def members(self, schema):
        required = schema.get("required", [])
        rows = []
        for name, member in schema["properties"].items():
            flat = self.api.flat(member)
            flags = [name in required, flat.get("readOnly", False), flat.get("writeOnly", False)]
            rows.append(f"{{{quoted(name)}, &{self.schema(member)}, {', '.join(str(flag).lower() for flag in flags)}}}")
        return self.table("members", "struct schema_member %s[]", "{" + ", ".join(rows + ["{0}"]) + "}")

    def bounds(self, schema, kinds):
        fields = [f".minimum = {schema.get('minimum', 'INT64_MIN')}", f".maximum = {schema.get('maximum', 'INT64_MAX')}"]
        words = {word for kind, word in LENGTHS.items() if kind in kinds and ("min" + word in schema or "max" + word in schema)}
        if len(words) > 1:
            raise Wrong("a schema may bound the length of one type only")
        word = words.pop() if words else "Length"
        return fields + [f".length_min = {schema.get('min' + word, 0)}", f".length_max = {schema.get('max' + word, 'SIZE_MAX')}"]

    def schema(self, schema):
        flat = self.api.flat(schema)
        if any(flat is other for other in self.open):
            raise Wrong("a schema contains itself")
        self.open.append(flat)
        kinds = types_of(flat)
        bits = "SCHEMA_ANY" if len(kinds) == len(TYPES) else " | ".join(TYPES[kind] for kind in kinds)
        fields = [f".types = {bits}"]
        if "format" in flat:
            fields.append(f".format = {FORMATS[flat['format']][0]}")
        fields += self.bounds(flat, kinds)
        if "enum" in flat:
            values = ", ".join([quoted(value) for value in flat["enum"] if value is not None] + ["NULL"])
            fields.append(f".values = {self.table('values', 'char *const %s[]', '{' + values + '}')}")
        if "items" in flat:
            fields.append(f".items = &{self.schema(flat['items'])}")
        if flat.get("uniqueItems"):
            fields.append(".unique_items = true")
        if "properties" in flat:
            fields.append(f".members = {self.members(flat)}")
        others = flat.get("additionalProperties", flat.get("unevaluatedProperties", True))
        if isinstance(others, dict) or (others is True and "properties" in flat):
            fields.append(f".others = &{self.schema(others if isinstance(others, dict) else {})}")
        self.open.pop()
        return self.table("schema", "struct schema %s", "{" + ", ".join(fields) + "}")

    def parameters(self, operation):
        parameters = sorted(self.api.parameters(operation), key=lambda one: one["in"] != "path")
        rows = [f"{{{quoted(one['name'])}, API_IN_{one['in'].upper()}, {str(one.get('required', False)).lower()}, "
                f"&{self.schema(one['schema'])}}}" for one in parameters]
        return self.table("parameters", "struct api_parameter %s[]", "{" + ", ".join(rows + ["{0}"]) + "}")

    @staticmethod
    def access(operation):
        permission = re.sub("[^A-Z]", "_", operation["x-permission"].upper())
        word, _, name = operation.get("x-customer", "none").partition(":")
        slow = str(operation.get("x-slow", False)).lower()
        return f"PERMISSION_{permission}, API_CUSTOMER_{word.upper()}, {quoted(name)}, {slow}"

    def operation(self, path, method, operation):
        body = f"&{self.schema(self.api.content(operation['requestBody'])[1])}" if "requestBody" in operation else "NULL"
        kind = f"OBJECT_{operation['x-kind']}" if "x-kind" in operation else "API_NO_KIND"
        texts = [method.upper(), path, operation["operationId"], operation["x-handler"], operation["summary"]]
        return (f"    {{HTTP_{method.upper()}, {', '.join(map(quoted, texts))}, {kind}, API_SCOPE_{operation['x-scope'].upper()}, {self.access(operation)}, "
                f"{self.parameters(operation)}, {body}, {str(operation.get('x-partial', False)).lower()}}},")


def write_table(api, folder):
    tables = Tables(api)
    rows, documents = [], []
    for path, method, operation in api.operations():
        rows.append(tables.operation(path, method, operation))
        if operation["x-handler"] == "object_replace":
            schema = tables.schema(api.content(operation["requestBody"])[1])
            documents.append(f"    [OBJECT_{operation['x-kind']}] = &{schema},")
    in_path = max(path.count("{") for path in api.document["paths"])
    scopes = ", ".join(f"API_SCOPE_{scope.upper()}" for scope in SCOPES)
    (folder / "api_table.h").write_text(TABLE_HEADER % {"count": len(rows), "scopes": scopes, "path": in_path,
                                                    "places": ", ".join(f"API_CUSTOMER_{place.upper()}" for place in PLACES)})
    (folder / "api_table.c").write_text("\n".join([
        "/* api_table.c - made by tools/api.py from openapi.yaml; do not edit. */", '#include "admin/api_table.h"', "",
        *tables.lines, "", "const struct api_operation api_operations[API_OPERATION_COUNT] = {", *rows, "};",
        "const struct schema *const api_documents[OBJECT_KIND_COUNT] = {", *documents, "};", ""]))


# --- the reference ------------------------------------------------------------------------------------------------------
def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def type_text(api, schema):
    schema = api.flat(schema)
    if "enum" in schema:
        return " ".join("null" if value is None else f"`{value}`" for value in schema["enum"])
    kinds = types_of(schema)
    if len(kinds) == len(TYPES):
        return "any"
    words = []
    for kind in kinds:
        if kind == "string" and "format" in schema:
            words.append(schema["format"])
        elif kind == "array":
            items = type_text(api, schema["items"])
            words.append(f"list of {items}")
        else:
            words.append({"string": "text", "integer": "whole number"}.get(kind, kind))
    bounds = [str(schema[key]) if key in schema else "" for key in ("minimum", "maximum")]
    return " or ".join(words) + (f", {' … '.join(bounds).strip()}" if any(bounds) else "")


def member_rows(api, schema, prefix=""):
    flat = api.flat(schema)
    for name, member in flat.get("properties", {}).items():
        flags = [word for word, on in (("required", name in flat.get("required", [])), ("shown only", api.flat(member).get("readOnly")),
                                       ("written only", api.flat(member).get("writeOnly"))) if on]
        inner = api.flat(member)
        default = f" Default: `{json.dumps(inner['default'], ensure_ascii=False)}`." if "default" in inner else ""
        yield (f"| `{prefix}{name}` | {cell(type_text(api, member))} | {', '.join(flags)} | "
               f"{cell(inner.get('description', ''))}{default} |")
        if "properties" in inner:
            yield from member_rows(api, inner, f"{prefix}{name}.")
        elif "items" in inner and "properties" in api.flat(inner["items"]):
            yield from member_rows(api, inner["items"], f"{prefix}{name}[].")


def fenced(value):
    return ["```json", json.dumps(value, ensure_ascii=False, indent=1), "```", ""]


def parameter_lines(api, operation):
    parameters = api.parameters(operation)
    if not parameters:
        return []
    lines = ["| parameter | in | type | what |", "| --- | --- | --- | --- |"]
    for one in parameters:
        must = " (required)" if one.get("required") and one["in"] != "path" else ""
        example = f" Example: `{one['example']}`." if "example" in one else ""
        lines.append(f"| `{one['name']}`{must} | {one['in']} | {cell(type_text(api, one['schema']))} | {cell(one['description'])}{example} |")
    return lines + [""]


def operation_lines(api, path, method, operation, level, whole):
    lines = [f"{level} {method.upper()} {path}", "", f"`{operation['operationId']}`: {operation['summary']}. {operation['description']}", "",
             f"Permission `{operation['x-permission']}`, scope `{operation['x-scope']}`; errors {', '.join(f'`{code}`' for code in error_codes(operation))}.", ""]
    lines += parameter_lines(api, operation)
    if "requestBody" in operation:
        media, schema, example = api.content(operation["requestBody"])
        lines += [f"Body, `{media}`:", ""]
        if whole:
            lines += ["| member | type | | what |", "| --- | --- | --- | --- |", *member_rows(api, schema), ""]
        lines += fenced(example)
    for status, answer in operation["responses"].items():
        content = api.content(answer)
        if status == "default" or not (whole or operation["x-handler"] == "object_list"):
            continue
        lines += [f"Answer {status}: {api.follow(answer)['description']}", ""]
        if content and whole:
            lines += fenced(content[2])
    return lines


def error_codes(operation):
    codes = {name: re.findall(r'"([^"]*)"', rest)[1] for name, rest in rows_of("src/base/err.def")}
    return list(dict.fromkeys(codes[name] for name in operation["x-errors"]))


def kind_lines(api, kind, operations):
    _, _, create = operations["object_create"]
    _, _, show = operations["object_get"]
    answer = api.content(show["responses"]["200"])
    path = operations["object_list"][0]
    lines = [f"### {path.removeprefix('/api/v1/')}", "", api.follow(answer[1])["description"], "",
             "| member | type | | what |", "| --- | --- | --- | --- |", *member_rows(api, api.content(create["requestBody"])[1]), "",
             "Shown:", "", *fenced(answer[2])]
    for action in ACTIONS:
        lines += operation_lines(api, *operations[f"object_{action}"], "####", False)
    return lines


def tag_lines(api, operations):
    """Documents with all their operations are one chapter each; what else there is comes first, one by one."""
    lines, kinds = [], {}
    for path, method, operation in operations:
        kinds.setdefault(operation.get("x-kind"), {})[operation["x-handler"]] = (path, method, operation)
    whole = {kind for kind, by_handler in kinds.items() if kind and all(f"object_{action}" in by_handler for action in ACTIONS)}
    for path, method, operation in operations:
        if operation.get("x-kind") not in whole:
            lines += operation_lines(api, path, method, operation, "###", True)
    for kind, by_handler in kinds.items():
        if kind in whole:
            lines += kind_lines(api, kind, by_handler)
    return lines


def docs(api):
    info = api.document["info"]
    lines = ["# Management API", "", "Made by `tools/api.py` from openapi.yaml; do not edit.", "", info["description"].strip(), "",
             "Errors are `application/problem+json`; [errors.md](errors.md) has their codes. Writes of documents answer with the document, its `ETag` "
             "and status 201 when it was made; a delete answers 204.", ""]
    by_tag = {tag["name"]: [] for tag in api.document["tags"]}
    for path, method, operation in api.operations():
        by_tag[operation["tags"][0]].append((path, method, operation))
    lines += ["| | what | operations |", "| --- | --- | --- |"]
    for tag in api.document["tags"]:
        lines.append(f"| [{tag['name']}](#{tag['name']}) | {tag['description']} | {len(by_tag[tag['name']])} |")
    lines.append("")
    for tag in api.document["tags"]:
        lines += [f"## {tag['name']}", "", tag["description"], "", *tag_lines(api, by_tag[tag["name"]])]
    return "\n".join(lines).rstrip("\n") + "\n"


def main():
    arguments = sys.argv[1:]
    wanted = arguments[0] if arguments else ""
    if wanted not in ("", "--table", "--docs", "--json", "--check") or len(arguments) != (2 if wanted in ("--table", "--docs", "--json") else len(wanted) > 0):
        sys.exit(__doc__)
    try:
        api = Api((ROOT / "openapi.yaml").read_text())
        check(api)
        if not api.problems and wanted == "--table":
            write_table(api, pathlib.Path(arguments[1]))
        elif not api.problems and wanted == "--docs":
            pathlib.Path(arguments[1]).write_text(docs(api))
        elif not api.problems and wanted == "--json":
            pathlib.Path(arguments[1]).write_text(json.dumps(api.document, ensure_ascii=False))
        elif not api.problems and wanted == "--check":
            page = ROOT / "docs/reference/api.md"
            if not page.exists() or page.read_text() != docs(api):
                api.problems.append("docs/reference/api.md is not what openapi.yaml says; run: tools/docs_check.sh --write")
    except (Wrong, yaml.YAMLError) as what:
        sys.exit(f"openapi.yaml: {what}")
    for problem in api.problems:
        print(problem)
    return 1 if api.problems else 0


if __name__ == "__main__":
    sys.exit(main())
