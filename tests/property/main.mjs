// main.mjs - the properties, per operation of openapi.yaml, and what is counted.
import { once } from 'node:events';
import path from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import fc from 'fast-check';
import { loadApi } from './api.mjs';
import { Calls, KNOWN, mutated, mutationOf, plainInput, requestOf, validInput } from './calls.mjs';
import { ADMIN, startDaemon } from './daemon.mjs';
import { KEPT, valueOf } from './inputs.mjs';
import { MARKS, PASSWORD, bare, codeOf, loadTable, makeCallers, outcomeOf, problemOf, signIn } from './roles.mjs';

const { values: options } = parseArgs({ options: {
  binary: { type: 'string', default: 'build/cota' }, from: { type: 'string', default: '.' }, runs: { type: 'string', default: '100' },
  seed: { type: 'string', default: '1' }, serve: { type: 'boolean', default: false }, only: { type: 'string', default: '' } } });
const RUNS = Number(options.runs);
const SEED = Number(options.seed);
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
const SLOW_MS = 5000;
const AT_ONCE = 6; // kinds of documents that are worked on at the same time
const CALLER_RUNS = Math.max(2, Math.ceil(RUNS / 12)); // per operation and caller, half of it with invalid input
const SLOW_RUNS = Math.max(3, Math.ceil(RUNS / 20)); // of what makes hashes of passwords
const TEAM_KEPT = 3;

const results = { passed: 0, failed: 0 };

function passed() {
  results.passed++;
}

function failed(what, text) {
  results.failed++;
  console.log(`FAILED: ${what} (--seed ${SEED} --runs ${RUNS})\n  ${text}\n`);
}

// One property of one operation is one case.
async function holds(calls, name, runs, arbitraries, predicate) {
  if (calls.isGone) return undefined; // its end was told
  const property = fc.asyncProperty(...arbitraries, predicate);
  const began = Date.now();
  const report = await fc.check(property, { seed: SEED, numRuns: runs });
  const spent = Date.now() - began;
  if (spent > SLOW_MS) console.log(`${name}: ${(spent / 1000).toFixed(1)} s`);
  if (!report.failed) return passed();
  return failed(name, `${report.errorInstance?.message ?? report.error}\n  case ${report.numRuns}, path ${report.counterexamplePath}`);
}

// What operations use up, once more: subscriptions to cancel, operators to remove, prices to approve …
let made = 0;
const KEYS = ['main'];
const RENEW = {
  async subscriptions(daemon) {
    for (const [index, id] of KEPT.subscriptions.entries())
      await daemon.api('PUT', `subscriptions/${id}`, { customer: 'gamma', plan_version: 'seed-plan-1', status: index ? 'active' : 'suspended' });
  },
  async team(daemon) {
    const invite = async () => (await daemon.api('POST', 'team', { email: `kept-${++made}@team.example`, role: 'support' })).operator.id;
    KEPT.team.splice(0, Infinity, ...(await Promise.all(Array.from({ length: TEAM_KEPT }, invite))));
  },
  async 'machine-tokens'(daemon) {
    const make = async () => (await daemon.api('POST', 'machine-tokens', { name: `kept-${++made}`, permissions: ['plans:read'] })).id;
    KEPT['machine-tokens'].splice(0, Infinity, ...(await Promise.all(Array.from({ length: TEAM_KEPT }, make))));
  },
  async prices(daemon) {
    for (const id of KEPT.prices)
      await daemon.api('PUT', `prices/${id}`, { model: 'seed-model', status: 'proposed', effective_from: '2031-01-01T00:00:00Z', pools: { input: '1', output: '2' } });
  },
  async keys(daemon) {
    KEYS.splice(0, Infinity, (await daemon.api('POST', 'keys', { customer: 'beta', name: `kept-${++made}` })).id, 'main');
  },
  async jobs(daemon) {
    const operations = Array.from({ length: 2000 }, () => ({ op: 'delete', kind: 'feature', id: 'nothing-of-the-kind' }));
    KEPT.jobs.splice(0, Infinity, (await daemon.api('POST', 'jobs', { kind: 'bulk', operations })).id);
  },
};
const collectionOf = (operation) => operation.route.split('/')[3];

