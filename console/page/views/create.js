// A new chatbot.

import { call } from '../api.js';
import { fill, h, whileBusy } from '../dom.js';
import { field, showProblem } from '../form.js';
import { go } from '../router.js';
import { isOperator } from '../session.js';

export function createView() {
  const fields = [
    field({ name: 'name', label: 'Name', help: 'What you and others see here. It can be changed.', maxlength: 200 }),
    field({ name: 'id', label: 'Id', optional: true, mono: true, help: 'What the runtime calls it: 1 to 128 of a–z, A–Z, 0–9 and . _ : -  It cannot be changed. Without one, the console makes one up.', maxlength: 128 }),
  ];
  if (isOperator()) fields.push(field({ name: 'account', label: 'Account', mono: true, help: 'Whose chatbot it is: the acct of its owner’s token.', maxlength: 128 }));
  const place = h('div', { class: 'result' });
  const submit = h('button', { type: 'submit', class: 'primary' }, 'Create');
  const send = async () => {
    const body = {};
    for (const f of fields) {
      const text = f.input.value.trim();
      if (text || f.name === 'name') body[f.name] = text;
    }
    fill(place);
    try {
      const { data } = await call('POST', '/chatbots', { body });
      await go(`/chatbots/${encodeURIComponent(data.id)}/infrastructure`, { replace: true });
    } catch (problem) {
      // The id is taken; the API names no field, as it may be somebody else's.
      if (problem.code === 'exists') problem.errors = [{ field: 'id', message: 'This id is taken. Choose another one, or leave it empty.' }];
      showProblem(problem, fields, place);
    }
  };
  return {
    title: 'New chatbot',
    content: h('section', { 'data-view': 'create', class: 'narrow' },
      h('p', { class: 'crumbs' }, h('a', { href: '/' }, 'Chatbots')),
      h('h1', { tabindex: '-1', 'data-focus': true }, 'New chatbot'),
      h('form', {
        class: 'card', novalidate: true,
        onsubmit: (event) => {
          event.preventDefault();
          whileBusy(submit, send);
        },
      },
      fields.map((f) => f.element), place,
      h('div', { class: 'actions' }, submit, h('a', { class: 'button quiet', href: '/' }, 'Cancel')))),
  };
}
