// inputs.mjs - fast-check arbitraries: values that a schema allows, and values that something was done to.
import fc from 'fast-check';
import { flat, typesOf } from './api.mjs';

const WHOLE_MAX = 1_000_000;
const ITEMS_MAX = 3;
const ULID_DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'.split('');
const HUGE = 'h'.repeat(100_000);

// What operations of no kind are about, by the collection in their route; main.mjs makes again what was deleted.
export const KEPT = { subscriptions: ['seed-sub-1', 'seed-sub-2', 'seed-sub-3'], plans: ['seed-plan'], team: [], 'machine-tokens': [],
  prices: ['seed-price-1', 'seed-price-2', 'seed-price-3'], jobs: [], alerts: [] };
// What other documents are named by: mostly those that are there.
export const KNOWN = {
  customer: ['beta', 'gamma'],
  tenant: ['beta', 'gamma'],
  clinic_id: ['beta', 'gamma'],
  provider: ['seed-ai'],
  feature: ['seed-chat', 'seed-report'],
  plan: ['seed-plan'],
  plan_version: ['seed-plan-1'],
  group: ['seed-group'],
  model: ['seed-model'],
  scope_id: ['seed-group', 'beta', 'beta/ana', 'seed-model', 'seed-plan', 'seed-ai'],
  owner_id: ['seed-group', 'beta', 'beta/ana'],
  user: ['ana', 'bruno'],
  time_zone: ['America/Sao_Paulo', 'UTC', 'Asia/Kathmandu', 'America/Noronha'],
  currency: ['BRL', 'USD'],
  dialect: ['openai', 'anthropic', 'simulated'],
  base_url: ['https://ai.example.com/v1', 'http://127.0.0.1:9'],
  csv: ['provider,model,input,output,cached_input\nseed-ai,seed-model,0.15,0.6,0.075\n', 'provider,model,input\nseed-ai,nothing,1\n,,\n'],
  format: ['json', 'csv', 'ndjson'],
  percent: ['20', '-100', '12.5'],
  api_key: ['sk-own-0123456789abcdef'],
  amount_usd: ['1', '0.000000001', '2.50'],
  name: ['main', 'hourly'],
  by: ['model', 'customer', 'key', 'provider'],
  since: ['15m', '7d', '2026-01-01T00:00:00Z'],
  until: ['0m', '2030-01-01T00:00:00Z'],
  expires_at: ['2031-01-31T12:00:00Z'],
  'If-Match': ['*', '"1"'],
  'permissions[]': ['plans:read', 'usage:read', 'keys:write'],
  effective_at: ['2026-01-31T12:00:00Z'],
};

const digits = (from, to) => fc.integer({ min: from, max: to }).map((number) => String(number).padStart(2, '0'));
const day = fc.tuple(fc.integer({ min: 1971, max: 2099 }), digits(1, 12), digits(1, 28)).map((parts) => parts.join('-'));
const zone = fc.oneof(fc.constant('Z'), fc.tuple(fc.constantFrom('+', '-'), digits(0, 13), digits(0, 59))
  .map(([sign, hours, minutes]) => `${sign}${hours}:${minutes}`));
const fraction = fc.option(fc.integer({ min: 0, max: 999_999 }), { nil: '' }).map((part) => (part === '' ? '' : `.${part}`));
const instant = fc.tuple(day, digits(0, 23), digits(0, 59), digits(0, 59), fraction, zone)
  .map(([date, hour, minute, second, part, offset]) => `${date}T${hour}:${minute}:${second}${part}${offset}`);
const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,63}$/);
const ulid = fc.tuple(fc.constantFrom(...'01234567'), fc.array(fc.constantFrom(...ULID_DIGITS), { minLength: 25, maxLength: 25 }))
  .map(([first, rest]) => first + rest.join(''));
const FORMATS = {
  'date-time': instant,
  date: day,
  name,
  id: fc.oneof(name, ulid),
  decimal: fc.tuple(fc.integer({ min: 0, max: 999_999_999 }), fc.option(fc.stringMatching(/^\d{1,9}$/), { nil: undefined }))
    .map(([whole, part]) => (part === undefined ? `${whole}` : `${whole}.${part}`)),
  cidr: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom('10.0.0.0/8', '2001:db8::/32', '0.0.0.0/0', '192.168.1.1/32')),
  email: fc.tuple(name, name).map(([who, where]) => `${who}@${where.replaceAll(/[._]/g, '-').replaceAll(/^-|-$/g, 'a')}.example`),
  uri: fc.webUrl(),
};

