// The cases, and what is the same for all of them. The Go test (sdk_test.go)
// says who must have paid for each case; what the SDK must make of the replies
// is said here, in the case itself.
import assert from 'node:assert/strict';

// world is what the Go test has started: the sidecar's url, and the tokens.
//   shop      the owner's, with keys for openai, anthropic, cohere, and a bad one for deepseek
//   help      a chatbot whose owner has stored nothing
//   thief     shop, claimed by another account
//   forged    shop, signed by somebody else
//   down      a chatbot whose keys cannot be read
export const world = JSON.parse(process.env.SIDEKEY_SDK_WORLD);

// Models by who pays for them in the chatbot shop.
export const owned = 'openai/gpt-5.4-mini';
export const ownedClaude = 'anthropic/claude-sonnet-4.5';
export const unowned = 'mistral/mistral-large-latest';

const cases = [];

/** Declares a case. run gets a Call, whose fetch the SDK must use. */
export function test(name, run) {
  cases.push({ name, run });
}

/** Everything that one case sends, seen at the place where the SDK sends it. */
class Call {
  replies = [];
  credentials = new Set(); // names of the headers that carried the token
  #bodies = [];

  constructor(name) {
    this.name = name;
  }

  // The header lets the Go test find the case's requests at the gateway.
  fetch = async (input, init) => {
    const request = new Request(input, init);
    if (!request.url.startsWith(world.url)) return fetch(request); // the OpenAI SDK tries fetch out on a data: URL
    request.headers.set('x-sdk-case', this.name);
    for (const name of ['authorization', 'x-api-key']) if (request.headers.has(name)) this.credentials.add(name);
    const reply = { status: 0, credential: '', code: '', retryAfter: '' };
    this.replies.push(reply); // also when fetch throws: an attempt is an attempt
    const response = await fetch(request);
    reply.status = response.status;
    reply.credential = response.headers.get('x-sidekey-credential') ?? '';
    reply.code = response.headers.get('x-sidekey-error') ?? '';
    reply.retryAfter = response.headers.get('retry-after') ?? '';
    this.#bodies.push(response.clone().text().catch(() => ''));
    return response;
  };

  /** The text of all replies: the Go test searches it for keys. */
  async text() {
    return (await Promise.all(this.#bodies)).join('\n');
  }
}

/** Returns the error with which a call fails. */
export async function failure(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  assert.fail('the call succeeded');
}

/** The part of a model's answer that names the model asked for. */
export function answered(text, model) {
  assert.ok(text?.includes(model), `the text does not name ${model}`);
}

/** Runs all cases one after the other and prints a line of JSON for each. */
export async function run() {
  for (const { name, run } of cases) {
    const call = new Call(name);
    const line = { name, ok: true };
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('no end within 15 s')), 15_000);
    });
    try {
      await Promise.race([run(call), late]);
      line.text = await Promise.race([call.text(), late]);
    } catch (error) {
      line.ok = false;
      line.error = String(error?.stack ?? error);
    }
    clearTimeout(timer);
    console.log(JSON.stringify({ ...line, replies: call.replies }));
  }
}
