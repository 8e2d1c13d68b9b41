// main.mjs - the properties, per operation of openapi.yaml, and what is counted.
import { once } from 'node:events';
import path from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import fc from 'fast-check';
import { loadApi } from './api.mjs';
import { Calls, KNOWN, ROLES, mutated, mutationOf, requestOf, validInput } from './calls.mjs';
import { ADMIN, startDaemon } from './daemon.mjs';
import { KEPT, valueOf } from './inputs.mjs';

const { values: options } = parseArgs({ options: {
  binary: { type: 'string', default: 'build/cota' }, from: { type: 'string', default: '.' }, runs: { type: 'string', default: '150' },
  seed: { type: 'string', default: '1' }, serve: { type: 'boolean', default: false }, only: { type: 'string', default: '' } } });
const RUNS = Number(options.runs);
const SEED = Number(options.seed);
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
const SLOW_MS = 5000;
const AT_ONCE = 6; // kinds of documents that are worked on at the same time

const results = { passed: 0, failed: 0 };

function passed() {
  results.passed++;
}

function failed(what, text) {
  results.failed++;
  console.log(`FAILED: ${what} (--seed ${SEED} --runs ${RUNS})\n  ${text}\n`);
}

// One property of one operation is one case.
async function holds(name, runs, arbitraries, predicate) {
  const property = fc.asyncProperty(...arbitraries, predicate);
  const began = Date.now();
  const report = await fc.check(property, { seed: SEED, numRuns: runs });
  const spent = Date.now() - began;
  if (spent > SLOW_MS) console.log(`${name}: ${(spent / 1000).toFixed(1)} s`);
  if (!report.failed) return passed();
  return failed(name, `${report.errorInstance?.message ?? report.error}\n  case ${report.numRuns}, path ${report.counterexamplePath}`);
}

// Subscriptions that can be suspended, cancelled and changed once more.
async function renew(daemon) {
  for (const id of KEPT.subscriptions)
    await daemon.api('PUT', `subscriptions/${id}`, { customer: 'gamma', plan_version: 'seed-plan-1', status: 'active' });
}

// --- the world that documents name --------------------------------------------------------------------------------------
async function seedWorld(daemon) {
  const key = await daemon.api('POST', 'keys', { customer: 'beta', name: 'main', new_customer: true });
  await daemon.api('POST', 'keys', { customer: 'gamma', name: 'main', new_customer: true });
  await daemon.api('POST', 'customers/beta/grants', { amount_usd: '5', reference: 'first' });
  await daemon.api('PUT', 'providers/seed-ai', { display_name: 'Seed', dialect: 'simulated' });
  await daemon.api('PUT', 'models/seed-model', { provider: 'seed-ai' });
  for (const feature of KNOWN.feature)
    await daemon.api('PUT', `features/${feature}`, { type: 'metered', category: 'chat', name: { en: feature } });
  await daemon.api('PUT', 'plans/seed-plan', { name: { en: 'Seed' } });
  await daemon.api('PUT', 'plan-versions/seed-plan-1', { plan: 'seed-plan', number: 1, status: 'active' });
  await daemon.api('PUT', 'groups/seed-group', { name: { en: 'Seed' } });
  await renew(daemon);
  for (let count = 0; count < 5; count++) await daemon.chat();
  return { ...KNOWN, key: [key.id, 'main'] };
}

// --- properties ---------------------------------------------------------------------------------------------------------
// Ids of a kind that were made by valid input: what later input of the same kind is about.
function hintsOf(hints, ids) {
  return { ...hints, get id() { return ids; } };
}

async function validProperty(calls, operation, hints, ids) {
  await holds(`${operation.id} valid input`, RUNS, [validInput(operation, hints)], async (input) => {
    const answer = await calls.call(operation, requestOf(operation, input));
    if ([200, 201].includes(answer.status) && operation.kind && operation.handler !== 'object_list' && operation.handler !== 'object_get') {
      const document = JSON.parse(answer.text);
      if (answer.headers.etag !== `"${document.version}"`) answer.wrong('the ETag is not the version');
      if (!ids.includes(document.id) && ids.length < 20) ids.push(document.id);
    }
  });
}

// What a customer may ask with its own key.
async function selfProperty(calls, operation, hints) {
  await holds(`${operation.id} with a customer's key`, RUNS, [validInput(operation, hints)], async (input) => {
    await calls.call(operation, requestOf(operation, input, ROLES.customer()));
  });
}