function textOf(schema) {
  if (schema.format) return FORMATS[schema.format];
  const bounds = { minLength: schema.minLength ?? 0, maxLength: Math.min(schema.maxLength ?? 40, (schema.minLength ?? 0) + 40) };
  return fc.oneof({ weight: 3, arbitrary: fc.string(bounds) }, { weight: 2, arbitrary: fc.string({ ...bounds, unit: 'binary' }) },
    { weight: 1, arbitrary: fc.constant('x'.repeat(Math.min(schema.maxLength ?? 300, 2000))) });
}

function objectOf(schema, hints) {
  const members = schema.properties ?? {};
  const shape = Object.fromEntries(Object.entries(members).map(([key, member]) => [key, valueOf(member, key, hints)]));
  const named = fc.record(shape, { requiredKeys: schema.required ?? [] });
  const others = schema.additionalProperties ?? schema.unevaluatedProperties ?? true;
  const whole = others === false
    ? named
    : fc.tuple(named, fc.dictionary(name, typeof others === 'object' ? valueOf(others, '', hints) : fc.jsonValue(), { maxKeys: 3 }))
      .map(([own, more]) => ({ ...more, ...own }));
  return schema.minProperties ? whole.filter((value) => Object.keys(value).length >= schema.minProperties) : whole;
}

const ofType = {
  null: () => fc.constant(null),
  boolean: () => fc.boolean(),
  integer(schema) {
    const min = schema.minimum ?? -WHOLE_MAX;
    const max = schema.maximum ?? Number.MAX_SAFE_INTEGER;
    return fc.oneof(fc.integer({ min, max: Math.min(max, min + 1000) }), fc.constantFrom(min, max), fc.maxSafeInteger().map((number) =>
      Math.min(max, Math.max(min, number))));
  },
  number: () => fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.constantFrom(0.5, 1e-9, 1e300)),
  string: (schema) => textOf(schema),
  array(schema, hints, key) {
    const bounds = { minLength: schema.minItems ?? 0, maxLength: Math.min(schema.maxItems ?? ITEMS_MAX, ITEMS_MAX) };
    const item = valueOf(schema.items ?? {}, `${key}[]`, hints);
    return schema.uniqueItems ? fc.uniqueArray(item, { ...bounds, selector: JSON.stringify }) : fc.array(item, bounds);
  },
  object: (schema, hints) => objectOf(schema, hints),
};

// A value that the schema allows. `hints`: member names and what is there for them.
export function valueOf(node, key, hints) {
  const schema = flat(node);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.type === undefined && !schema.properties) return fc.jsonValue();
  const any = fc.oneof(...typesOf(schema).map((type) => ofType[type](schema, hints, key)));
  const known = typesOf(schema).includes('string') ? hints[key] : undefined;
  return known?.length ? fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: any }) : any;
}

// A merge patch: some members, and null for what may go.
export function patchOf(schema, hints) {
  const { required = [], ...rest } = flat(schema);
  const loosened = Object.entries(rest.properties).map(([key, member]) => {
    const value = valueOf(member, key, hints);
    return [key, required.includes(key) ? value : fc.oneof({ weight: 4, arbitrary: value }, { weight: 1, arbitrary: fc.constant(null) })];
  });
  return fc.record(Object.fromEntries(loosened), { requiredKeys: [] });
}

// --- what is done to good input -----------------------------------------------------------------------------------------
const ODD_VALUES = [null, true, false, -1, 0, 1.5, 1e30, -1e30, 9007199254740993, '', ' ', 'x', 'x'.repeat(300), HUGE, 'né\u0000', '\ud83d\ude00',
  '\u202e', '-5', '1e3', '00', '2026-02-30T00:00:00Z', '2026-01-01T24:00:00Z', '../..', "' OR 1=1 --", [], [[]], {}, [1, 'a', null], { a: { b: [] } }];
const ODD_BODIES = ['', ' ', '{', '[]', 'null', '"text"', '1', '{"a":1,"a":1}', '{"a"}', '{,}', '{} {}', '{}x', '\ufeff{}', '{"a":\u0001}',
  '{"\\ud800":1}', `${'{"a":'.repeat(200)}1${'}'.repeat(200)}`, `${'['.repeat(5000)}`, '{"a":01}', '{"a":NaN}'];
