// openai.test.mjs - the official openai package against Cota: only its base URL is changed.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { keys, startDemo, startGateway } from './world.mjs';

let gateway;
before(async () => {
  gateway = await startGateway();
});
after(() => gateway?.stop());

// A client as anyone would make it, and the number of HTTP requests that it sent.
function clientOf(apiKey = keys.rich, options = {}) {
  const sent = { count: 0 };
  const counting = (...args) => {
    sent.count += 1;
    return fetch(...args);
  };
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0, fetch: counting, ...options });
  return { client, sent };
}

const hello = [{ role: 'user', content: 'Olá, quem é você?' }];
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' }, unit: { type: 'string', enum: ['C', 'F'] } },
      required: ['city', 'days', 'unit'],
    },
  },
};

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join('');

// Polls until the CLI shows what is expected of a call; the last state tells why not.
async function usageRow(requestId, isRight = () => true) {
  let row;
  for (const deadline = Date.now() + 10000; Date.now() < deadline; ) {
    row = (await gateway.command('usage', '--customer', 'rich', '--limit', '1000')).find(
      (each) => each.request_id === requestId,
    );
    if (row && isRight(row)) return row;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`no such usage row for ${requestId}: ${JSON.stringify(row)}`);
}

async function nothingHeld() {
  let credit;
  for (const deadline = Date.now() + 10000; Date.now() < deadline; ) {
    [credit] = await gateway.command('credit', 'show', '--customer', 'rich');
    if (Number(credit.held_nano) === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`still held: ${JSON.stringify(credit)}`);
}

// Asks, expects a rejection, and returns the error with the number of requests sent.
async function refusalOf({ client, sent }, request) {
  try {
    const answer = await client.chat.completions.create(request);
    if (request.stream) await collect(answer);
  } catch (error) {
    return { error, requests: sent.count };
  }
  return assert.fail('the call was served');
}

test('chat: an answer with usage, and the call is in the ledger', async () => {
  const { client } = clientOf();
  const { data, response } = await client.chat.completions
    .create({ model: 'sim-fast', messages: hello })
    .withResponse();
  assert.equal(data.object, 'chat.completion');
  assert.equal(data.choices[0].message.role, 'assistant');
  assert.ok(data.choices[0].message.content.length > 0);
  assert.equal(data.choices[0].finish_reason, 'stop');
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
  assert.ok(response.headers.get('x-cota-cost'));
  const row = await usageRow(response.headers.get('x-request-id'));
  assert.equal(Number(row.output_tokens), data.usage.completion_tokens);
  assert.ok(Number(row.cost_nano) > 0);
});

test('chat: the output cap is honoured', async () => {
  const { client } = clientOf();
  const answer = await client.chat.completions.create({ model: 'sim-fast', messages: hello, max_completion_tokens: 3 });
  assert.equal(answer.choices[0].finish_reason, 'length');
  assert.ok(answer.usage.completion_tokens <= 3);
});

test('chat: the request id of the client is kept', async () => {
  const { client } = clientOf();
  const { response } = await client.chat.completions
    .create({ model: 'sim-fast', messages: hello }, { headers: { 'x-request-id': 'sdk-test-1', 'x-cota-feature': 'demo' } })
    .withResponse();
  assert.equal(response.headers.get('x-request-id'), 'sdk-test-1');
  assert.equal((await usageRow('sdk-test-1')).feature, 'demo');
});

test('chat: an idempotency key replays the first answer', async () => {
  const { client } = clientOf();
  const ask = () =>
    client.chat.completions.create({ model: 'sim-fast', messages: hello }, { idempotencyKey: 'sdk-idempotency-1' });
  const [first, second] = [await ask(), await ask()];
  assert.deepEqual(second, first);
});

test('streaming: chunks, an end, no usage that was not asked for', async () => {
  const { client } = clientOf();
  const chunks = await collect(await client.chat.completions.create({ model: 'sim-fast', messages: hello, stream: true }));
  assert.ok(chunks.length > 2);
  assert.ok(textOf(chunks).length > 0);
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
  assert.ok(chunks.every((chunk) => chunk.choices.length > 0 && !chunk.usage));
});

test('streaming: usage when it was asked for, and the same is charged', async () => {
  const { client } = clientOf();
  const { data, response } = await client.chat.completions
    .create({ model: 'sim-fast', messages: hello, stream: true, stream_options: { include_usage: true } })
    .withResponse();
  const last = (await collect(data)).at(-1);
  assert.deepEqual(last.choices, []);
  assert.ok(last.usage.completion_tokens > 0);
  const row = await usageRow(response.headers.get('x-request-id'));
  assert.equal(Number(row.output_tokens), last.usage.completion_tokens);
});

test('streaming: the stream helper puts the message together', async () => {
  const { client } = clientOf();
  const runner = client.chat.completions.stream({ model: 'sim-fast', messages: hello });
  assert.ok((await runner.finalContent()).length > 0);
});

test('streaming: portuguese text arrives whole', async () => {
  const { client } = clientOf();
  const plain = await client.chat.completions.create({ model: 'sim-fast', messages: hello, seed: 7 });
  assert.doesNotMatch(plain.choices[0].message.content, /\uFFFD/);
});

test('tools: a call with valid arguments', async () => {
  const { client } = clientOf();
  const answer = await client.chat.completions.create({ model: 'sim-tools', messages: hello, tools: [weather] });
  const [call] = answer.choices[0].message.tool_calls;
  assert.equal(answer.choices[0].finish_reason, 'tool_calls');
  assert.equal(call.function.name, 'get_weather');
  const given = JSON.parse(call.function.arguments);
  assert.equal(typeof given.city, 'string');
  assert.ok(Number.isInteger(given.days));
  assert.ok(['C', 'F'].includes(given.unit));
});

test('tools: streamed arguments are put together', async () => {
  const { client } = clientOf();
  const runner = client.chat.completions.stream({ model: 'sim-tools', messages: hello, tools: [weather] });
  const message = await runner.finalMessage();
  assert.equal(message.tool_calls[0].function.name, 'get_weather');
  assert.equal(typeof JSON.parse(message.tool_calls[0].function.arguments).city, 'string');
});

test('JSON mode: an object', async () => {
  const { client } = clientOf();
  const answer = await client.chat.completions.create({
    model: 'sim-json',
    messages: hello,
    response_format: { type: 'json_object' },
  });
  assert.equal(typeof JSON.parse(answer.choices[0].message.content), 'object');
});

test('JSON mode: an instance of a schema', async () => {
  const { client } = clientOf();
  const schema = {
    type: 'object',
    properties: { name: { type: 'string' }, ages: { type: 'array', items: { type: 'integer' } }, ok: { type: 'boolean' } },
    required: ['name', 'ages', 'ok'],
    additionalProperties: false,
  };
  const answer = await client.chat.completions.create({
    model: 'sim-json',
    messages: hello,
    response_format: { type: 'json_schema', json_schema: { name: 'person', strict: true, schema } },
  });
  const value = JSON.parse(answer.choices[0].message.content);
  assert.equal(typeof value.name, 'string');
  assert.ok(value.ages.every(Number.isInteger));
  assert.equal(typeof value.ok, 'boolean');
});

test('embeddings: one vector per input, as the package decodes them', async () => {
  const { client } = clientOf();
  const answer = await client.embeddings.create({ model: 'sim-embed', input: ['um', 'dois'], dimensions: 64 });
  assert.equal(answer.data.length, 2);
  for (const row of answer.data) {
    assert.equal(row.embedding.length, 64);
    const length = Math.hypot(...row.embedding);
    assert.ok(Math.abs(length - 1) < 1e-3, `length ${length}`);
  }
  assert.ok(answer.usage.prompt_tokens > 0);
});

test('embeddings: floats', async () => {
  const { client } = clientOf();
  const answer = await client.embeddings.create({ model: 'sim-embed', input: 'um', encoding_format: 'float' });
  assert.ok(answer.data[0].embedding.every((number) => typeof number === 'number'));
});

test('models: the list, one of it, and none', async () => {
  const { client } = clientOf();
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(names.includes('sim-fast') && names.includes('sim-embed'));
  assert.equal((await client.models.retrieve('sim-fast')).id, 'sim-fast');
  await assert.rejects(client.models.retrieve('no-such-model'), OpenAI.NotFoundError);
});

test('abort: in the middle of a stream; nothing stays held, and the call is charged', async () => {
  const { client } = clientOf();
  const { data: stream, response } = await client.chat.completions
    .create({ model: 'sim-slow', messages: hello, stream: true })
    .withResponse();
  let seen = 0;
  for await (const chunk of stream) {
    seen += chunk.choices.length;
    if (seen === 3) stream.controller.abort();
  }
  assert.ok(seen >= 3);
  const row = await usageRow(response.headers.get('x-request-id'));
  assert.ok(Number(row.charged_nano) > 0);
  await nothingHeld();
});

test('abort: before the first byte', async () => {
  const { client } = clientOf();
  const controller = new AbortController();
  const call = client.chat.completions.create({ model: 'sim-slow', messages: hello }, { signal: controller.signal });
  setTimeout(() => controller.abort(), 200);
  await assert.rejects(call, OpenAI.APIUserAbortError);
  await nothingHeld();
});

test('error 400: a request without messages', async () => {
  const { error } = await refusalOf(clientOf(), { model: 'sim-fast' });
  assert.ok(error instanceof OpenAI.BadRequestError, `${error}`);
});

test('error 401: a key that nobody has', async () => {
  const { error, requests } = await refusalOf(clientOf('ck_test_nobody00000000000000000000', { maxRetries: 2 }), {
    model: 'sim-fast',
    messages: hello,
  });
  assert.ok(error instanceof OpenAI.AuthenticationError, `${error}`);
  assert.equal(error.code, 'invalid_api_key');
  assert.equal(requests, 1);
});

test('error 402: no credit; the package does not try again', async () => {
  const { error, requests } = await refusalOf(clientOf(keys.poor, { maxRetries: 2 }), {
    model: 'sim-fast',
    messages: hello,
    max_completion_tokens: 1000,
  });
  assert.ok(error instanceof OpenAI.APIError, `${error}`);
  assert.equal(error.status, 402);
  assert.equal(error.headers.get('x-should-retry'), 'false');
  assert.equal(requests, 1);
});

test('error 404: a model that does not exist', async () => {
  const { error } = await refusalOf(clientOf(), { model: 'no-such-model', messages: hello });
  assert.ok(error instanceof OpenAI.NotFoundError, `${error}`);
  assert.equal(error.code, 'model_not_found');
});

test('error 429: our own rate limit, with the time to wait', async () => {
  const { client, sent } = clientOf(keys.limited);
  await client.chat.completions.create({ model: 'sim-fast', messages: hello });
  const { error } = await refusalOf({ client, sent }, { model: 'sim-fast', messages: hello });
  assert.ok(error instanceof OpenAI.RateLimitError, `${error}`);
  assert.ok(Number(error.headers.get('retry-after')) > 0);
});

test('error 429: the provider is busy; its Retry-After arrives', async () => {
  const { error } = await refusalOf(clientOf(), { model: 'fails-429', messages: hello });
  assert.ok(error instanceof OpenAI.RateLimitError, `${error}`);
  assert.ok(Number(error.headers.get('retry-after')) > 0);
});

for (const [model, what] of [
  ['fails-500', 'the provider fails'],
  ['fails-503', 'the provider is overloaded'],
  ['fails-401', 'the provider refuses our own key: not the fault of the client'],
  ['is-no-json', 'the provider sends half an answer'],
  ['never-answers', 'the provider never answers'],
]) {
  test(`error 5xx: ${what}`, async () => {
    const { error } = await refusalOf(clientOf(), { model, messages: hello });
    assert.ok(error instanceof OpenAI.InternalServerError, `${error}`);
    assert.ok(error.status >= 500);
  });
}

test('error 5xx: the package tries again, and each try is its own call', async () => {
  const { requests } = await refusalOf(clientOf(keys.rich, { maxRetries: 1 }), { model: 'fails-500', messages: hello });
  assert.equal(requests, 2);
});

for (const model of ['is-cut', 'sends-error']) {
  test(`error in a stream: ${model}; it does not end as if all were well`, async () => {
    const { error } = await refusalOf(clientOf(), { model, messages: hello, stream: true });
    assert.ok(error instanceof OpenAI.APIError, `${error}`);
  });
}

test('at the end nothing is held', nothingHeld);

test('cota demo: the printed key and URL are all it takes', async () => {
  const demo = await startDemo();
  try {
    const { url, api_key: apiKey, models } = demo.shown;
    assert.ok(models.includes('sim-fast'));
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey });
    const chunks = await collect(await client.chat.completions.create({ model: 'sim-fast', messages: hello, stream: true }));
    assert.ok(textOf(chunks).length > 0);
  } finally {
    assert.equal(await demo.stop(), 0);
  }
});
