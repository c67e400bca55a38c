// The OpenAI SDK: it sends Authorization: Bearer, and turns
// {"error":{message,type,param,code}} into a class for each status.
import assert from 'node:assert/strict';
import OpenAI, { toFile } from 'openai';
import { answered, failure, owned, test, unowned, world } from './harness.mjs';

const client = (call, token = world.tokens.shop, options = {}) =>
  new OpenAI({ baseURL: `${world.url}/v1`, apiKey: token, fetch: call.fetch, ...options });

const hello = (model) => ({ model, messages: [{ role: 'user', content: 'hello' }] });

const tools = [{
  type: 'function',
  function: {
    name: 'weather',
    description: 'The weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}];

for (const [who, model] of [['owner', owned], ['system', unowned]]) {
  test(`openai/chat/${who}`, async (call) => {
    const reply = await client(call).chat.completions.create(hello(model));
    answered(reply.choices[0].message.content, model);
    assert.equal(reply.choices[0].finish_reason, 'stop');
    assert.ok(reply.usage.total_tokens > 0);
  });

  test(`openai/stream/${who}`, async (call) => {
    const stream = await client(call).chat.completions.create({
      ...hello(model), stream: true, stream_options: { include_usage: true },
    });
    let text = '', events = 0, finish, usage;
    for await (const chunk of stream) {
      const choice = chunk.choices[0];
      if (choice?.delta.content) events++;
      text += choice?.delta.content ?? '';
      finish ??= choice?.finish_reason;
      usage ??= chunk.usage;
    }
    answered(text, model);
    assert.ok(events > 1, `got ${events} events`);
    assert.equal(finish, 'stop');
    assert.ok(usage.total_tokens > 0);
  });

  test(`openai/responses/${who}`, async (call) => {
    const reply = await client(call).responses.create({ model, input: 'hello' });
    assert.equal(reply.status, 'completed');
    answered(reply.output_text, model);
  });

  test(`openai/responses stream/${who}`, async (call) => {
    const stream = client(call).responses.stream({ model, input: 'hello' });
    let deltas = 0;
    for await (const event of stream) if (event.type === 'response.output_text.delta') deltas++;
    const reply = await stream.finalResponse();
    assert.ok(deltas > 1, `got ${deltas} events`);
    assert.equal(reply.status, 'completed');
    answered(reply.output_text, model);
  });
}

test('openai/a chatbot without keys/system', async (call) => {
  const reply = await client(call, world.tokens.help).chat.completions.create(hello(owned));
  answered(reply.choices[0].message.content, owned);
});

// Nobody's keys can be passed by, so that a virtual model is the platform's to pay.
test('openai/a virtual model without keys/system', async (call) => {
  await client(call, world.tokens.help).chat.completions.create(hello('vmc/demo'));
});

test('openai/tools/owner', async (call) => {
  const openai = client(call);
  const messages = [{ role: 'user', content: 'call the tool' }];
  const asked = await openai.chat.completions.create({ model: owned, messages, tools });
  assert.equal(asked.choices[0].finish_reason, 'tool_calls');
  const message = asked.choices[0].message;
  const [use] = message.tool_calls;
  assert.equal(use.function.name, 'weather');
  assert.equal(typeof JSON.parse(use.function.arguments).city, 'string');

  messages.push(message, { role: 'tool', tool_call_id: use.id, content: 'rain' });
  const reply = await openai.chat.completions.create({ model: owned, messages, tools });
  answered(reply.choices[0].message.content, owned);
});

test('openai/tools stream/owner', async (call) => {
  const stream = client(call).chat.completions.stream({
    model: owned, messages: [{ role: 'user', content: 'call the tool' }], tools,
  });
  const reply = await stream.finalChatCompletion();
  const [use] = reply.choices[0].message.tool_calls;
  assert.equal(use.function.name, 'weather');
  assert.equal(typeof JSON.parse(use.function.arguments).city, 'string');
});

test('openai/schema/owner', async (call) => {
  const reply = await client(call).chat.completions.parse({
    ...hello(owned),
    response_format: { type: 'json_schema', json_schema: { name: 'weather', strict: true, schema: tools[0].function.parameters } },
  });
  assert.equal(typeof reply.choices[0].message.parsed.city, 'string');
});

test('openai/responses tools/owner', async (call) => {
  const openai = client(call);
  const input = [{ role: 'user', content: 'call the tool' }];
  const functions = [{ type: 'function', strict: false, ...tools[0].function }];
  const asked = await openai.responses.create({ model: owned, input, tools: functions });
  const use = asked.output.find((item) => item.type === 'function_call');
  assert.equal(use.name, 'weather');
  input.push(use, { type: 'function_call_output', call_id: use.call_id, output: 'rain' });
  const reply = await openai.responses.create({ model: owned, input, tools: functions });
  answered(reply.output_text, owned);
});

for (const [who, model] of [['owner', 'openai/text-embedding-3-small'], ['system', 'mistral/mistral-embed']]) {
  test(`openai/embeddings/${who}`, async (call) => {
    // The SDK asks for base64 and decodes it itself.
    const reply = await client(call).embeddings.create({ model, input: ['one', 'two'] });
    assert.equal(reply.data.length, 2);
    const length = Math.hypot(...reply.data[1].embedding);
    assert.ok(Math.abs(length - 1) < 1e-3, `the vector's length is ${length}`);
  });
}

test('openai/image/owner', async (call) => {
  const reply = await client(call).images.generate({ model: 'openai/gpt-image-1', prompt: 'a fjord' });
  assert.ok(reply.data[0].b64_json.length > 0);
});

test('openai/models/free', async (call) => {
  const ids = [];
  for await (const model of client(call).models.list()) ids.push(model.id);
  assert.ok(ids.includes(owned));
});

// What the gateway itself refuses passes through unchanged.
test('openai/a wrong owner key', async (call) => {
  const error = await failure(() => client(call).chat.completions.create(hello('deepseek/deepseek-chat')));
  assert.ok(error instanceof OpenAI.AuthenticationError);
  assert.equal(error.type, 'AI_APICallError');
});

/** Declares a case in which sidekey refuses, and the SDK says so. */
function refused(name, Class, status, code, param, send, token, options) {
  test(`openai/refused/${name}`, async (call) => {
    const error = await failure(() => send(client(call, token, options)));
    assert.ok(error instanceof Class, `got ${error?.constructor.name}`);
    assert.equal(error.status, status);
    assert.equal(error.code, code);
    assert.equal(error.type, 'sidekey_error');
    assert.equal(error.param, param);
    assert.ok(error.message.startsWith(`${status} `) && error.message.length > 20);
    assert.equal(error.headers.get('x-sidekey-error'), code);
  });
}

const chat = (extra) => (openai) => openai.chat.completions.create({ ...hello(owned), ...extra });
const { tokens } = world;

refused('virtual model', OpenAI.BadRequestError, 400, 'model_undetermined', 'model', chat({ model: 'vmc/demo' }));
refused('fallback', OpenAI.BadRequestError, 400, 'fallback_not_owned', 'models', chat({ models: [owned, unowned] }));
refused('option', OpenAI.BadRequestError, 400, 'option_not_allowed', 'providerOptions.gateway.zeroDataRetention',
  chat({ providerOptions: { gateway: { zeroDataRetention: true } } }));
refused('option of a stream', OpenAI.BadRequestError, 400, 'option_not_allowed', 'providerOptions.gateway.byok',
  chat({ stream: true, providerOptions: { gateway: { byok: { openai: [{ apiKey: 'mine' }] } } } }));
refused('transcription', OpenAI.BadRequestError, 400, 'owner_key_unsupported', null, async (openai) =>
  openai.audio.transcriptions.create({ model: 'openai/whisper-1', file: await toFile(Buffer.from('RIFF'), 'a.wav') }));
refused('account', OpenAI.PermissionDeniedError, 403, 'forbidden', null, chat(), tokens.thief);
refused('path', OpenAI.PermissionDeniedError, 403, 'path_not_exposed', null, (openai) => openai.get('/credits'));
refused('token', OpenAI.AuthenticationError, 401, 'unauthorized', null, chat(), tokens.forged);
// The owner's key fails, and the gateway bills the platform: an error, once, and
// nothing is sent after it. The SDK repeats a 429 unless it is told not to.
refused('leak', OpenAI.AuthenticationError, 401, 'owner_key_failed', null, chat({ model: 'xai/grok-4' }));
refused('guard open', OpenAI.AuthenticationError, 401, 'guard_open', null, chat({ model: 'xai/grok-4' }));
refused('leak, rate limited', OpenAI.RateLimitError, 429, 'owner_key_failed', null, chat({ model: 'perplexity/sonar' }));
refused('guard open, rate limited', OpenAI.RateLimitError, 429, 'guard_open', null, chat({ model: 'perplexity/sonar' }));
refused('size', OpenAI.APIError, 413, 'body_too_large', null, chat({ user: 'x'.repeat(2 << 20) }));
refused('no keys', OpenAI.InternalServerError, 503, 'keys_unavailable', null, chat(), tokens.down, { maxRetries: 0 });
// A 503 is the one refusal that is worth another try, after the Retry-After.
refused('no keys, again', OpenAI.InternalServerError, 503, 'keys_unavailable', null, chat(), tokens.down, { maxRetries: 1 });
