// How the page talks to /api/v1: one function, one kind of error.

// A Problem is an answer other than 2xx, or none at all (status 0).
export class Problem extends Error {
  constructor(status, body = {}, retryAfter = 0) {
    super(body.detail || body.title || `The console answered ${status}.`);
    this.status = status;
    this.code = body.code || '';
    this.title = body.title || '';
    this.errors = Array.isArray(body.errors) ? body.errors : [];
    this.retryAfter = retryAfter;
  }
}

// What session.js hands in: it uses this file, so this file cannot use it.
export const hooks = {
  csrf: () => '',
  // signInAgain resolves to true once the same person has signed in again.
  signInAgain: async () => false,
  // newCsrf resolves to true if there is a newer token.
  newCsrf: async () => false,
};

// path builds an address and encodes what is put into it.
export function path(strings, ...values) {
  return strings.reduce((all, text, i) => all + encodePart(values[i - 1]) + text);
}

function encodePart(value) {
  const text = String(value);
  // Browsers fold these into the folder above, encoded or not.
  if (text === '.' || text === '..') throw new Problem(404, { title: 'Not found', detail: 'No address can name this.' });
  return encodeURIComponent(text);
}

// query builds the part behind the question mark; what is empty is left out.
export function query(values) {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value) parts.set(name, value);
  }
  const text = parts.toString();
  return text && `?${text}`;
}

// call sends a request and returns {data, etag, now}. now is the console's
// clock in milliseconds, which may differ from this machine's.
export async function call(method, where, { body, match, first, signal, retried } = {}) {
  const headers = { Accept: 'application/json' };
  if (method !== 'GET') headers['X-CSRF-Token'] = hooks.csrf();
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (match) headers['If-Match'] = match;
  if (first) headers['If-None-Match'] = '*';
  const answer = await send(`/api/v1${where}`, {
    method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), credentials: 'same-origin', cache: 'no-store', redirect: 'error',
  });
  if (answer.ok) return read(answer);
  const problem = await refusal(answer);
  const again = { body, match, first, signal, retried: true };
  if (!retried && where !== '/session') {
    // Refused before anything was done, so it is safe to ask again.
    if (problem.status === 401 && await hooks.signInAgain()) return call(method, where, again);
    if (problem.status === 403 && problem.code.includes('csrf') && await hooks.newCsrf()) return call(method, where, again);
  }
  throw problem;
}

async function send(address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, { title: 'No connection', detail: 'The console cannot be reached. Nothing that you typed is lost; try again when you are connected.' });
  }
}

async function read(answer) {
  let data = null;
  if (answer.status !== 204) {
    try {
      data = await answer.json();
    } catch {
      throw new Problem(0, { title: 'Connection lost', detail: 'The console’s answer broke off. Reload to see what has been stored.' });
    }
  }
  return { data, etag: answer.headers.get('ETag') || '', now: Date.parse(answer.headers.get('Date')) || Date.now() };
}

async function refusal(answer) {
  let body = {};
  try {
    body = await answer.json();
  } catch {
    // A proxy in between answers with a page of its own.
  }
  return new Problem(answer.status, body || {}, Number(answer.headers.get('Retry-After')) || 0);
}
