// cota.test.mjs - the client against a real daemon: every method, and what is refused.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Cota, CotaError } from '../dist/index.js';
import { adminToken, keys, startGateway } from '../../../tests/sdk/world.mjs';

const PROVIDERS_MORE = 501; // more than a page
let gateway, cota;

async function done(call) {
  const { data, error, response } = await call;
  assert.ok(response.ok, JSON.stringify(error));
  return data;
}

async function chat(key, headers = {}) {
  const body = JSON.stringify({ model: 'sim-fast', messages: [{ role: 'user', content: 'hello' }] });
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST', body, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers } });
}

const refusal = (status, code, param) => (error) => {
  assert.ok(error instanceof CotaError, String(error));
  assert.deepEqual([error.status, error.code, error.param], [status, code, param]);
  return true;
};

before(async () => {
  gateway = await startGateway();
  cota = new Cota({ baseUrl: gateway.url, token: adminToken });
  const put = (path, id, body) => done(cota.api.PUT(`/api/v1/${path}/{id}`, { params: { path: { id } }, body }));
  await put('providers', 'alpha', { display_name: 'Alpha', dialect: 'simulated', status: 'active' });
  await put('providers', 'beta', { display_name: 'Beta', dialect: 'simulated', status: 'active' });
  await put('features', 'user-chat', { type: 'metered', category: 'chat', name: { pt: 'Conversa', en: 'Chat' } });
  await put('features', 'reports', { type: 'metered', category: 'generation', name: { en: 'Reports' } });
  await put('plans', 'free', { name: { en: 'Free' } });
  await put('plan-versions', 'free-1', { plan: 'free', number: 1, status: 'active',
    limits: [{ name: 'hourly', metric: 'requests', window: 'hour', value: 100, mode: 'hard' }] });
  await put('groups', 'vip', { name: { en: 'VIP' } });
  await put('subscriptions', 'rich-free', { customer: 'rich', plan_version: 'free-1', status: 'active' });
  await put('feature-providers', 'chat-alpha', { feature: 'user-chat', provider: 'alpha', role: 'generation', weight: 70, order: 1 });
  await put('feature-providers', 'chat-beta', { feature: 'user-chat', provider: 'beta', role: 'fallback', weight: 30, order: 2 });
});

after(() => gateway?.stop());

const cell = { plan: 'free', feature: 'user-chat', provider: 'alpha', profile: 'user' };

test('updateMatrix makes a cell, then changes it, and getFullMatrix shows it', async () => {
  const made = await cota.updateMatrix({ ...cell, daily_limit: 3, monthly_limit: 30 }, { reason: 'first' });
  assert.deepEqual([made.version, made.daily_limit, made.monthly_limit], [1, 3, 30]);
  const changed = await cota.updateMatrix({ ...cell, daily_limit: 5 }, { version: 1 });
  assert.deepEqual([changed.id, changed.version, changed.daily_limit, changed.monthly_limit], [made.id, 2, 5, 30]);
  await cota.updateMatrix({ ...cell, provider: 'beta', daily_limit: 1 });
  const matrix = await cota.getFullMatrix({ plan: 'free' });
  assert.deepEqual(matrix.map((row) => row.provider).sort(), ['alpha', 'beta']);
  await assert.rejects(cota.updateMatrix({ ...cell, daily_limit: 9 }, { version: 1 }), refusal(412, 'version_conflict'));
});

test('getProvidersForContext and getPrimaryProvider tell who answers', async () => {
  const found = await cota.getProvidersForContext({ plan: 'free', feature: 'user-chat', profile: 'user' });
  assert.deepEqual(found.map((one) => [one.provider, one.role, one.weight, one.daily_limit]), [['alpha', 'generation', 70, 5], ['beta', 'fallback', 30, 1]]);
  const primary = await cota.getPrimaryProvider({ customer: 'rich', feature: 'user-chat' });
  assert.equal(primary?.provider, 'alpha');
  await assert.rejects(cota.getPrimaryProvider({ plan: 'none', feature: 'user-chat' }), refusal(404, 'not_found', 'plan'));
});