const NO_TEXT = Buffer.from([0x7b, 0x22, 0x61, 0xff, 0x22, 0x3a, 0x31, 0x7d]); // {"a\xff":1}
const BAD_ETAGS = ['x', '"', '""', '"0"', '"-1"', '"99999999999999999999"', 'W/"1"', '"1", "2"', '"1.0"', '1e3', '"7777777"'];
const BAD_ESCAPES = ['%', '%z1', '%4', '%00', '%ff', '%c3%28', '%ed%a0%80', '%2e%2e', '%2F', '%2f%2f', '%25', '%F0%9F%98%80', 'a'.repeat(600), '..', '~', ';x'];
const BAD_QUERIES = ['&colour=red', '&=', '&&&', '&%', '&limit=%zz', '&a=b=c', '&limit=-1&limit=2', '&cursor=%00', '&fields=', '&%6cimit=5', `&x=${'y'.repeat(3000)}`];
const BAD_TYPES = ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'json', '', 'application/json; charset=latin1', 'multipart/form-data; boundary=x'];

const odd = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...ODD_VALUES) }, { weight: 1, arbitrary: fc.jsonValue() });

// Every place in a JSON value, as a list of keys.
function placesOf(value, here = []) {
  if (value === null || typeof value !== 'object') return [here];
  return [here, ...Object.entries(value).flatMap(([key, item]) => placesOf(item, [...here, key]))];
}

function withPlace(value, [key, ...rest], change) {
  if (key === undefined) return change(value);
  const copy = Array.isArray(value) ? [...value] : { ...value };
  copy[key] = withPlace(copy[key], rest, change);
  return copy;
}

function withoutPlace(value, place) {
  const last = place.at(-1);
  return withPlace(value, place.slice(0, -1), (parent) =>
    Array.isArray(parent)
      ? parent.filter((_, index) => String(index) !== last)
      : Object.fromEntries(Object.entries(parent).filter(([key]) => key !== last)));
}

const DEEDS = {
  replace: (document, place, value) => withPlace(document, place, () => value),
  remove: (document, place) => (place.length ? withoutPlace(document, place) : undefined),
  add: (document, place, value) => withPlace(document, place, (at) =>
    at === null || typeof at !== 'object' ? value : Array.isArray(at) ? [...at, ...at, value] : { ...at, colour: value }),
  lengthen: (document, place) => withPlace(document, place, (at) =>
    typeof at === 'string' ? at.repeat(50) + '.' : typeof at === 'number' ? -at - 1 : Array.isArray(at) ? Array(2000).fill(at[0] ?? 1) : at),
};

const bodyChange = fc.record({ deed: fc.constantFrom(...Object.keys(DEEDS)), at: fc.nat({ max: 1000 }), value: odd });

export function changedBody(document, { deed, at, value }) {
  const places = placesOf(document);
  return DEEDS[deed](document, places[at % places.length], value);
}

// What an invalid case does. `kind` says which part of the request it is about.
export function mutationOf(operation) {
  const choices = [
    fc.record({ kind: fc.constant('query'), text: fc.constantFrom(...BAD_QUERIES) }),
    fc.record({ kind: fc.constant('header'), name: fc.constant('if-match'), value: fc.constantFrom(...BAD_ETAGS) }),
    fc.record({ kind: fc.constant('header'), name: fc.constantFrom('if-none-match', 'x-cota-reason', 'accept-language', 'user-agent', 'x-request-id', 'range'),
      value: fc.constantFrom('', '"1"', 'x'.repeat(3000), '\u00ff\u00fe', ';;;q=9,*', 'bytes=0-1') }),
  ];
  const inQuery = operation.parameters.filter((parameter) => parameter.in === 'query');
  if (inQuery.length > 0)
    choices.push(fc.record({ kind: fc.constant('parameter'), name: fc.constantFrom(...inQuery.map((one) => one.name)),
      value: odd.map((value) => (typeof value === 'string' ? value.slice(0, 3000) : JSON.stringify(value))) }));
  if (operation.route.includes('{')) choices.push(fc.record({ kind: fc.constant('path'), text: fc.constantFrom(...BAD_ESCAPES) }));
  if (operation.body) {
    choices.push(fc.record({ kind: fc.constant('raw'), body: fc.constantFrom(...ODD_BODIES.map((text) => Buffer.from(text)), NO_TEXT) }));
    choices.push(fc.record({ kind: fc.constant('type'), value: fc.constantFrom(...BAD_TYPES) }));
    choices.push(...Array(5).fill(fc.record({ kind: fc.constant('body'), change: bodyChange })));
  } else {
    choices.push(fc.record({ kind: fc.constant('raw'), body: fc.constantFrom('{}', 'x').map((text) => Buffer.from(text)) }));
  }
  return fc.oneof(...choices);
}
