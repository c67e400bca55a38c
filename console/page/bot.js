// One chatbot as the page knows it, shared by the parts of its view. After each
// change it is read anew, and every part that watches draws itself again; forms
// that are open stay as they are, with the state that they began from.

import { call, path, query } from './api.js';
import { changed } from './in_use.js';

export class Bot {
  #watchers = [];

  constructor(answer) {
    this.#take(answer);
  }

  static async load(id, signal) {
    return new Bot(await call('GET', path`/chatbots/${id}`, { signal }));
  }

  #take({ data, etag, now }) {
    this.data = data;
    this.etag = data.etag || etag;
    this.now = now;
  }

  get id() { return this.data.id; }

  // keys of a provider, in the order in which they are tried.
  keys(slug) {
    return (this.data.keys || []).filter((key) => key.provider === slug).sort((a, b) => slotOf(a) - slotOf(b));
  }

  key(slug, slot) {
    return this.keys(slug).find((key) => slotOf(key) === slot) || null;
  }

  watch(draw) {
    this.#watchers.push(draw);
    draw();
  }

  async refresh() {
    this.#take(await call('GET', path`/chatbots/${this.id}`));
    for (const draw of this.#watchers) draw();
  }

  // change sends a change of this chatbot (where is the rest of the address),
  // notes when it is in use, and reads everything anew.
  async change(method, where, options) {
    let answer;
    try {
      answer = await call(method, path`/chatbots/${this.id}` + where, options);
    } catch (problem) {
      // What was to be changed is gone: then it must not be shown any longer.
      if (problem.status === 404) await this.refresh().catch(() => {});
      throw problem;
    }
    changed(this.id, answer.data && answer.data.in_use);
    await this.refresh();
    return answer.data;
  }

  remove() {
    return call('DELETE', path`/chatbots/${this.id}`, { match: this.etag });
  }
}

export const slotOf = (key) => key.slot || 1;

// keyPath is the address of a provider's key below its chatbot's.
export function keyPath(slug, slot, action = '') {
  return path`/keys/${slug}` + action + query({ slot: slot > 1 ? String(slot) : '' });
}
