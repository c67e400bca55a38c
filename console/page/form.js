// Fields with a label, help and an error, each tied to its input for screen
// readers; and how a refusal of the API finds its field.

import { fill, fresh, h, say } from './dom.js';
import { failed } from './notice.js';

// field makes one. secret is a password-type input that no browser is asked to
// remember; lines has room for several.
export function field({ name, label, help, value = '', secret = false, optional = false, mono = false, lines = false, ...attributes }) {
  const id = fresh('field');
  const error = h('p', { class: 'error', id: `${id}-error`, hidden: true });
  const described = [help && `${id}-help`, `${id}-error`].filter(Boolean).join(' ');
  const input = h(lines ? 'textarea' : 'input', {
    id, name, type: lines ? null : secret ? 'password' : 'text', rows: lines ? '3' : null, value, autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false',
    'aria-describedby': described, class: mono || secret ? 'mono' : null,
    'data-1p-ignore': secret, 'data-lpignore': secret ? 'true' : null, ...attributes,
  });
  const element = h('div', { class: 'field' },
    h('label', { for: id }, label, optional && h('span', { class: 'optional' }, ' optional')),
    input, help && h('p', { class: 'help', id: `${id}-help` }, help), error);
  const complain = (text) => {
    error.textContent = text;
    error.hidden = !text;
    if (text) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
  };
  input.addEventListener('input', () => complain(''));
  return { name, label, element, input, complain };
}

// forget empties the fields that hold secrets.
export function forget(fields) {
  for (const f of fields) {
    if (f.input.type === 'password') f.input.value = '';
  }
}

// sentence makes one of what the API says about a field: "is missing".
function sentence(label, message) {
  const whole = /^[a-z]/.test(message) ? `${label} ${message}` : message;
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

// showProblem puts each error beside its field, what is left into place, and
// the focus on the first field that is wrong.
export function showProblem(problem, fields, place) {
  const left = [];
  let first = null;
  for (const { field: name = '', message } of problem.errors || []) {
    const found = fields.find((f) => name === f.name || name.endsWith(`.${f.name}`));
    if (!found) {
      left.push(message);
      continue;
    }
    found.complain(sentence(found.label, message));
    first ||= found;
  }
  if (first) {
    first.input.focus();
    say(first.element.querySelector('.error').textContent);
  }
  if (first && left.length === 0) fill(place);
  else if (left.length > 0) fill(place, h('div', { class: 'notice bad', role: 'alert' }, left.map((text) => h('p', {}, text))));
  else fill(place, failed(problem));
}