// --- the world that documents name --------------------------------------------------------------------------------------
async function seedWorld(daemon) {
  for (const customer of KNOWN.customer) await daemon.api('POST', 'keys', { customer, name: 'main', new_customer: true });
  await daemon.api('POST', 'customers/beta/grants', { amount_usd: '5', reference: 'first' });
  await daemon.api('PUT', 'providers/seed-ai', { display_name: 'Seed', dialect: 'simulated' });
  await daemon.api('PUT', 'models/seed-model', { provider: 'seed-ai' });
  for (const feature of KNOWN.feature)
    await daemon.api('PUT', `features/${feature}`, { type: 'metered', category: 'chat', name: { en: feature } });
  await daemon.api('PUT', 'plans/seed-plan', { name: { en: 'Seed' } });
  await daemon.api('PUT', 'plan-versions/seed-plan-1', { plan: 'seed-plan', number: 1, status: 'active',
    items: [{ feature: '*', included: 1000, metric: 'requests', reset: 'month', overage: 'block' }],
    limits: [{ name: 'hourly', metric: 'tokens', window: 'hour', value: 1_000_000, mode: 'hard' }] });
  await daemon.api('PUT', 'groups/seed-group', { name: { en: 'Seed' } });
  await daemon.api('PUT', 'subscriptions/seed-sub-beta', { customer: 'beta', plan_version: 'seed-plan-1', status: 'active' });
  await daemon.api('PUT', 'limits/seed-limit', { owner: 'customer', owner_id: 'witness', name: 'calls', metric: 'requests', window: 'day', value: 4, mode: 'soft', alert_percent: [50] });
  for (let count = 0; count < 5; count++) await daemon.chat();
  KEPT.alerts.push(...(await listed(daemon, 'alerts')).map(({ id }) => id));
  return { ...KNOWN, key: KEYS, request_id: (await listed(daemon, 'decisions')).map(({ request_id }) => request_id) };
}

// What becomes of calls is in lists soon, not at once.
async function listed(daemon, collection) {
  for (let tries = 0; tries < 100; tries++) {
    const { items } = await daemon.api('GET', collection);
    if (items.length > 0) return items;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${collection} stay empty`);
}

// --- properties ---------------------------------------------------------------------------------------------------------
// Ids of a kind that were made by valid input: what later input of the same kind is about.
function hintsOf(hints, ids) {
  return { ...hints, get id() { return ids; } };
}

async function validProperty(calls, operation, hints, ids) {
  await holds(calls, `${operation.id} valid input`, operation.isSlow ? SLOW_RUNS : RUNS, [validInput(operation, hints)], async (input) => {
    const answer = await calls.call(operation, requestOf(operation, input));
    if ([200, 201].includes(answer.status) && operation.kind && operation.handler !== 'object_list' && operation.handler !== 'object_get') {
      const document = JSON.parse(answer.text);
      if (answer.headers.etag !== `"${document.version}"`) answer.wrong('the ETag is not the version');
      if (!ids.includes(document.id) && ids.length < 20) ids.push(document.id);
    }
  });
}

async function invalidProperty(calls, operation, hints) {
  await holds(calls, `${operation.id} invalid input`, operation.isSlow ? SLOW_RUNS : RUNS, [validInput(operation, hints), mutationOf(operation)], async (input, mutation) => {
    await calls.call(operation, mutated(operation, input, mutation));
  });
}

// Everybody may exactly what roles.def says, with good input and with bad.
async function callerProperty(calls, operation, hints, caller) {
  if (operation.route.endsWith('/auth/logout') && caller.isSession) return; // signInProperty has it
  const inputs = [fc.oneof(plainInput(operation, hints), validInput(operation, hints)), fc.option(mutationOf(operation), { nil: null, freq: 1 })];
  await holds(calls, `${operation.id} by ${caller.name}`, CALLER_RUNS, inputs, async (input, mutation) => {
    const base = mutation ? mutated(operation, input, mutation) : requestOf(operation, input);
    const { authorization, ...headers } = base.headers;
    const request = { ...base, headers: { ...headers, ...caller.headers }, mustRefuse: false };
    const answer = await calls.call(operation, request);
    const problem = problemOf(caller, operation, request, answer);
    if (problem) answer.wrong(problem);
  });
  calls.tell(operation, caller.name, `${CALLER_RUNS}${MARKS[outcomeOf(caller, operation)]}`);
}

// A session's write needs the token of its page.
async function pageProperty(calls, operation, hints, caller) {
  if (operation.method === 'GET' || operation.permission === 'public') return;
  const strange = [{ 'x-cota-csrf': undefined }, { 'x-cota-csrf': '0'.repeat(40) }, { origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }];
  await holds(calls, `${operation.id} from another page`, strange.length, [validInput(operation, hints), fc.constantFrom(...strange)], async (input, change) => {
    const headers = Object.fromEntries(Object.entries({ ...caller.headers, ...change }).filter(([, value]) => value !== undefined));
    const answer = await calls.call(operation, requestOf(operation, input, headers));
    if (answer.status !== 403 || JSON.parse(answer.text).code !== 'csrf_invalid') answer.wrong('wanted 403 csrf_invalid');
  });
}

// An operator's whole life: invited, signed in, with a second factor and without, another password, gone.
async function signInProperty(calls, operations, caller) {
  const people = [fc.constantFrom('owner', 'admin', 'finance', 'support', 'developer', 'auditor'), fc.string({ maxLength: 60 })];
  let lives = 0;
  await holds(calls, 'an operator from invitation to removal', Math.min(SLOW_RUNS, 4), people, async (role, name) => {
    const isHelped = ++lives % 2 === 0; // somebody else takes the second factor away
    const email = `life-${++made}@team.example`;
    const step = async (id, body, headers, wanted, id_of_path) => {
      const answer = await calls.call(operations[id], requestOf(operations[id], bare(body, { id: id_of_path }), headers));
      if (answer.status !== wanted) answer.wrong(`wanted ${wanted}`);
      return answer.document;
    };
    const { operator, token } = await step('inviteOperator', { email, role, name }, caller.headers, 201);
    await step('useLink', { token, password: PASSWORD }, {}, 201);
    const { headers } = await signIn(calls, operations, email);
    const shown = await step('getSession', undefined, headers, 200);
    if (shown.operator.role !== role || shown.operator.name !== name) throw new Error(`the session is another's: ${JSON.stringify(shown)}`);
    const enrol = async (session) => {
      const { secret } = await step('enrolTotp', { password: PASSWORD }, session, 200);
      await step('confirmTotp', { code: codeOf(secret, Date.now()) }, session, 200);
      return secret;
    };
    const secret = await enrol(headers);
    await step('login', { email, password: PASSWORD }, {}, 401);
    const second = await signIn(calls, operations, email, { totp: codeOf(secret, Date.now() + 30_000) });
    if (isHelped) {
      await step('removeOperatorTotp', undefined, caller.headers, 204, operator.id);
      await step('getSession', undefined, second.headers, 401);
      await step('removeOperatorTotp', undefined, caller.headers, 409, operator.id);
    } else {
      await step('disableTotp', { password: PASSWORD }, second.headers, 204);
    }
    const third = await signIn(calls, operations, email);
    await step('changePassword', { password: PASSWORD, new_password: `${PASSWORD}!` }, third.headers, 204);
    await step('getSession', undefined, third.headers, 401);
    await step('createOperatorLink', undefined, caller.headers, 201, operator.id);
    await step('removeOperator', undefined, caller.headers, 204, operator.id);
    await step('login', { email, password: `${PASSWORD}!` }, {}, 401);
  });
}

