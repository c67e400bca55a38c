// All chatbots that one may see, a page at a time.

import { call, query as queryOf } from '../api.js';
import { button, fill, h, say } from '../dom.js';
import { failed } from '../notice.js';
import { isOperator, session } from '../session.js';
import { ago } from '../time.js';
import { nameOf, providers } from '../providers.js';

const pageSize = 50;

export async function listView({ query, signal }) {
  const wanted = { q: query.get('q') || '', account: isOperator() ? query.get('account') || '' : '' };
  const [first] = await Promise.all([load(wanted, '', signal), providers(signal)]);
  const results = h('div', { 'data-part': 'results' });
  drawResults(results, wanted, first);
  return {
    title: 'Chatbots',
    content: h('section', { 'data-view': 'list' },
      h('div', { class: 'head' },
        h('h1', { tabindex: '-1', 'data-focus': true }, 'Chatbots'),
        h('a', { class: 'button primary', href: '/new' }, 'New chatbot')),
      filters(wanted, results, signal), results),
  };
}

async function load({ q, account }, cursor, signal) {
  const answer = await call('GET', `/chatbots${queryOf({ q, account, cursor, limit: String(pageSize) })}`, { signal });
  return answer.data;
}

// filters search while one types. The address follows, so that back, reload and
// a copied link show the same.
function filters(wanted, results, signal) {
  let timer = 0;
  let running = new AbortController();
  const search = async () => {
    clearTimeout(timer);
    running.abort();
    running = new AbortController();
    const mine = running.signal;
    wanted.q = q.value.trim();
    wanted.account = account ? account.value.trim() : '';
    if (signal.aborted) return; // the view is gone
    history.replaceState(null, '', `/${queryOf(wanted)}`);
    results.setAttribute('aria-busy', 'true');
    try {
      const page = await load(wanted, '', mine);
      drawResults(results, wanted, page);
      say(page.items.length === 0 ? 'Nothing found' : `${page.items.length}${page.next ? ' or more' : ''} found`);
    } catch (problem) {
      if (mine.aborted) return;
      fill(results, failed(problem));
    }
    results.removeAttribute('aria-busy');
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(search, 200);
  };
  const q = h('input', { type: 'search', name: 'q', value: wanted.q, placeholder: 'Name or id begins with…', 'aria-label': 'Search by the beginning of a name or id', autocomplete: 'off', spellcheck: 'false', oninput: soon });
  const account = isOperator()
    ? h('input', { type: 'search', name: 'account', value: wanted.account, placeholder: 'Every account', 'aria-label': 'Only of this account', autocomplete: 'off', spellcheck: 'false', oninput: soon })
    : null;
  return h('form', { class: 'filters', role: 'search', onsubmit: (event) => { event.preventDefault(); search(); } }, q, account);
}

function drawResults(place, wanted, page) {
  if (page.items.length === 0) {
    fill(place, wanted.q || wanted.account ? nothingFound() : nothingYet());
    return;
  }
  const list = h('ul', { class: 'rows card' }, page.items.map(row));
  let cursor = page.next;
  const more = button('Show more', async () => {
    try {
      const next = await load(wanted, cursor);
      cursor = next.next;
      const rows = next.items.map(row);
      list.append(...rows);
      if (rows.length > 0) rows[0].querySelector('a').focus();
      say(`${rows.length} more`);
      if (!cursor) more.remove();
    } catch (problem) {
      more.after(failed(problem));
    }
  }, { class: 'more' });
  fill(place, list, cursor && more);
}

function row(bot) {
  const address = `/chatbots/${encodeURIComponent(bot.id)}/infrastructure`;
  return h('li', { 'data-id': bot.id },
    h('a', { href: address },
      h('span', { class: 'row-name' }, h('b', {}, bot.name || bot.id),
        h('span', { class: 'mono soft' }, bot.id, isOperator() && bot.account ? ` · ${bot.account}` : '')),
      h('span', { class: 'row-state' }, state(bot)),
      h('span', { class: 'row-when soft' }, bot.updated_at ? ago(bot.updated_at) : '')));
}

// state says in a line who pays.
function state(bot) {
  const slugs = [...new Set(bot.providers || [])];
  if (bot.byoi) return [h('span', { class: 'dot accent' }), 'Own endpoint'];
  if (!bot.byok_enabled) return [h('span', { class: 'dot off' }), slugs.length > 0 ? `BYOK off, keys for ${names(slugs)}` : 'BYOK off'];
  if (slugs.length === 0) return [h('span', { class: 'dot warn' }), 'BYOK on, no key yet'];
  return [h('span', { class: 'dot good' }), `BYOK for ${names(slugs)}`];
}

function names(slugs) {
  const shown = slugs.slice(0, 3).map(nameOf).join(', ');
  return slugs.length > 3 ? `${shown} and ${slugs.length - 3} more` : shown;
}

function nothingYet() {
  return h('div', { class: 'empty card', 'data-part': 'empty' },
    h('h2', {}, 'No chatbots yet'),
    h('p', {}, `Create ${isOperator() ? 'one' : 'your first one'}, then give it the provider keys that it should be billed to.`),
    h('p', {}, h('a', { class: 'button primary', href: '/new' }, 'Create a chatbot')));
}

function nothingFound() {
  return h('div', { class: 'empty card', 'data-part': 'nothing-found' },
    h('h2', {}, 'Nothing found'),
    h('p', {}, `No chatbot${session().role === 'owner' ? ' of yours' : ''} begins like that. Names and ids are searched from their beginning, in capitals or not.`));
}
