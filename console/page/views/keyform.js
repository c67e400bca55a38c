// Entering or replacing a key. What is typed is in its input and nowhere else:
// it is read when it is sent, and the input is emptied when it was stored.

import { button, fill, h, say, whileBusy } from '../dom.js';
import { keyPath } from '../bot.js';
import { call, path } from '../api.js';
import { field, forget, showProblem } from '../form.js';
import { conflict, failed } from '../notice.js';
import { hintWords, keyChanges, keyName } from '../changes.js';
import { credentialFields } from './credential.js';
import { drawAnswer } from './verdict.js';

export function keyForm(provider, bot, slot, { cancel, saved, another }) {
  let base = bot.key(provider.slug, slot); // what the owner saw when this began
  const credential = credentialFields(provider);
  const label = field({
    name: 'label', label: 'Label', optional: true, value: base ? base.label || '' : '', maxlength: 100,
    help: 'To tell keys apart, such as the project it belongs to.',
  });
  const fields = () => [...credential.fields(), label];
  const result = h('div', { class: 'result', role: 'status' });
  const problemPlace = h('div', { class: 'result' });
  const save = h('button', { type: 'submit', class: 'primary', 'data-act': 'save' }, 'Save');

  const test = async () => {
    if (!credential.check()) return;
    fill(problemPlace);
    fill(result, h('p', { class: 'soft' }, `Asking ${provider.name}…`));
    try {
      const where = path`/chatbots/${bot.id}` + keyPath(provider.slug, slot, '/test');
      const { data } = await call('POST', where, { body: { fields: credential.values() } });
      drawAnswer(result, provider, data);
    } catch (problem) {
      fill(result);
      showProblem(problem, fields(), problemPlace);
    }
  };

  const store = async () => {
    const text = label.input.value.trim();
    if (credential.empty() && base) {
      if (text === (base.label || '')) {
        credential.check(); // says that there is nothing to save
        return;
      }
      await send('PATCH', { body: { label: text }, match: base.etag });
      return;
    }
    if (!credential.check()) return;
    const how = base ? { match: base.etag } : { first: true };
    await send('PUT', { body: { fields: credential.values(), label: text }, ...how });
  };

  const send = async (method, options) => {
    fill(problemPlace);
    try {
      await bot.change(method, keyPath(provider.slug, slot), options);
    } catch (problem) {
      if (problem.status === 412) await stale();
      else showProblem(problem, fields(), problemPlace);
      return;
    }
    forget(credential.fields());
    say(`${keyName(provider.slug, slot)} saved`);
    saved();
  };

  // stale: the key is not what it was when this form was opened. What was typed
  // stays typed; the owner decides with the new state in sight.
  const stale = async () => {
    const before = base;
    try {
      await bot.refresh();
    } catch (problem) {
      fill(problemPlace, failed(problem));
      return;
    }
    const now = bot.key(provider.slug, slot);
    const changes = keyChanges(before, now);
    const notice = conflict({
      changes: changes.length > 0 ? changes : ['It was saved again without a visible difference.'],
      keep: () => {
        base = now;
        fill(problemPlace);
        explain();
        save.focus();
      },
      discard: cancel,
    });
    fill(problemPlace, notice);
    notice.focus();
  };

  const intro = h('p', { class: 'soft' });
  const explain = () => fill(intro, base
    ? ['Replaces ', h('span', { class: 'mono' }, hintWords(base)), '. To change only the label, leave the key empty. ',
      another && button('Keep it and add a second one for when it fails', another, { class: 'link', 'data-act': 'another' })]
    : 'The key is encrypted before it is stored. Nobody, you included, can read it here again.');
  explain();

  const element = h('form', {
    class: 'key-form', novalidate: true, autocomplete: 'off', 'aria-label': keyName(provider.slug, slot),
    onsubmit: (event) => {
      event.preventDefault();
      whileBusy(save, store);
    },
    onkeydown: (event) => {
      if (event.key === 'Escape') cancel();
    },
  },
  intro, credential.element, label.element, result, problemPlace,
  h('div', { class: 'actions' }, save,
    provider.testable && button('Test key', test, { 'data-act': 'test-new' }),
    button('Cancel', cancel, { class: 'quiet', 'data-act': 'cancel' })));

  return { element, forget: () => forget(credential.fields()), focus: () => credential.focus() };
}
