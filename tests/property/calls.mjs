// calls.mjs - requests made of generated input, and what every answer must be.
import fc from 'fast-check';
import { ADMIN, curlOf } from './daemon.mjs';
import { mutationOf, changedBody, patchOf, valueOf, KNOWN } from './inputs.mjs';

// What the server says before it knows which operation is meant.
const ANYWHERE = ['HTTP_INVALID', 'URI_TOO_LONG', 'HEADERS_TOO_LARGE', 'BODY_TOO_LARGE', 'METHOD_UNKNOWN', 'NOT_FOUND'];
// What it says of a credential before it looks at what is asked.
const OF_CALLER = ['KEY_MISSING', 'KEY_INVALID', 'SESSION_INVALID', 'CSRF_INVALID', 'PERMISSION_DENIED'];
const SHOWN_CHARS = 1500;

// Headers of Node are latin1 without control characters.
const asHeader = (text) => text.replaceAll(/[^\x20-\x7e\x80-\xff]/g, '?').trim();

export function validInput(operation, hints) {
  const parts = { path: {}, query: {}, header: {} };
  for (const parameter of operation.parameters) {
    const value = valueOf(parameter.schema, parameter.name, hints);
    parts[parameter.in][parameter.name] = parameter.required ? value : fc.option(value, { nil: undefined, freq: 2 });
  }
  return fc.record({
    path: fc.record(parts.path),
    query: fc.record(parts.query),
    header: fc.record(parts.header),
    body: operation.body ? (operation.isPatch ? patchOf : valueOf)(operation.body, operation.isPatch ? hints : 'body', hints) : fc.constant(undefined),
  });
}

// The same with what must be there and nothing else: nothing stands in the way of an answer.
export function plainInput(operation, hints) {
  return validInput({ ...operation, parameters: operation.parameters.filter((parameter) => parameter.required) }, hints);
}

// Ids that the document itself decides must be those of the address.
function fittingId(operation, input) {
  const document = input.body ?? {};
  if (operation.handler !== 'object_replace') return input;
  if (operation.kind === 'PROFILE' && document.customer) return { ...input, path: { id: document.customer } };
  if (operation.kind === 'AI_CONFIG' && document.customer) return { ...input, path: { id: `${document.customer}/${document.provider}` } };
  if (operation.kind === 'USER' && document.customer) return { ...input, path: { id: `${document.customer}/${document.external_id}` } };
  return input;
}

const segment = (value) => encodeURIComponent(String(value).toWellFormed()).replaceAll('.', '%2E');

