// One provider's row: what is stored, and what can be done with it. A provider
// can have several keys; they are tried in the order of their slots.

import { button, fill, fresh, h } from '../dom.js';
import { call, path } from '../api.js';
import { keyPath, slotOf } from '../bot.js';
import { confirm } from '../dialog.js';
import { failed, overtaken } from '../notice.js';
import { session } from '../session.js';
import { ago } from '../time.js';
import { hintWords, keyChanges, keyName } from '../changes.js';
import { keyForm } from './keyform.js';
import { drawAnswer, verdict } from './verdict.js';

const maxSlots = 9; // credstore.MaxSlots

export function providerRow(provider, bot) {
  const rows = new Map(); // slot to its row
  const element = h('li', { class: 'provider', 'data-provider': provider.slug });
  const another = () => {
    const used = bot.keys(provider.slug).map(slotOf);
    let free = 1;
    while (used.includes(free)) free += 1;
    draw(free);
    rows.get(free).edit();
  };
  const refocus = () => element.querySelector('[data-act="edit"]')?.focus();
  const draw = (wanted) => {
    const slots = new Set(bot.keys(provider.slug).map(slotOf));
    if (slots.size === 0) slots.add(1);
    if (wanted) slots.add(wanted);
    for (const [slot, row] of rows) {
      if (row.busy()) slots.add(slot); // what is being typed stays
      if (!slots.has(slot)) rows.delete(slot);
    }
    for (const slot of slots) {
      if (!rows.has(slot)) rows.set(slot, slotRow(provider, bot, slot, { redraw: () => draw(), another, refocus }));
    }
    const sorted = [...rows.keys()].sort((a, b) => a - b);
    place(element, sorted.map((slot) => rows.get(slot).element));
  };
  bot.watch(() => draw());
  return element;
}

// place puts elements in order without moving those that are in their place: a
// moved element loses the focus.
function place(parent, wanted) {
  for (const child of [...parent.children]) {
    if (!wanted.includes(child)) child.remove();
  }
  wanted.forEach((child, i) => {
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] || null);
  });
}

function slotRow(provider, bot, slot, { redraw, another, refocus }) {
  const id = fresh('key');
  const what = keyName(provider.slug, slot);
  const summary = h('div', { class: 'key-state' });
  const actions = h('div', { class: 'key-actions' });
  const result = h('div', { class: 'result', role: 'status' });
  const formPlace = h('div', { class: 'form-place' });
  let form = null;

  const focusAction = (name) => {
    const target = actions.querySelector(`[data-act="${name}"]`) || actions.querySelector('button');
    if (target) target.focus();
  };
  const close = () => {
    if (form) form.forget();
    form = null;
    fill(formPlace);
    redraw();
    draw();
  };
  const edit = () => {
    if (form) return;
    fill(result);
    form = keyForm(provider, bot, slot, {
      cancel: () => { close(); focusAction('edit'); },
      saved: () => { close(); focusAction('edit'); },
      another: bot.keys(provider.slug).length < maxSlots ? () => { close(); another(); } : null,
    });
    fill(formPlace, form.element);
    draw();
    form.focus();
  };
  const test = async () => {
    fill(result, h('p', { class: 'soft' }, `Asking ${provider.name}…`));
    try {
      const { data } = await call('POST', path`/chatbots/${bot.id}` + keyPath(provider.slug, slot, '/test'), { body: {} });
      await bot.refresh(); // the row tells the last test
      drawAnswer(result, provider, data);
    } catch (problem) {
      fill(result, failed(problem));
    }
  };
  const remove = async () => {
    const key = bot.key(provider.slug, slot);
    const sure = await confirm({
      title: `Delete the ${what}?`,
      lines: [`${hintWords(key)} is removed for good. ${consequence(bot, provider)}`],
      act: 'Delete key',
    });
    if (!sure) return;
    try {
      await bot.change('DELETE', keyPath(provider.slug, slot), { match: key.etag });
      fill(result);
      if (element.isConnected) focusAction('edit');
      else refocus(); // a second key's row goes with it
    } catch (problem) {
      if (problem.status !== 412) {
        fill(result, failed(problem));
        return;
      }
      await bot.refresh();
      fill(result, overtaken(keyChanges(key, bot.key(provider.slug, slot))));
    }
  };
  const draw = () => {
    const key = bot.key(provider.slug, slot);
    fill(summary, key ? storedWords(key) : h('span', { class: 'soft' }, 'No key'));
    const described = { 'aria-describedby': id };
    fill(actions, form ? null : [
      key && provider.testable && session().roles.decrypt && button('Test key', test, { ...described, 'data-act': 'test', class: 'quiet' }),
      button(key ? 'Replace' : 'Add key', edit, { ...described, 'data-act': 'edit', class: key ? 'quiet' : '' }),
      key && button('Delete', remove, { ...described, 'data-act': 'delete', class: 'quiet bad' }),
    ]);
  };
  const element = h('div', { class: 'key', role: 'group', 'aria-labelledby': id, 'data-slot': String(slot) },
    h('div', { class: 'key-line' }, h('h3', { id }, slot > 1 ? `${provider.name}, key ${slot}` : provider.name), summary, actions),
    result, formPlace);
  bot.watch(() => {
    if (!form && !actions.contains(document.activeElement)) draw();
    else redrawKeepingFocus(actions, draw);
  });
  return { element, edit, busy: () => form !== null };
}

// redrawKeepingFocus draws the buttons anew and gives the focus to the same one.
function redrawKeepingFocus(actions, draw) {
  const focused = document.activeElement;
  const name = actions.contains(focused) ? focused.dataset.act : null;
  draw();
  if (name) (actions.querySelector(`[data-act="${name}"]`) || actions.querySelector('button'))?.focus();
}

function storedWords(key) {
  return [
    h('span', { class: 'mono hint' }, hintWords(key)),
    key.label && h('span', { class: 'label' }, key.label),
    h('span', { class: 'tested' }, key.tested_at
      ? [verdict(key.test_result), h('span', { class: 'soft' }, ' · tested ', ago(key.tested_at))]
      : h('span', { class: 'soft' }, 'not tested · saved ', ago(key.updated_at))),
  ];
}

function consequence(bot, provider) {
  if (!bot.data.byok_enabled || bot.data.byoi) return 'It is not in use at present.';
  if (bot.keys(provider.slug).length > 1) return `Calls to ${provider.name} go on with the other keys.`;
  return `After that the platform pays for calls to ${provider.name}.`;
}
