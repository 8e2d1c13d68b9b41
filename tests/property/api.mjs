// api.mjs - openapi.yaml as operations without references, and ajv validators for what is sent and answered.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const NETWORK = /^([0-9a-fA-F:.]{2,45})(\/\d{1,3})?$/;
// schema_format.c has more to say about networks and hosts: here is what every good one has.
const FORMATS = {
  name: NAME,
  id: (text) => NAME.test(text) || ULID.test(text),
  decimal: /^(0|[1-9]\d{0,8})(\.\d{1,9})?$/,
  cidr: NETWORK,
};

function loadDocument() {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'cota-property-')), 'openapi.json');
  try {
    execFileSync('python3', [path.join(ROOT, 'tools/api.py'), '--json', file], { stdio: ['ignore', 'inherit', 'inherit'] });
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } finally {
    fs.rmSync(path.dirname(file), { recursive: true });
  }
}

// Every reference is replaced by what it means; no schema contains itself (tools/api.py sees to it).
function resolved(node, document) {
  if (Array.isArray(node)) return node.map((item) => resolved(item, document));
  if (node === null || typeof node !== 'object') return node;
  const { $ref, ...rest } = node;
  const base = $ref
    ? resolved($ref.slice(2).split('/').reduce((at, part) => at[part], document), document)
    : {};
  return { ...base, ...Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, resolved(value, document)])) };
}

// allOf merged into one schema: what a generator reads.
export function flat(schema) {
  if (!schema.allOf) return schema;
  const { allOf, ...own } = schema;
  const merged = { type: 'object', properties: {}, required: [] };
  for (const part of [...allOf.map(flat), own]) {
    const { properties, required, ...others } = part;
    Object.assign(merged.properties, properties);
    merged.required.push(...(required ?? []));
    Object.assign(merged, others);
  }
  return merged;
}

export const typesOf = (schema) =>
  schema.type === undefined
    ? ['null', 'boolean', 'integer', 'string', 'array', 'object']
    : [].concat(schema.type);

// A merge patch needs no member, at any level of objects, and null takes an optional one away.
function partial(schema) {
  const { required = [], ...rest } = flat(schema);
  if (!rest.properties) return rest;
  const loosened = Object.entries(rest.properties).map(([name, member]) => {
    const inner = partial(member);
    return [name, required.includes(name) ? inner : { anyOf: [{ type: 'null' }, inner] }];
  });
  const { minProperties, ...kept } = rest;
  return { ...kept, properties: Object.fromEntries(loosened) };
}

// What ?fields= leaves out may be missing.
function sparse(schema) {
  const whole = flat(schema);
  if (whole.properties?.items?.items) {
    const { required, ...items } = flat(whole.properties.items.items);
    return { ...whole, properties: { ...whole.properties, items: { ...whole.properties.items, items } } };
  }
  return whole;
}

function newAjv() {
  const ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: false, allowUnionTypes: true });
  addFormats(ajv, ['date-time', 'date', 'email', 'uri']);
  for (const [name, format] of Object.entries(FORMATS)) ajv.addFormat(name, format);
  ajv.addVocabulary(['example']);
  return ajv;
}

// One media type of an answer: validators, and how its documents are told apart.
function contentOf(media, schema, linesSchema, ajv) {
  const isLines = Boolean(linesSchema) && media === 'application/x-ndjson';
  const isRows = Boolean(linesSchema) && media === 'application/json' && schema.type === 'array';
  const one = isLines ? linesSchema : isRows ? { type: 'array', items: linesSchema } : schema;
  return { isLines, isText: !/json$/.test(media), members: Object.keys(flat(one).properties ?? {}), whole: ajv.compile(one), sparse: ajv.compile(sparse(one)) };
}

// By status: what it may be, by media type; null: there is no body.
function answersOf(operation, document, ajv) {
  const linesSchema = operation['x-lines'] && {
    anyOf: operation['x-lines'].split(' or ').map((name) => resolved(document.components.schemas[name], document)),
  };
  return Object.fromEntries(Object.entries(operation.responses).map(([status, answer]) => {
    const contents = Object.entries(answer.content ?? {});
    const lines = status === 'default' ? undefined : linesSchema;
    return [status, contents.length ? new Map(contents.map(([media, { schema }]) => [media, contentOf(media, schema, lines, ajv)])) : null];
  }));
}

function errorsOfSource() {
  const text = fs.readFileSync(path.join(ROOT, 'src/base/err.def'), 'utf8');
  const rows = text.matchAll(/^X\((\w+),\s*(\d+),\s*"[^"]*",\s*"([^"]*)"/gm);
  return new Map([...rows].map(([, name, status, code]) => [name, { status: Number(status), code }]));
}

export function loadApi() {
  const document = loadDocument();
  const errors = errorsOfSource();
  const ajv = newAjv();
  const operations = [];
  for (const [route, item] of Object.entries(resolved(document.paths, document))) {
    for (const [method, operation] of Object.entries(item)) {
      const schema = operation.requestBody && Object.values(operation.requestBody.content)[0].schema;
      const isPatch = Boolean(operation['x-partial']);
      operations.push({
        id: operation.operationId,
        method: method.toUpperCase(),
        route,
        handler: operation['x-handler'],
        kind: operation['x-kind'],
        scope: operation['x-scope'],
        permission: operation['x-permission'],
        customer: operation['x-customer'],
        isSlow: Boolean(operation['x-slow']),
        parameters: (operation.parameters ?? []).map((one) => ({ ...one, valid: ajv.compile(one.schema) })),
        body: schema && flat(schema),
        bodyValid: schema && ajv.compile(isPatch ? partial(schema) : schema),
        isPatch,
        errors: operation['x-errors'].map((name) => errors.get(name)),
        answers: answersOf(operation, document, ajv),
      });
    }
  }
  return { operations, errors };
}
