// world.mjs - starts and stops the programs that the tests talk to: `cota simulate`, `cota serve`, `cota demo`.
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

export const binary = process.env.COTA_BINARY;
export const adminToken = 'admin-token-of-the-sdk-test';
const READY_MS = 20000;

export const keys = {
  rich: 'ck_test_rich0000000000000000000000000',
  poor: 'ck_test_poor0000000000000000000000000',
  limited: 'ck_test_limited00000000000000000000',
};

// Our name: what the simulated provider is asked for. What stands after ':' is the fault it shall have.
const models = {
  'sim-fast': 'sim-fast',
  'sim-slow': 'sim-slow',
  'sim-json': 'sim-json',
  'sim-tools': 'sim-tools',
  'sim-embed': 'sim-embed',
  'fails-500': 'sim-fast:fault=500',
  'fails-503': 'sim-fast:fault=503',
  'fails-429': 'sim-429',
  'fails-401': 'sim-fast:fault=401',
  'never-answers': 'sim-fast:fault=stall',
  'is-cut': 'sim-fast:fault=cut-mid-stream=3,output=60',
  'sends-error': 'sim-fast:fault=error-in-stream=3,output=20',
  'is-no-json': 'sim-fast:fault=invalid-json',
};

function freePort() {
  return new Promise((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

// Starts a program; resolves with it and the first line that it prints.
function start(args, environment = {}) {
  const child = spawn(binary, args, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
  child.said = '';
  child.stderr.on('data', (piece) => (child.said = (child.said + piece).slice(-20000)));
  return {
    child,
    firstLine: new Promise((resolve, reject) => {
      let out = '';
      const late = setTimeout(() => reject(new Error(`cota ${args[0]} says nothing: ${child.said}`)), READY_MS);
      child.stdout.on('data', (piece) => {
        out += piece;
        if (out.includes('\n')) {
          clearTimeout(late);
          resolve(out.slice(0, out.indexOf('\n')));
        }
      });
      child.on('exit', (code) => {
        clearTimeout(late);
        reject(new Error(`cota ${args[0]} ended with ${code}: ${child.said}`));
      });
    }),
  };
}

function stop(child) {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve(child.exitCode);
    const late = setTimeout(() => child.kill('SIGKILL'), 40000);
    child.on('exit', (code) => {
      clearTimeout(late);
      resolve(code);
    });
    child.kill('SIGTERM');
  });
}

async function ready(url) {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    const answer = await fetch(`${url}/readyz`).catch(() => null);
    if (answer?.ok) return;
    if (Date.now() > deadline) throw new Error(`${url} is not ready`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function config(port, data, simulator) {
  const price = 'price: {input: 0.15, output: 0.60, cached_input: 0.075}';
  const rows = Object.entries(models).map(
    ([name, model]) => `  - {name: "${name}", provider: sim, model: "${model}", max_output_tokens: 4096, ${price}}`,
  );
  return `listen: 127.0.0.1:${port}
data_dir: "${data}"
workers: 2
admin_token: ${adminToken}
store: sqlite
durability: group
encryption_keys: ["\${env:ENCRYPTION_KEY}"]
providers:
  - {name: sim, dialect: openai, base_url: "${simulator}/v1", api_key: "sk-simulated-provider", timeouts: {connect_ms: 2000, first_byte_ms: 4000, idle_ms: 4000}}
models:
${rows.join('\n')}
customers:
  - {id: rich, credit_usd: 100, keys: [{name: main, secret: "${keys.rich}"}]}
  - {id: poor, credit_usd: "0.00000001", keys: [{name: main, secret: "${keys.poor}"}]}
  - {id: limited, credit_usd: 100, keys: [{name: main, secret: "${keys.limited}", requests_per_minute: 1}]}
`;
}

// A daemon in front of the simulated provider, both on free ports, in a folder of their own.
export async function startGateway() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cota-sdk-'));
  const data = path.join(folder, 'data');
  const simulator = start(['simulate', '--listen', '127.0.0.1:0', '--json']);
  const { url: simulatorUrl } = JSON.parse(await simulator.firstLine);
  const port = await freePort();
  const file = path.join(folder, 'cota.yaml');
  fs.writeFileSync(file, config(port, data, simulatorUrl));
  const fernet = randomBytes(32).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
  const daemon = start(['serve', '-c', file], { ENCRYPTION_KEY: fernet });
  daemon.firstLine.catch(() => {}); // it need not print anything; /readyz tells
  const url = `http://127.0.0.1:${port}`;
  await ready(url);
  return {
    url,
    // What a command of the CLI prints as JSON, one object per line.
    async command(...args) {
      const { stdout } = await promisify(execFile)(binary, [...args, '--data', data, '--json']);
      return stdout.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
    },
    async stop() {
      const code = await stop(daemon.child);
      await stop(simulator.child);
      fs.rmSync(folder, { recursive: true, force: true });
      if (code !== 0) throw new Error(`cota serve ended with ${code}: ${daemon.child.said}`);
    },
  };
}

// `cota demo`: what it prints, and how to stop it.
export async function startDemo() {
  const demo = start(['demo', '--port', '0', '--json']);
  const shown = JSON.parse(await demo.firstLine);
  return { shown, stop: () => stop(demo.child) };
}
