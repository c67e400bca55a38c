// The OpenAI and Anthropic SDKs where the owners' keys go straight to the
// providers. Its own program: the other scripts expect the gateway's way.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { answered, failure, owned, ownedClaude, run, test, unowned, world } from './harness.mjs';

const openai = (call) => new OpenAI({ baseURL: `${world.url}/v1`, apiKey: world.tokens.shop, fetch: call.fetch });
const anthropic = (call) => new Anthropic({ baseURL: world.url, apiKey: world.tokens.shop, fetch: call.fetch });

const messages = [{ role: 'user', content: 'hello' }];

// What the provider itself calls the model.
const bare = (model) => model.split('/')[1];

test('direct/openai/chat', async (call) => {
  const reply = await openai(call).chat.completions.create({ model: owned, messages });
  answered(reply.choices[0].message.content, bare(owned));
});

test('direct/openai/stream', async (call) => {
  let text = '', events = 0;
  for await (const chunk of await openai(call).chat.completions.create({ model: owned, messages, stream: true })) {
    text += chunk.choices[0]?.delta.content ?? '';
    events++;
  }
  assert.ok(events > 1, `got ${events} events`);
  answered(text, bare(owned));
});

test('direct/openai/responses', async (call) => {
  const reply = await openai(call).responses.create({ model: owned, input: 'hello' });
  answered(reply.output_text, bare(owned));
});

test('direct/openai/embeddings', async (call) => {
  const reply = await openai(call).embeddings.create({ model: 'openai/text-embedding-3-small', input: 'hello' });
  assert.ok(reply.data[0].embedding.length > 0);
});

test('direct/anthropic/messages', async (call) => {
  const reply = await anthropic(call).messages.create({ model: ownedClaude, max_tokens: 100, messages });
  answered(reply.content[0].text, 'claude-sonnet-4-5');
});

test('direct/anthropic/stream', async (call) => {
  const reply = await anthropic(call).messages.stream({ model: ownedClaude, max_tokens: 100, messages }).finalMessage();
  answered(reply.content[0].text, 'claude-sonnet-4-5');
});

test('direct/system', async (call) => {
  const reply = await openai(call).chat.completions.create({ model: unowned, messages });
  answered(reply.choices[0].message.content, unowned);
});

test('direct/refused/fallback', async (call) => {
  const error = await failure(() => openai(call).chat.completions.create({ model: owned, messages, models: ['openai/gpt-4o'] }));
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.equal(error.code, 'option_not_allowed');
  assert.equal(error.param, 'models');
});

test('direct/refused/surface', async (call) => {
  const error = await failure(() => anthropic(call).messages.create({ model: owned, max_tokens: 100, messages }));
  assert.ok(error instanceof Anthropic.BadRequestError);
  assert.equal(error.error.error.code, 'owner_key_unsupported');
});

await run();
process.exit(0); // SDKs may hold sockets open
