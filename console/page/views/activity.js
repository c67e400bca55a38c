// Who changed what, and when. Never a value.

import { call, path, query } from '../api.js';
import { button, h } from '../dom.js';
import { failed } from '../notice.js';
import { moment } from '../time.js';
import { entryWords } from '../changes.js';

export async function activityTab(bot, signal) {
  const load = async (cursor) => (await call('GET', path`/chatbots/${bot.id}/audit` + query({ limit: '50', cursor }), { signal })).data;
  const page = await load('');
  if (page.items.length === 0) {
    return h('div', { class: 'empty card', 'data-part': 'empty' },
      h('h2', {}, 'Nothing has happened yet'),
      h('p', {}, 'Every change to this chatbot will be listed here, with who made it. Keys are never part of it.'));
  }
  const body = h('tbody', {}, page.items.map(row));
  let cursor = page.next;
  const more = button('Show more', async () => {
    try {
      const next = await load(cursor);
      cursor = next.next;
      body.append(...next.items.map(row));
      if (!cursor) more.remove();
    } catch (problem) {
      more.after(failed(problem));
    }
  }, { class: 'more' });
  return h('div', { 'data-part': 'activity' },
    h('p', { class: 'soft lead' }, 'Who changed what, newest first. Keys themselves are never part of it.'),
    h('div', { class: 'card flush' },
      h('table', { class: 'log' },
        h('thead', {}, h('tr', {}, ['What', 'Who', 'When'].map((text) => h('th', { scope: 'col' }, text)))),
        body)),
    cursor && more);
}

function row(entry) {
  const [deed, thing] = entryWords(entry);
  return h('tr', {},
    h('td', {}, h('b', {}, deed), ` ${thing}`, entry.detail && h('span', { class: 'detail soft' }, entry.detail)),
    h('td', {}, entry.actor, entry.role && entry.role !== entry.actor && h('span', { class: 'role' }, entry.role)),
    h('td', { class: 'when' }, moment(entry.at)));
}