test('checkLimits says what is left', async () => {
  const check = await cota.checkLimits({ customer: 'rich', feature: 'user-chat', user: 'ana' });
  assert.equal(check.allowed, true);
  const hourly = check.limits.find((limit) => limit.name === 'hourly');
  assert.deepEqual([hourly?.limit, hourly?.metric, hourly?.window], [100, 'requests', 'hour']);
  const all = await cota.getEntitlements({ customer: 'rich' });
  assert.deepEqual(all.features.map((one) => one.feature).sort(), ['reports', 'user-chat']);
});

test('createOverride changes what the matrix says', async () => {
  const override = await cota.createOverride({ scope: 'customer', scope_id: 'rich', target: 'matrix', selector: { provider: 'alpha' },
    op: 'multiply', value: '2', reason: 'VIP' });
  assert.equal(override.op, 'multiply');
  const found = await cota.getProvidersForContext({ customer: 'rich', feature: 'user-chat' });
  assert.equal(found.find((one) => one.provider === 'alpha')?.daily_limit, 10);
  await assert.rejects(cota.createOverride({ scope: 'group', scope_id: 'vip', target: 'limit', op: 'double' }), refusal(400, 'invalid_field', 'op'));
});

test('resolveAIForRequest: who answers and whether it may', async () => {
  const open = await cota.resolveAIForRequest({ customer: 'rich', feature: 'user-chat', user: 'ana' });
  assert.deepEqual([open.allowed, open.primary?.provider, open.code], [true, 'alpha', null]);
  await done(cota.api.PUT('/api/v1/licenses/{id}', { params: { path: { id: 'limited' } },
    body: { customer: 'limited', modules: ['patients'], ai_enabled: false } }));
  const shut = await cota.resolveAIForRequest({ customer: 'limited', feature: 'user-chat' });
  assert.deepEqual([shut.allowed, shut.primary, shut.code], [false, null, 'ai_not_licensed']);
  const plan = await cota.resolveAIForRequest({ plan: 'free', feature: 'user-chat' });
  assert.deepEqual([plan.allowed, plan.primary?.provider], [true, 'alpha']);
});

test('getUsage reads what the gateway metered', async () => {
  assert.equal((await chat(keys.rich, { 'x-cota-user': 'ana' })).status, 200);
  const [row] = await cota.getUsage({ customer: 'rich', limit: 1 });
  assert.deepEqual([row?.customer, row?.model, row?.user], ['rich', 'sim-fast', 'ana']);
  const sums = await cota.getUsageBy('customer');
  assert.equal(sums.length, 1);
  assert.deepEqual(await cota.getUsage({ customer: 'poor' }), []);
});

test('setProviderStatus switches a provider', async () => {
  const off = await cota.setProviderStatus('beta', 'disabled', { reason: 'too dear' });
  assert.equal(off.status, 'disabled');
  assert.deepEqual((await cota.listProviders({ status: 'disabled' })).map((one) => one.id), ['beta']);
  const { items } = await done(cota.api.GET('/api/v1/audit', { params: { query: { kind: 'provider', limit: 1 } } }));
  assert.equal(items[0]?.reason, 'too dear');
  await assert.rejects(cota.setProviderStatus('nobody', 'active'), refusal(404, 'not_found'));
  await assert.rejects(cota.setProviderStatus('beta', 'gone'), refusal(400, 'invalid_field', 'status'));
});

test('listFeatures and listProviders give every page', async () => {
  assert.deepEqual((await cota.listFeatures({ category: 'chat' })).map((one) => one.id), ['user-chat']);
  const before = (await cota.listProviders()).length;
  for (let number = 0; number < PROVIDERS_MORE; number++)
    await done(cota.api.PUT('/api/v1/providers/{id}', { params: { path: { id: `more-${number}` } }, body: { display_name: 'More', dialect: 'openai' } }));
  assert.equal(new Set((await cota.listProviders()).map((one) => one.id)).size, before + PROVIDERS_MORE);
});

test('a wrong token, and an answer that is none of the API', async () => {
  const stranger = new Cota({ baseUrl: gateway.url, token: 'wrong' });
  await assert.rejects(stranger.listFeatures(), refusal(401, 'invalid_api_key'));
  const proxy = new Cota({ baseUrl: 'http://127.0.0.1:1', token: 'x', fetch: async () => new Response('<html>', { status: 503 }) });
  await assert.rejects(proxy.listFeatures(), (error) => error instanceof CotaError && error.status === 503 && error.code === '' && error.isTemporary);
});