async function invalidProperty(calls, operation, hints) {
  await holds(`${operation.id} invalid input`, RUNS, [validInput(operation, hints), mutationOf(operation)], async (input, mutation) => {
    await calls.call(operation, mutated(operation, input, mutation));
  });
}

async function rolesProperty(calls, operation, hints) {
  const runs = Math.ceil(RUNS / 3);
  // Their own key opens to customers what has the scope `self`.
  const roles = Object.keys(ROLES).filter((role) => operation.scope !== 'self' || role !== 'customer');
  await holds(`${operation.id} without the right`, runs, [validInput(operation, hints), fc.constantFrom(...roles), fc.boolean()],
    async (input, role, bare) => {
      const request = requestOf(operation, input, ROLES[role]());
      await calls.refused(operation, bare && operation.body ? { ...request, body: Buffer.from('{') } : request);
    });
}

// Made, shown, replaced twice, changed by nothing, taken away: a document's whole life.
async function lifeProperty(calls, kind, hints) {
  const { object_create: create, object_get: show, object_replace: replace, object_change: change, object_delete: remove } = kind;
  const added = show.answers[200].members.filter((name) => name === 'id' || !(name in create.body.properties));
  let number = 0;
  const fresh = { ...hints, customer: ['beta'] };
  let lived = 0;
  await holds(`${create.kind} from making to deleting`, RUNS, [valueOf(create.body, 'body', fresh)], async (generated) => {
    const document = withOwnId(create, generated, ++number);
    const made = await calls.call(create, request(create, document));
    if (made.status !== 201) return;
    lived++;
    const { id, ...text } = JSON.parse(made.text);
    const input = { path: { id }, query: {}, header: {} };
    const shown = async (what, version, wanted) => {
      const answer = await calls.call(show, requestOf(show, input));
      if (answer.status !== 200) answer.wrong(`${what}, but not shown`);
      const got = JSON.parse(answer.text);
      for (const [name, value] of Object.entries(wanted))
        if (name !== 'id' && !isDeepStrictEqual(got[name], value)) answer.wrong(`${what}, but ${name} is another: wanted ${JSON.stringify(value)}`);
      const extra = Object.keys(got).find((name) => !(name in wanted) && !added.includes(name));
      if (extra) answer.wrong(`${what}, but has ${extra}`);
      if (got.version !== version || answer.headers.etag !== `"${version}"`) answer.wrong(`${what}, but the version is not ${version}`);
    };
    const write = async (operation, header, body, wanted) => {
      const answer = await calls.call(operation, { ...requestOf(operation, { ...input, header, body }) });
      if (answer.status !== wanted) answer.wrong(`wanted ${wanted}`);
    };
    const { id: _, ...members } = JSON.parse(JSON.stringify(document));
    await shown('made', text.version, members);
    const again = await calls.call(create, request(create, { ...document, id: replaceableId(create, id) }));
    if (again.status !== 409) again.wrong('made twice');
    await write(replace, {}, members, 200);
    await shown('replaced', 2, members);
    await write(replace, { 'If-Match': '"1"' }, members, 412);
    await write(replace, { 'If-None-Match': '*' }, members, 412);
    await write(replace, { 'If-Match': '"2"' }, members, 200);
    await shown('replaced by the same', 3, members);
    await write(change, { 'If-Match': '"3"' }, {}, 200);
    await shown('changed by nothing', 4, members);
    await write(remove, { 'If-Match': '"1"' }, undefined, 412);
    await write(remove, {}, undefined, 204);
    await write(show, {}, undefined, 404);
    await write(change, {}, {}, 404);
    await write(remove, {}, undefined, 404);
  });
  if (lived > 0) passed();
  else failed(`${create.kind} making`, 'nothing that was generated could be made');
}

const request = (operation, body) => requestOf(operation, { path: {}, query: {}, header: {}, body });

const CHOSEN = ['PROFILE', 'USER']; // their members make their id
const replaceableId = (create, id) => (CHOSEN.includes(create.kind) ? undefined : id);

function withOwnId(create, document, number) {
  if (create.kind === 'PROFILE') return document;
  if (create.kind === 'USER') return { ...document, external_id: `life-${number}` };
  return { ...document, id: `life-${number}` };
}

