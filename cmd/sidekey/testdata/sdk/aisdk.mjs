// The AI SDK with its gateway provider. Its errors are classes by the error's
// type, not by the status: a type that it does not know, such as ours, becomes
// GatewayInternalServerError, with the right statusCode and the message as it
// came. It has no place for the code; that is in the cause, an APICallError:
//
//   error.cause.data.error.code
//   error.cause.responseHeaders['x-sidekey-error']
//
// isRetryable follows the status, so that only the 503 is tried again.
import assert from 'node:assert/strict';
import {
  APICallError, embed, embedMany, experimental_generateVideo, generateImage, generateObject, generateSpeech, generateText,
  isStepCount, jsonSchema, rerank, RetryError, streamText, tool, transcribe,
} from 'ai';
import { createGateway, GatewayError, GatewayInternalServerError } from '@ai-sdk/gateway';
import { answered, failure, owned, ownedClaude, test, unowned, world } from './harness.mjs';

const client = (call, token = world.tokens.shop) =>
  createGateway({ baseURL: `${world.url}/v4/ai`, apiKey: token, fetch: call.fetch });

const schema = jsonSchema({
  type: 'object', properties: { city: { type: 'string' }, days: { type: 'number' } }, required: ['city', 'days'],
  additionalProperties: false,
});

const weather = tool({
  description: 'The weather in a city',
  inputSchema: schema,
  execute: async ({ city }) => `rain in ${city}`,
});

for (const [who, model] of [['owner', owned], ['system', unowned]]) {
  test(`ai/generateText/${who}`, async (call) => {
    const reply = await generateText({ model: client(call)(model), prompt: 'hello' });
    answered(reply.text, model);
    assert.equal(reply.finishReason, 'stop');
    assert.ok(reply.usage.totalTokens > 0);
  });

  test(`ai/streamText/${who}`, async (call) => {
    const reply = streamText({ model: client(call)(model), prompt: 'hello' });
    let text = '', events = 0;
    for await (const delta of reply.textStream) {
      events++;
      text += delta;
    }
    assert.ok(events > 1, `got ${events} events`);
    answered(text, model);
    assert.equal(await reply.finishReason, 'stop');
  });
}

for (const [who, model] of [['owner', 'cohere/embed-v4.0'], ['system', 'mistral/mistral-embed']]) {
  test(`ai/embed/${who}`, async (call) => {
    const { embedding } = await embed({ model: client(call).embeddingModel(model), value: 'one' });
    assert.ok(Math.abs(Math.hypot(...embedding) - 1) < 1e-3);
  });

  test(`ai/embedMany/${who}`, async (call) => {
    const { embeddings } = await embedMany({ model: client(call).embeddingModel(model), values: ['one', 'two', 'three'] });
    assert.equal(embeddings.length, 3);
  });
}

test('ai/tools/owner', async (call) => {
  const reply = await generateText({
    model: client(call)(ownedClaude), prompt: 'call the tool', tools: { weather }, stopWhen: isStepCount(2),
  });
  assert.equal(reply.steps[0].toolResults[0].output, 'rain in sandbox');
  answered(reply.text, ownedClaude);
});

test('ai/tools stream/owner', async (call) => {
  const reply = streamText({
    model: client(call)(ownedClaude), prompt: 'call the tool', tools: { weather }, stopWhen: isStepCount(2),
  });
  answered(await reply.text, ownedClaude);
  assert.equal((await reply.steps)[0].toolResults[0].output, 'rain in sandbox');
});

test('ai/generateObject/owner', async (call) => {
  const { object } = await generateObject({ model: client(call)(owned), schema, prompt: 'hello' });
  assert.equal(typeof object.city, 'string');
  assert.equal(typeof object.days, 'number');
});

test('ai/generateImage/owner', async (call) => {
  const { images } = await generateImage({ model: client(call).imageModel('openai/gpt-image-1'), prompt: 'a fjord', n: 2 });
  assert.equal(images.length, 2);
  assert.equal(images[0].mediaType, 'image/png');
});

test('ai/rerank/owner', async (call) => {
  const { rerankedDocuments } = await rerank({
    model: client(call).rerankingModel('cohere/rerank-v3.5'), documents: ['one', 'two'], query: 'first', topN: 1,
  });
  assert.deepEqual(rerankedDocuments, ['one']);
});

test('ai/generateSpeech/owner', async (call) => {
  const { audio } = await generateSpeech({ model: client(call).speechModel('openai/tts-1'), text: 'hello' });
  assert.ok(audio.uint8Array.length > 0);
});

// Here the sound is in the JSON body, which can carry a key; the multipart form
// of the OpenAI SDK cannot.
test('ai/transcribe/owner', async (call) => {
  const { text } = await transcribe({
    model: client(call).transcriptionModel('openai/whisper-1'), audio: new Uint8Array([82, 73, 70, 70]),
  });
  assert.ok(text.length > 0);
});

