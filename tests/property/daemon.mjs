// daemon.mjs - `cota serve` in a folder of its own, and plain requests to it.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';

export const ADMIN = 'admin-token-of-the-test';
export const KEY = 'ck_test_0123456789abcdef0123456789abcdef';
const WITNESS = 'ck_test_witness0123456789abcdef01234567'; // of a customer that no input is about
const READY_MS = 30000;
const ANSWER_MS = 30000;
const STOP_MS = 45000;
const CONFIG = `listen: 127.0.0.1:0
workers: 2
admin_token: ${ADMIN}
encryption_keys: [${Buffer.alloc(32, 7).toString('base64url')}=]
providers:
  - {name: sim, dialect: simulated}
models:
  - {name: sim-fast, provider: sim, max_output_tokens: 64, price: {input: 0.15, output: 0.60}}
customers:
  - {id: keeper, credit_usd: 100, keys: [{name: main, secret: "${KEY}"}]}
  - {id: witness, credit_usd: 100, keys: [{name: main, secret: "${WITNESS}"}]}
`;

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// The same request for a shell; COTA is the daemon's address.
export function curlOf({ method, target, headers, body }) {
  const words = [`curl -sS -i -X ${method} --path-as-is "$COTA"${quoted(target)}`];
  for (const [name, value] of Object.entries(headers)) words.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body === undefined) return words.join(' ');
  return `echo ${body.toString('base64')} | base64 -d | ${words.join(' ')} --data-binary @-`;
}

export async function startDaemon(binary) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cota-property-'));
  const file = path.join(folder, 'cota.yaml');
  fs.writeFileSync(file, CONFIG);
  const log = path.join(folder, 'log');
  const child = spawn(binary, ['serve', '-c', file, '--json'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', fs.openSync(log, 'w')],
  });
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal)));
  const said = () => fs.readFileSync(log, 'utf8').slice(-4000);
  const ready = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`not ready: ${said()}`)), READY_MS);
    child.stdout.once('data', (line) => {
      clearTimeout(late);
      resolve(JSON.parse(line));
    });
    ended.then((code) => reject(new Error(`ended with ${code}: ${said()}`)));
  });
  const { hostname, port } = new URL(ready.url);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

  // {status, headers, text}; headers that are undefined are not sent.
  function send({ method, target, headers, body }) {
    return new Promise((resolve, reject) => {
      const sent = body === undefined ? headers : { ...headers, 'content-length': body.length };
      const request = http.request({ hostname, port, agent, method, path: target, headers: sent, timeout: ANSWER_MS });
      request.on('timeout', () => request.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
      request.on('error', reject);
      request.on('response', (answer) => {
        if (answer.headers['content-type']?.startsWith('text/event-stream')) { // has no end
          resolve({ status: answer.statusCode, headers: answer.headers, text: '' });
          return void request.destroy();
        }
        const pieces = [];
        answer.on('data', (piece) => pieces.push(piece));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(pieces).toString() }));
      });
      request.end(body);
    });
  }

  return {
    url: ready.url,
    send,
    // As the operator; throws when it is not answered with success.
    async api(method, target, document) {
      const body = document === undefined ? undefined : Buffer.from(JSON.stringify(document));
      const headers = { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' };
      const answer = await send({ method, target: `/api/v1/${target}`, headers, body });
      if (answer.status >= 300) throw new Error(`${method} ${target}: ${answer.status} ${answer.text}`);
      return answer.text ? JSON.parse(answer.text) : null;
    },
    async chat() {
      const body = Buffer.from(JSON.stringify({ model: 'sim-fast', messages: [{ role: 'user', content: 'hello' }] }));
      const headers = { authorization: `Bearer ${WITNESS}`, 'content-type': 'application/json' };
      return send({ method: 'POST', target: '/v1/chat/completions', headers, body });
    },
    // The exit code, and what it said last.
    async stop() {
      agent.destroy();
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      child.kill('SIGTERM');
      const code = await ended;
      clearTimeout(late);
      const words = said();
      fs.rmSync(folder, { recursive: true, force: true });
      return { code, said: words };
    },
  };
}
