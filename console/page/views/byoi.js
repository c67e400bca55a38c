// The BYOI panel: an endpoint of the owner's own, which takes every call.

import { button, fill, fresh, h, say, whileBusy } from '../dom.js';
import { confirm } from '../dialog.js';
import { field, forget, showProblem } from '../form.js';
import { conflict, failed, overtaken } from '../notice.js';
import { changesOf } from '../changes.js';

export function byoiPanel(bot) {
  const id = fresh('byoi');
  const state = h('div', { 'data-part': 'byoi-state' });
  const formPlace = h('div', { class: 'form-place' });
  let form = null;
  const close = () => {
    if (form) form.forget();
    form = null;
    fill(formPlace);
    draw();
    const target = state.querySelector('[data-act="byoi-edit"]');
    if (target) target.focus();
  };
  const edit = () => {
    form = byoiForm(bot, close);
    fill(formPlace, form.element);
    draw();
    form.focus();
  };
  const result = h('div', { class: 'result' });
  const clear = async () => {
    const base = bot.data;
    const sure = await confirm({
      title: 'Clear the own endpoint?',
      lines: [`${base.byoi.url} and its key are removed. Calls go through the AI gateway again${base.byok_enabled ? ', with the keys above where there are any' : ', and the platform pays'}.`],
      act: 'Clear',
    });
    if (!sure) return;
    fill(result);
    try {
      await bot.change('DELETE', '/byoi', { match: bot.etag });
      const target = state.querySelector('[data-act="byoi-edit"]');
      if (target) target.focus();
    } catch (problem) {
      if (problem.status !== 412) {
        fill(result, failed(problem));
        return;
      }
      await bot.refresh();
      fill(result, overtaken(changesOf(base, bot.data)));
    }
  };
  const draw = () => {
    const { byoi } = bot.data;
    fill(state,
      byoi && h('p', { class: 'banner accent', 'data-state': 'set' }, h('b', {}, 'Overrides BYOK.'), ' While this is set, every call goes to it and neither the gateway nor the keys above are used.'),
      byoi && h('dl', { class: 'facts' },
        h('dt', {}, 'Endpoint'), h('dd', { class: 'mono' }, byoi.url),
        h('dt', {}, 'Key goes in'), h('dd', { class: 'mono' }, byoi.auth_header || 'Authorization: Bearer …')),
      !form && h('div', { class: 'actions' },
        button(byoi ? 'Change' : 'Set an own endpoint', edit, { 'data-act': 'byoi-edit', class: byoi ? 'quiet' : '' }),
        byoi && button('Clear', clear, { class: 'quiet bad', 'data-act': 'byoi-clear' })));
  };
  bot.watch(draw);
  return h('section', { class: 'card panel', 'aria-labelledby': id, 'data-panel': 'byoi' },
    h('div', { class: 'panel-head' },
      h('h2', { id }, 'Own endpoint (BYOI)'),
      h('p', { class: 'soft' }, 'Bring your own infrastructure: send every call to an endpoint that you run or rent, past the AI gateway. It overrides BYOK.')),
    state, result, formPlace);
}

function byoiForm(bot, close) {
  let base = bot.data;
  let match = bot.etag;
  const set = base.byoi || {};
  const url = field({ name: 'url', label: 'Endpoint', mono: true, value: set.url || '', placeholder: 'https://llm.example.com/v1', inputmode: 'url', help: 'Its base URL, with https. Where this sidecar’s operator allows only certain hosts, others are refused.' });
  const header = field({ name: 'auth_header', label: 'Header for the key', mono: true, optional: true, value: set.auth_header || '', placeholder: 'Authorization: Bearer', help: 'Empty sends it as “Authorization: Bearer …”. A header named here carries the key as it is, with nothing before it.' });
  const key = field({ name: 'key', label: 'Key', secret: true, help: base.byoi ? 'Leave it empty to keep the stored one.' : 'What your endpoint asks of its callers.' });
  const fields = [url, header, key];
  const place = h('div', { class: 'result' });
  const save = h('button', { type: 'submit', class: 'primary', 'data-act': 'byoi-save' }, 'Save');
  const send = async () => {
    fill(place);
    const body = { url: url.input.value.trim(), auth_header: header.input.value.trim() };
    if (key.input.value.trim()) body.key = key.input.value.trim();
    try {
      await bot.change('PUT', '/byoi', { body, match });
      forget(fields);
      say('Own endpoint saved');
      close();
    } catch (problem) {
      if (problem.status !== 412) {
        showProblem(problem, fields, place);
        return;
      }
      const before = base;
      await bot.refresh();
      const notice = conflict({
        changes: changesOf(before, bot.data),
        keep: () => {
          base = bot.data;
          match = bot.etag;
          fill(place);
          save.focus();
        },
        discard: close,
      });
      fill(place, notice);
      notice.focus();
    }
  };
  const element = h('form', {
    class: 'key-form', novalidate: true, autocomplete: 'off', 'aria-label': 'Own endpoint',
    onsubmit: (event) => {
      event.preventDefault();
      whileBusy(save, send);
    },
    onkeydown: (event) => {
      if (event.key === 'Escape') close();
    },
  }, fields.map((f) => f.element), place,
  h('div', { class: 'actions' }, save, button('Cancel', close, { class: 'quiet' })));
  return { element, forget: () => forget(fields), focus: () => url.input.focus() };
}