test('ai/generateVideo/system', async (call) => {
  const { videos } = await experimental_generateVideo({ model: client(call).videoModel('google/veo-3.0'), prompt: 'a fjord' });
  assert.equal(videos[0].mediaType, 'video/mp4');
});

// A batch runs later, so the guard cannot stop what the platform pays for it: an
// owner's is refused. The results say who paid for an item.
const startBatch = (batch, model) => batch.doStartBatch({
  requests: ['a', 'b'].map((id) => ({
    id, type: 'text', modelId: model, options: { prompt: [{ role: 'user', content: [{ type: 'text', text: `hello ${id}` }] }] },
  })),
  providerOptions: { gateway: { tags: ['nightly'] } },
});
test('ai/batch/system', async (call) => {
  const batch = client(call).experimental_batch();
  const { batchId } = await startBatch(batch, unowned);
  assert.equal((await batch.doGetBatchStatus({ batchId })).status, 'completed');
  const paid = [];
  for await (const item of await batch.doGetBatchResults({ batchId })) {
    paid.push(item.result.providerMetadata.gateway.routing.attempts[0].credentialType);
  }
  assert.deepEqual(paid, ['system', 'system']);
});

test('ai/models/free', async (call) => {
  const { models } = await client(call).getAvailableModels();
  assert.ok(models.some((model) => model.id === owned));
});

// The client's own gateway options stay, beside what sidekey adds.
test('ai/options/owner', async (call) => {
  const reply = await generateText({
    model: client(call)(owned), prompt: 'hello',
    providerOptions: { gateway: { tags: ['a'], user: 'u' }, openai: { reasoningEffort: 'low' } },
  });
  assert.equal(reply.providerMetadata.gateway.routing.attempts[0].credentialType, 'byok');
});

/** What the SDK must make of a refusal. */
function check(error, status, code) {
  assert.ok(GatewayError.isInstance(error), `got ${error?.name}`);
  assert.ok(GatewayInternalServerError.isInstance(error), `got ${error?.name}`);
  assert.equal(error.statusCode, status);
  assert.equal(error.isRetryable, status === 503);
  assert.ok(APICallError.isInstance(error.cause));
  const { error: body } = error.cause.data;
  assert.equal(body.code, code);
  assert.equal(body.type, 'sidekey_error');
  assert.equal(error.message, body.message); // not its own text about a missing gateway key
  assert.equal(error.cause.responseHeaders['x-sidekey-error'], code);
}

/** Declares a case in which sidekey refuses, and the SDK says so. */
function refused(name, status, code, send, token) {
  test(`ai/refused/${name}`, async (call) => check(await failure(() => send(client(call, token))), status, code));
}

const text = (extra, model = owned) => (gateway) => generateText({ model: gateway(model), prompt: 'hello', ...extra });
const options = (gateway) => ({ providerOptions: { gateway } });
const { tokens } = world;

refused('virtual model', 400, 'model_undetermined', text({}, 'vmc/demo'));
refused('fallback', 400, 'fallback_not_owned', text(options({ models: [unowned] })));
refused('option', 400, 'option_not_allowed', text(options({ zeroDataRetention: true })));
refused('option of an embedding', 400, 'option_not_allowed', (gateway) =>
  embed({ model: gateway.embeddingModel('cohere/embed-v4.0'), value: 'one', ...options({ order: ['bedrock'] }) }));
refused('account', 403, 'forbidden', text(), tokens.thief);
refused('token', 401, 'unauthorized', text(), tokens.forged);
refused('leak', 401, 'owner_key_failed', text({}, 'novita/some-model'));
refused('guard open', 401, 'guard_open', text({}, 'novita/some-model'));
refused('no keys', 503, 'keys_unavailable', text({ maxRetries: 0 }), tokens.down);
refused('path', 403, 'path_not_exposed', (gateway) => gateway.getCredits());

test('ai/refused/no keys, again', async (call) => {
  const error = await failure(() => text({ maxRetries: 1 })(client(call, tokens.down)));
  assert.ok(RetryError.isInstance(error));
  assert.equal(error.errors.length, 2);
  check(error.lastError, 503, 'keys_unavailable');
});

refused('batch', 400, 'owner_key_unsupported', (gateway) => startBatch(gateway.experimental_batch(), owned));

// A stream reports its error to onError, and goes on to end.
test('ai/refused/stream', async (call) => {
  let error;
  const reply = streamText({
    model: client(call)(owned), prompt: 'hello', ...options({ zeroDataRetention: true }),
    onError: (event) => { error = event.error; },
  });
  await reply.consumeStream();
  check(error, 400, 'option_not_allowed');
});