export function requestOf(operation, given, role = { authorization: `Bearer ${ADMIN}` }) {
  const input = fittingId(operation, given);
  const path = operation.route.replaceAll(/{(\w+)}/g, (_, name) => segment(input.path[name]));
  const query = Object.entries(input.query).filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value).toWellFormed())}`).join('&');
  const headers = { ...role };
  for (const [name, value] of Object.entries(input.header)) if (value !== undefined) headers[name.toLowerCase()] = asHeader(value);
  if (operation.body) headers['content-type'] = 'application/json';
  const body = operation.body ? Buffer.from(JSON.stringify(input.body)) : undefined;
  return { method: operation.method, target: path + (query ? `?${query}` : ''), headers, body, sparse: /(^|&)fields=/.test(query) };
}

// The request with something done to it; mustRefuse: openapi.yaml does not allow it.
export function mutated(operation, given, mutation) {
  const input = fittingId(operation, given);
  const request = requestOf(operation, input);
  const mark = request.target.includes('?') ? '' : '?';
  switch (mutation.kind) {
    case 'query':
      return { ...request, target: request.target + (mark + mutation.text).replace('?&', '?'), sparse: true,
        mustRefuse: /colour|x=|a=b|%zz|%00|%6c|limit=-1/.test(mutation.text) };
    case 'parameter': {
      const parameter = operation.parameters.find((one) => one.in === 'query' && one.name === mutation.name);
      const target = requestOf(operation, { ...input, query: { ...input.query, [mutation.name]: mutation.value } }).target;
      return { ...request, target, sparse: true, mustRefuse: !parameter.valid(typed(parameter.schema, mutation.value)) };
    }
    case 'path':
      return { ...request, target: operation.route.replace(/{(\w+)}/, mutation.text).replaceAll(/{(\w+)}/g, 'x'), wild: true,
        mustRefuse: ['%', '%z1', '%4', '%00'].includes(mutation.text) };
    case 'header':
      return { ...request, headers: { ...request.headers, [mutation.name]: mutation.value } };
    case 'type':
      return { ...request, headers: { ...request.headers, 'content-type': mutation.value }, mustRefuse: !/^application\/json/.test(mutation.value) };
    case 'raw':
      return { ...request, body: mutation.body, mustRefuse: true };
    default: {
      const document = changedBody(input.body, mutation.change);
      const text = document === undefined ? '' : JSON.stringify(document);
      return { ...request, body: Buffer.from(text), mustRefuse: text === '' || !operation.bodyValid(JSON.parse(text)) };
    }
  }
}

// A parameter's text as a value of its type.
function typed(schema, text) {
  if (schema.type === 'integer') return /^-?\d{1,18}$/.test(text) ? Number(text) : text;
  if (schema.type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  return text.toWellFormed();
}

export class Calls {
  constructor(daemon, api) {
    this.daemon = daemon;
    this.anywhere = ANYWHERE.map((name) => api.errors.get(name));
    this.ofCaller = OF_CALLER.map((name) => api.errors.get(name));
    this.isGone = false;
    this.told = new Map();
    this.counts = new Map(api.operations.map((operation) => [operation.id, { sent: 0, statuses: new Map() }]));
  }

  // What was found out about an operation and a caller, for the table at the end.
  tell(operation, caller, text) {
    this.told.set(operation.id, (this.told.get(operation.id) ?? new Map()).set(caller, text));
  }

  // Sends it and checks the answer; returns it with `document`. Throws with a line that replays it.
  async call(operation, request) {
    const wrong = (what, answer) => {
      const said = answer ? `\n  answered ${answer.status}: ${answer.text.slice(0, SHOWN_CHARS)}` : '';
      throw new Error(`${operation.id}: ${what}${said}\n  ${curlOf(request).slice(0, 4 * SHOWN_CHARS)}`);
    };
    let answer;
    try {
      answer = await this.daemon.send(request);
    } catch (error) {
      this.isGone ||= error.code === 'ECONNREFUSED';
      wrong(`no answer: ${error.message}`);
    }
    const count = this.counts.get(operation.id);
    count.sent++;
    count.statuses.set(answer.status, (count.statuses.get(answer.status) ?? 0) + 1);
    const problem = this.check(operation, request, answer);
    if (problem) wrong(problem, answer);
    if (request.mustRefuse && answer.status < 400) wrong('accepted what openapi.yaml does not allow', answer);
    return { ...answer, wrong: (what) => wrong(what, answer) };
  }

  check(operation, request, answer) {
    const type = (answer.headers['content-type'] ?? '').split(';')[0];
    if (answer.status >= 400) return this.checkProblem(operation, request, answer, type);
    const wanted = operation.answers[answer.status];
    if (wanted === undefined) return `status ${answer.status} is not documented`;
    if (wanted === null) return answer.text === '' ? null : 'has a body';
    const content = wanted.get(type);
    if (!content) return `content-type is ${type}, not ${[...wanted.keys()].join(' or ')}`;
    if (content.isText && !content.isLines) return null;
    const valid = request.sparse ? content.sparse : content.whole;
    try {
      const documents = content.isLines ? answer.text.split('\n').filter(Boolean) : [answer.text];
      const values = documents.map((text) => JSON.parse(text));
      const bad = values.find((value) => !valid(value));
      answer.document = values[0];
      return bad === undefined ? null : `is not valid by its schema: ${JSON.stringify(valid.errors)}`;
    } catch (error) {
      return `is no JSON: ${error.message}`;
    }
  }

  checkProblem(operation, request, answer, type) {
    if (type !== 'application/problem+json') return `an error's content-type is ${type}`;
    let problem;
    try {
      problem = JSON.parse(answer.text);
    } catch (error) {
      return `is no JSON: ${error.message}`;
    }
    const valid = operation.answers.default.get('application/problem+json').whole;
    if (!valid(problem)) return `is no valid problem: ${JSON.stringify(valid.errors)}`;
    if (problem.status !== answer.status) return 'status differs from the one in its body';
    if (answer.status >= 500 && answer.status !== 503) return `status ${answer.status}`;
    const same = (row) => row.status === answer.status && row.code === problem.code;
    const isOfCaller = operation.permission !== 'public' && this.ofCaller.some(same);
    if (!operation.errors.some(same) && !isOfCaller && !(request.wild && this.anywhere.some(same)))
      return `${answer.status} ${problem.code} is not among its x-errors`;
    return null;
  }
}

export { mutationOf, KNOWN };