// Whoever signs out is out, whatever the role.
async function logoutProperty(calls, operations, callers) {
  for (const caller of callers.filter((one) => one.isSession)) {
    await holds(calls, `logout by ${caller.name}`, 1, [fc.constant(null)], async () => {
      for (const [id, wanted] of [['getSession', 200], ['logout', 204], ['getSession', 401], ['logout', 401]]) {
        const answer = await calls.call(operations[id], requestOf(operations[id], bare(), caller.headers));
        if (answer.status !== wanted) answer.wrong(`wanted ${wanted}`);
      }
    });
    calls.tell(operations.logout, caller.name, '1+');
  }
}

// Made, shown, replaced twice, changed by nothing, taken away: a document's whole life.
async function lifeProperty(calls, kind, hints) {
  const { object_create: create, object_get: show, object_replace: replace, object_change: change, object_delete: remove } = kind;
  const added = show.answers[200].get('application/json').members.filter((name) => name === 'id' || !(name in create.body.properties));
  let number = 0;
  const fresh = { ...hints, customer: ['beta'] };
  let lived = 0;
  await holds(calls, `${create.kind} from making to deleting`, RUNS, [valueOf(create.body, 'body', fresh)], async (generated) => {
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
        if (name !== 'id' && !create.body.properties[name].writeOnly && !isDeepStrictEqual(got[name], value)) answer.wrong(`${what}, but ${name} is another: wanted ${JSON.stringify(value)}`);
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

const CHOSEN = ['PROFILE', 'USER', 'AI_CONFIG']; // their members make their id
const replaceableId = (create, id) => (CHOSEN.includes(create.kind) ? undefined : id);

function withOwnId(create, document, number) {
  if (['PROFILE', 'AI_CONFIG'].includes(create.kind)) return document;
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
// Wrong passwords make the next ones wait: what is about them comes when nobody has to sign in any more.
const isAboutSigningIn = (operation) => ['public', 'own'].includes(operation.permission);

async function workGroup(calls, operations, hints, callers) {
  const ids = ['live-1'];
  const { kind } = operations[0];
  const hintsFor = (operation) => hintsOf(hints, KEPT[collectionOf(operation)]?.length && (!kind || !operation.body) ? KEPT[collectionOf(operation)] : ids);
  const sorted = [...operations].sort((a, b) => ORDER.indexOf(a.handler) - ORDER.indexOf(b.handler));
  const byHandler = Object.fromEntries(operations.map((one) => [one.handler, one]));
  if (kind && ORDER.every((handler) => byHandler[handler])) await lifeProperty(calls, byHandler, hints);
  const again = async (operation) => !kind && !calls.isGone && RENEW[collectionOf(operation)]?.(calls.daemon);
  for (const operation of sorted) {
    await again(operation);
    await validProperty(calls, operation, hintsFor(operation), ids);
  }
  for (const operation of sorted) {
    await again(operation);
    await invalidProperty(calls, operation, hintsFor(operation));
    for (const caller of callers) await callerProperty(calls, operation, hintsFor(operation), caller);
    await pageProperty(calls, operation, hintsFor(operation), callers[0]);
  }
}

function report(calls, operations, callers) {
  const cell = 6;
  const short = callers.map(({ name }) => name.split('_').map((word) => word.slice(0, 3)).join('').slice(0, cell - 1));
  console.log(`\n${'operation'.padEnd(28)}${short.map((text) => text.padStart(cell)).join('')}`);
  for (const operation of operations)
    console.log(operation.id.padEnd(28) + callers.map(({ name }) => (calls.told.get(operation.id)?.get(name) ?? '').padStart(cell)).join(''));
  console.log('+ looked at   - 403 permission_denied   ! 401   x refused by what it is\n');
  console.log(`${'operation'.padEnd(28)}${'sent'.padStart(6)}  answers`);
  for (const operation of operations) {
    const { sent, statuses } = calls.counts.get(operation.id);
    const text = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}×${count}`).join(' ');
    console.log(`${operation.id.padEnd(28)}${String(sent).padStart(6)}  ${text}`);
    if ([...statuses.keys()].some((status) => status < 300)) passed();
    else failed(operation.id, 'no input was answered with success');
  }
  const cells = callers.map(({ name }) => [name, operations.map((operation) => calls.told.get(operation.id)?.get(name)).filter(Boolean)]);
  for (const [name, told] of cells)
    console.log(`${name.padEnd(16)}${Object.entries(MARKS).map(([what, mark]) => `${String(told.filter((one) => one.endsWith(mark)).length).padStart(5)} ${what}`).join('')}`);
  const pairs = cells.reduce((sum, [, told]) => sum + told.length, 0);
  console.log(`${pairs} pairs of operation and caller`);
  if (pairs === operations.length * callers.length) passed();
  else failed('the callers', `${pairs} pairs of operation and caller instead of ${operations.length * callers.length}`);
}

// A method that an address has not is 405, whatever is sent.
async function otherMethods(daemon, operations) {
  const patterns = operations.map(({ route, method }) => ({ method, shape: new RegExp(`^${route.replaceAll(/{\w+}/g, '[^/]+')}$`) }));
  for (const route of new Set(operations.map((operation) => operation.route))) {
    const target = route.replaceAll(/{\w+}/g, 'x');
    const has = patterns.filter(({ shape }) => shape.test(target)).map(({ method }) => method);
    for (const method of METHODS.filter((name) => !has.includes(name))) {
      const { status, headers, text } = await daemon.send({ method, target, headers: { authorization: `Bearer ${ADMIN}` } });
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
    const byId = Object.fromEntries(api.operations.map((operation) => [operation.id, operation]));
    const callers = await makeCallers(calls, byId, loadTable());
    for (const renew of Object.values(RENEW)) await renew(daemon);
    const waiting = groupsOf(operations.filter((operation) => !isAboutSigningIn(operation)));
    const work = Array.from({ length: AT_ONCE }, async () => {
      for (let group; (group = waiting.shift());) await workGroup(calls, group, hints, callers);
    });
    await Promise.all([signInProperty(calls, byId, callers[0]), ...work]);
    if (operations.some(isAboutSigningIn)) await workGroup(calls, operations.filter(isAboutSigningIn), hints, callers);
    await logoutProperty(calls, byId, callers);
    if (!calls.isGone) await otherMethods(daemon, operations);
    report(calls, operations, callers);
    if (!calls.isGone) await finalChecks(daemon);
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
