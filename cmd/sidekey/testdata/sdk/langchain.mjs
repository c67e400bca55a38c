// LangChain wraps the OpenAI SDK, switches its retries off and makes its own
// with its own list of statuses: it must find nothing in ours to repeat.
import assert from 'node:assert/strict';
import { ChatOpenAI } from '@langchain/openai';
import { answered, failure, owned, test, unowned, world } from './harness.mjs';

const client = (call, options = {}) => new ChatOpenAI({
  model: owned,
  apiKey: world.tokens.shop,
  maxRetries: 2,
  configuration: { baseURL: `${world.url}/v1`, fetch: call.fetch },
  ...options,
});

test('langchain/chat/owner', async (call) => {
  answered((await client(call).invoke('hello')).content, owned);
});

test('langchain/chat/system', async (call) => {
  answered((await client(call, { model: unowned }).invoke('hello')).content, unowned);
});

test('langchain/stream/owner', async (call) => {
  let text = '', events = 0;
  for await (const chunk of await client(call).stream('hello')) {
    if (chunk.content) events++;
    text += chunk.content;
  }
  assert.ok(events > 1, `got ${events} events`);
  answered(text, owned);
});

for (const [name, status, code, options] of [
  ['virtual model', 400, 'model_undetermined', { model: 'vmc/demo' }],
  ['fallback', 400, 'fallback_not_owned', { modelKwargs: { models: [unowned] } }],
  ['account', 403, 'forbidden', { apiKey: world.tokens.thief }],
  ['token', 401, 'unauthorized', { apiKey: world.tokens.forged }],
  ['leak', 401, 'owner_key_failed', { model: 'fireworks/some-model' }],
  ['guard open', 401, 'guard_open', { model: 'fireworks/some-model' }],
  ['size', 413, 'body_too_large', { modelKwargs: { user: 'x'.repeat(2 << 20) } }],
]) {
  test(`langchain/refused/${name}`, async (call) => {
    const error = await failure(() => client(call, options).invoke('hello'));
    assert.equal(error.status, status);
    assert.equal(error.code, code);
    assert.equal(error.type, 'sidekey_error');
  });
}
