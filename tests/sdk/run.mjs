// run.mjs - runs the tests with node's own runner, and sums them up in one last line.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = path.dirname(fileURLToPath(import.meta.url));
const binary = process.argv[2];
const file = process.argv[3] ?? path.join(folder, 'openai.test.mjs');
if (!binary) {
  console.error('usage: node run.mjs BINARY [TESTS]');
  process.exit(2);
}
// Run as a plain program, so that each test is counted once and no file counts as a test.
const child = spawn(process.execPath, ['--test-reporter=tap', file], {
  env: { ...process.env, COTA_BINARY: binary },
  stdio: ['ignore', 'pipe', 'inherit'],
});
let text = '';
child.stdout.on('data', (piece) => (text += piece));
child.on('close', (code) => {
  const figure = (name) => Number((text.match(new RegExp(`^# ${name} (\\d+)$`, 'm')) ?? [])[1] ?? NaN);
  const [passed, failed, skipped] = [figure('pass'), figure('fail') + figure('cancelled'), figure('skipped')];
  if (code !== 0 || failed > 0) console.log(text);
  const complete = [passed, failed, skipped].every(Number.isFinite) && passed + failed > 0;
  if (!complete) console.log(`the tests did not finish (exit ${code})\n0 passed, 1 failed, 0 skipped`);
  else console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exit(complete && failed === 0 && code === 0 ? 0 : 1);
});
