// The Anthropic SDK: it keeps the error body whole in error.error:
// {"type":"error","error":{type,message,code}}. This version sends its apiKey
// as Authorization: Bearer; earlier ones, and others' clients, as x-api-key.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { answered, failure, ownedClaude, test, unowned, world } from './harness.mjs';

const client = (call, token = world.tokens.shop, options = {}) =>
  new Anthropic({ baseURL: world.url, apiKey: token, fetch: call.fetch, ...options });

const keyHeader = (token) => ({ authToken: null, defaultHeaders: { 'X-Api-Key': token } });

const hello = (model) => ({ model, max_tokens: 100, messages: [{ role: 'user', content: 'hello' }] });

const tools = [{
  name: 'weather',
  description: 'The weather in a city',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}];

for (const [who, model] of [['owner', ownedClaude], ['system', unowned]]) {
  test(`anthropic/messages/${who}`, async (call) => {
    const reply = await client(call).messages.create(hello(model));
    assert.equal(reply.stop_reason, 'end_turn');
    assert.ok(reply.usage.output_tokens > 0);
    answered(reply.content[0].text, model);
  });

  test(`anthropic/stream/${who}`, async (call) => {
    const stream = client(call).messages.stream(hello(model));
    let deltas = 0;
    stream.on('text', () => deltas++);
    const reply = await stream.finalMessage();
    assert.ok(deltas > 1, `got ${deltas} events`);
    assert.equal(reply.stop_reason, 'end_turn');
    answered(reply.content[0].text, model);
  });
}

test('anthropic/tools/owner', async (call) => {
  const anthropic = client(call);
  const messages = [{ role: 'user', content: 'call the tool' }];
  const asked = await anthropic.messages.create({ ...hello(ownedClaude), messages, tools });
  assert.equal(asked.stop_reason, 'tool_use');
  const use = asked.content.find((block) => block.type === 'tool_use');
  assert.equal(use.name, 'weather');
  assert.equal(typeof use.input.city, 'string');

  messages.push(
    { role: 'assistant', content: asked.content },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'rain' }] },
  );
  const reply = await anthropic.messages.create({ ...hello(ownedClaude), messages, tools });
  assert.equal(reply.stop_reason, 'end_turn');
  answered(reply.content[0].text, ownedClaude);
});

test('anthropic/tools stream/owner', async (call) => {
  const reply = await client(call).messages.stream({
    ...hello(ownedClaude), messages: [{ role: 'user', content: 'call the tool' }], tools,
  }).finalMessage();
  assert.equal(reply.stop_reason, 'tool_use');
  assert.equal(typeof reply.content[0].input.city, 'string');
});

// The beta client adds ?beta=true to the path.
test('anthropic/beta/owner', async (call) => {
  const reply = await client(call).beta.messages.create(hello(ownedClaude));
  answered(reply.content[0].text, ownedClaude);
});

for (const [who, model] of [['owner', ownedClaude], ['system', unowned]]) {
  test(`anthropic/x-api-key/${who}`, async (call) => {
    const reply = await client(call, null, keyHeader(world.tokens.shop)).messages.create(hello(model));
    answered(reply.content[0].text, model);
    assert.deepEqual([...call.credentials], ['x-api-key']);
  });
}

test('anthropic/models/free', async (call) => {
  const ids = [];
  for await (const model of client(call).models.list()) ids.push(model.id);
  assert.ok(ids.includes(ownedClaude));
});

/** Declares a case in which sidekey refuses, and the SDK says so. */
function refused(name, Class, status, code, param, send, token, options) {
  test(`anthropic/refused/${name}`, async (call) => {
    const error = await failure(() => send(client(call, token, options)));
    assert.ok(error instanceof Class, `got ${error?.constructor.name}`);
    assert.equal(error.status, status);
    assert.equal(error.error.type, 'error');
    assert.equal(error.error.error.type, 'sidekey_error');
    assert.equal(error.error.error.code, code);
    assert.equal(error.error.error.param, param);
    assert.ok(error.error.error.message.length > 20);
    assert.equal(error.headers.get('x-sidekey-error'), code);
  });
}

const create = (extra) => (anthropic) => anthropic.messages.create({ ...hello(ownedClaude), ...extra });
const { tokens } = world;

refused('virtual model', Anthropic.BadRequestError, 400, 'model_undetermined', 'model', create({ model: 'vmc/demo' }));
refused('fallback', Anthropic.BadRequestError, 400, 'fallback_not_owned', 'models',
  create({ providerOptions: { gateway: { models: [unowned] } } }));
refused('option', Anthropic.BadRequestError, 400, 'option_not_allowed', 'providerOptions.gateway.only',
  create({ providerOptions: { gateway: { only: ['anthropic', 'bedrock'] } } }));
refused('option of a stream', Anthropic.BadRequestError, 400, 'option_not_allowed', 'providerOptions.gateway.zeroDataRetention',
  (anthropic) => anthropic.messages.stream({
    ...hello(ownedClaude), providerOptions: { gateway: { zeroDataRetention: true } },
  }).finalMessage());
refused('account', Anthropic.PermissionDeniedError, 403, 'forbidden', undefined, create(), tokens.thief);
refused('token', Anthropic.AuthenticationError, 401, 'unauthorized', undefined, create(), tokens.forged);
refused('x-api-key', Anthropic.AuthenticationError, 401, 'unauthorized', undefined, create(), null, keyHeader(tokens.forged));
refused('leak', Anthropic.PermissionDeniedError, 403, 'owner_key_failed', undefined, create({ model: 'groq/llama-4' }));
refused('guard open', Anthropic.PermissionDeniedError, 403, 'guard_open', undefined, create({ model: 'groq/llama-4' }));
refused('size', Anthropic.ContentTooLargeError, 413, 'body_too_large', undefined, create({ system: 'x'.repeat(2 << 20) }));
refused('no keys', Anthropic.ServiceUnavailableError, 503, 'keys_unavailable', undefined, create(), tokens.down, { maxRetries: 0 });
