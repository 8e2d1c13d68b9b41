// roles.mjs - everybody who may call: each role of src/admin/roles.def with a session, and each other credential; and what must become of them.
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from './api.mjs';
import { ADMIN, KEY } from './daemon.mjs';
import { requestOf } from './calls.mjs';

export const PASSWORD = 'correct horse battery staple';
const HOME = 'beta'; // the customer of those who belong to one
const CUSTOMERS = ['beta', 'gamma', 'keeper', 'witness'];
const MACHINE_MAY = ['status:read', 'keys:read', 'users:write', 'money:write', 'usage:read', 'catalogue:write', 'prices:read', 'alerts:write', 'audit:read'];
const HOME_MACHINE_MAY = ['keys:write', 'users:read', 'credit:read', 'entitlements:read', 'plans:read', 'alerts:read'];

// {roles: [{name, isBound, permissions}], permissions}: the table itself, so that the product is not its own witness.
export function loadTable() {
  const text = fs.readFileSync(path.join(ROOT, 'src/admin/roles.def'), 'utf8');
  const roles = [...text.matchAll(/^ROLE\(\w+,\s*"(\w+)",\s*(\w+)\)/gm)]
    .map(([, name, bound]) => ({ name, isBound: bound === 'true', permissions: new Set() }));
  const permissions = [...text.matchAll(/^PERMISSION\(\w+,\s*"([^"]+)",\s*([01, ]+),\s*"/gm)].map(([, name, flags]) => {
    flags.split(',').forEach((flag, index) => flag.trim() === '1' && roles[index].permissions.add(name));
    return name;
  });
  if (roles.length === 0 || permissions.length === 0) throw new Error('roles.def could not be read');
  return { roles, permissions };
}

export const bare = (body, pathParts = {}) => ({ path: pathParts, query: {}, header: {}, body });

// Takes the invitation (or the setup link) and signs in; the headers of the session.
export async function signIn(calls, operations, email, more = {}) {
  const answer = await calls.call(operations.login, requestOf(operations.login, bare({ email, password: PASSWORD, ...more }), {}));
  if (answer.status !== 200) answer.wrong('cannot sign in');
  const cookie = answer.headers['set-cookie'][0].split(';')[0];
  return { headers: { cookie, 'x-cota-csrf': answer.document.csrf }, operator: answer.document.operator };
}

async function must(calls, operation, input, headers, wanted) {
  const answer = await calls.call(operation, requestOf(operation, input, headers));
  if (answer.status !== wanted) answer.wrong(`wanted ${wanted}`);
  return answer.document;
}

async function sessionCaller(calls, operations, role) {
  const token = { authorization: `Bearer ${ADMIN}` };
  const email = `${role.name.replace('_', '-')}@role.example`;
  const isOwner = role.name === 'owner'; // the first one, by the setup link
  const link = isOwner
    ? await must(calls, operations.createSetupLink, bare(), token, 201)
    : await must(calls, operations.inviteOperator, bare({ email, role: role.name, ...(role.isBound && { customer: HOME }) }), token, 201);
  await must(calls, operations.useLink, bare({ token: link.token, password: PASSWORD, ...(isOwner && { email }) }), {}, 201);
  const { headers } = await signIn(calls, operations, email);
  return { name: role.name, headers, permissions: role.permissions, customer: role.isBound ? HOME : null, isSession: true };
}

async function machineCaller(calls, operations, name, permissions, customer) {
  const token = { authorization: `Bearer ${ADMIN}` };
  const made = await must(calls, operations.createMachineToken, bare({ name, permissions, customer }), token, 201);
  return { name, headers: { authorization: `Bearer ${made.secret}` }, permissions: new Set(permissions), customer };
}

// A key of `keeper` that may call models and nothing else.
async function dataKeyCaller(daemon) {
  const made = await daemon.api('POST', 'keys', { customer: 'keeper', name: 'data' });
  await daemon.api('PUT', `key-rules/${made.id}`, { customer: 'keeper', scopes: ['inference'] });
  return { name: 'data_key', headers: { authorization: `Bearer ${made.secret}` }, customer: 'keeper', isKey: true, isClosed: true };
}

export async function makeCallers(calls, operations, table) {
  const callers = [];
  for (const role of table.roles) callers.push(await sessionCaller(calls, operations, role));
  callers.push(
    { name: 'admin_token', headers: { authorization: `Bearer ${ADMIN}` }, permissions: new Set(table.permissions), customer: null },
    await machineCaller(calls, operations, 'machine', MACHINE_MAY, null),
    await machineCaller(calls, operations, 'machine_of_one', HOME_MACHINE_MAY, HOME),
    { name: 'own_key', headers: { authorization: `Bearer ${KEY}` }, customer: 'keeper', isKey: true },
    await dataKeyCaller(calls.daemon),
    { name: 'wrong', headers: { authorization: 'Bearer of-a-wrong-token' } },
    { name: 'basic', headers: { authorization: `Basic ${Buffer.from(`admin:${ADMIN}`).toString('base64')}` } },
    { name: 'none', headers: {} },
  );
  for (const caller of callers) {
    const foreign = CUSTOMERS.filter((name) => name !== caller.customer).join('|');
    caller.foreign = caller.customer ? new RegExp(`"(${foreign})["/]`) : null;
  }
  return callers;
}

// open: what it asks is looked at · denied: 403 · nobody: 401 · closed: refused, by what it is
export function outcomeOf(caller, operation) {
  const { permission } = operation;
  if (permission === 'public') return 'open';
  if (caller.isKey) return operation.scope !== 'self' ? 'nobody' : caller.isClosed ? 'closed' : 'open';
  if (!caller.permissions) return 'nobody';
  if (permission === 'own') return caller.isSession ? 'open' : 'closed';
  return caller.permissions.has(permission) && (!caller.customer || operation.customer) ? 'open' : 'denied';
}

export const MARKS = { open: '+', denied: '-', nobody: '!', closed: 'x' };

// Null, or what is wrong with the answer to this caller. `wild`: the address itself may be none of ours.
export function problemOf(caller, operation, request, answer) {
  const { code, param } = answer.status >= 400 ? JSON.parse(answer.text) : {};
  const isDenied = answer.status === 403 && code === 'permission_denied' && param === 'permission';
  const isElsewhere = request.wild && [400, 404, 405, 414, 431].includes(answer.status);
  switch (outcomeOf(caller, operation)) {
    case 'denied':
      return isDenied || isElsewhere ? null : `${caller.name} must be denied: 403 permission_denied`;
    case 'nobody':
      return answer.status === 401 || isElsewhere ? null : `${caller.name} must be told 401 and nothing else`;
    case 'closed':
      return answer.status >= 400 ? null : `${caller.name} must not have this`;
    default:
      if (isDenied) return `${caller.name} has ${operation.permission}, but is denied`;
      if (answer.status === 401 && !['public', 'own'].includes(operation.permission)) return `${caller.name} is somebody, but is told 401`;
      if (answer.status < 400 && caller.foreign?.test(answer.text)) return `${caller.name} sees another customer`;
      return null;
  }
}

// RFC 6238 anew.
export function codeOf(secret, atMs) {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...secret].map((letter) => letters.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((octet) => parseInt(octet, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(atMs / 30_000)));
  const digest = crypto.createHmac('sha1', key).update(step).digest();
  return String((digest.readUInt32BE(digest[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}