// --- the run ------------------------------------------------------------------------------------------------------------
// Operations that belong together run one after another, so that a seed means the same run each time.
function groupsOf(operations) {
  const groups = new Map();
  for (const operation of operations) {
    const name = operation.kind ?? 'other';
    groups.set(name, [...(groups.get(name) ?? []), operation]);
  }
  const { other, ...kinds } = Object.fromEntries(groups);
  return [...Object.values(kinds), ...(other ? [other] : [])]; // what looks at all documents comes last
}

const ORDER = ['object_create', 'object_replace', 'object_change', 'object_get', 'object_list', 'object_delete'];

async function workGroup(calls, operations, hints) {
  const ids = ['live-1'];
  const { kind } = operations[0];
  const hintsFor = (operation) => hintsOf(hints, kind ? ids : (KEPT[operation.route.split('/')[3]] ?? []));
  const sorted = [...operations].sort((a, b) => ORDER.indexOf(a.handler) - ORDER.indexOf(b.handler));
  if (kind) await lifeProperty(calls, Object.fromEntries(operations.map((one) => [one.handler, one])), hints);
  for (const operation of sorted) {
    if (KEPT[operation.route.split('/')[3]] && !kind) await renew(calls.daemon);
    await validProperty(calls, operation, hintsFor(operation), ids);
  }
  for (const operation of sorted) {
    if (operation.scope === 'self') await selfProperty(calls, operation, hintsFor(operation));
    await invalidProperty(calls, operation, hintsFor(operation));
    await rolesProperty(calls, operation, hintsFor(operation));
  }
}

function report(calls, operations) {
  console.log(`\n${'operation'.padEnd(28)}${'sent'.padStart(6)}  answers`);
  for (const operation of operations) {
    const { sent, statuses } = calls.counts.get(operation.id);
    const text = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}×${count}`).join(' ');
    console.log(`${operation.id.padEnd(28)}${String(sent).padStart(6)}  ${text}`);
    if ([...statuses.keys()].some((status) => status < 300)) passed();
    else failed(operation.id, 'no input was answered with success');
  }
}

// A method that an address has not is 405, whatever is sent.
async function otherMethods(daemon, operations) {
  for (const route of new Set(operations.map((operation) => operation.route))) {
    const has = operations.filter((operation) => operation.route === route).map((operation) => operation.method);
    for (const method of METHODS.filter((name) => !has.includes(name))) {
      const asked = { method, target: route.replaceAll(/{\w+}/g, 'x'), headers: { authorization: `Bearer ${ADMIN}` } };
      const { status, headers, text } = await daemon.send(asked);
      if (status === 405 && headers['content-type'] === 'application/problem+json' && JSON.parse(text).code === 'method_not_allowed') passed();
      else failed(`${method} ${route}`, `${status} ${text}`);
    }
  }
}

async function finalChecks(daemon) {
  const status = await daemon.api('GET', 'status');
  if (status.ready) passed();
  else failed('status', JSON.stringify(status));
  const audit = await daemon.api('GET', 'audit/verify');
  if (audit.valid) passed();
  else failed('audit', JSON.stringify(audit));
  const { status: answered, text } = await daemon.chat();
  if (answered === 200) passed();
  else failed('a call after all of it', `${answered} ${text}`);
}

async function main() {
  const api = loadApi();
  const started = Date.now();
  const daemon = await startDaemon(path.resolve(options.from, options.binary));
  console.log(`COTA=${daemon.url} admin token ${ADMIN}, seed ${SEED}, ${RUNS} runs per property`);
  const calls = new Calls(daemon, api);
  const operations = api.operations.filter((operation) => operation.id.includes(options.only) || operation.kind === options.only);
  try {
    const hints = await seedWorld(daemon);
    if (options.serve) return void (await once(process, 'SIGINT'), await daemon.stop());
    const waiting = groupsOf(operations);
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let group; (group = waiting.shift());) await workGroup(calls, group, hints);
    }));
    await otherMethods(daemon, operations);
    report(calls, operations);
    await finalChecks(daemon);
  } catch (error) {
    failed('the run', error.stack);
  }
  const { code, said } = await daemon.stop();
  if (code === 0) passed();
  else failed(`the daemon ended with ${code}`, said);
  const sent = [...calls.counts.values()].reduce((sum, count) => sum + count.sent, 0);
  console.log(`${operations.length} operations, ${sent} requests, ${((Date.now() - started) / 1000).toFixed(1)} s`);
  console.log(`${results.passed} passed, ${results.failed} failed, 0 skipped`);
  process.exitCode = results.failed ? 1 : 0;
}

await main();
