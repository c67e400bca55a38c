// A credential that is a file: dropped, chosen or pasted. It lives in a
// password-type input like every key. Such an input has one line, and JSON means
// the same without its line breaks (those of the private key are written \n).

import { fill, h, say } from '../dom.js';
import { field } from '../form.js';

const maxFile = 16 << 10; // as much as sidekey reads of a pasted credential

export function documentField(settings) {
  const made = field({ ...settings, placeholder: 'Paste the file’s content' });
  const about = h('p', { class: 'about', role: 'status' });
  const take = async (file) => {
    if (!file) return;
    if (file.size > maxFile) {
      made.complain('This file is too large to be a service-account key. Choose the JSON file that Google’s console made.');
      return;
    }
    made.input.value = (await file.text()).trim().replaceAll(/[\r\n]+/g, ' ');
    made.input.dispatchEvent(new Event('input'));
    made.input.focus();
  };
  const picker = h('input', {
    type: 'file', accept: '.json,application/json', class: 'unseen', tabindex: '-1', 'aria-hidden': 'true',
    onchange: async () => {
      await take(picker.files[0]);
      picker.value = ''; // the same file can be chosen again
    },
  });
  made.input.addEventListener('input', () => fill(about, describe(made)));
  made.input.after(h('div', { class: 'drop-row' },
    h('button', { type: 'button', class: 'quiet', onclick: () => picker.click() }, 'Choose file…'),
    h('span', { class: 'soft' }, 'or drop it here'), picker), about);
  const box = made.element;
  box.classList.add('drop');
  box.addEventListener('dragover', (event) => {
    event.preventDefault();
    box.classList.add('over');
  });
  box.addEventListener('dragleave', () => box.classList.remove('over'));
  box.addEventListener('drop', (event) => {
    event.preventDefault();
    box.classList.remove('over');
    take(event.dataTransfer.files[0]);
  });
  return made;
}

// describe shows what the file says of itself, never its key, so that a wrong
// file is noticed before it is sent.
function describe(made) {
  const text = made.input.value.trim();
  if (!text) return null;
  let parsed;
  try {
    parsed = JSON.parse(text);
  } catch {
    made.complain('This is not JSON. Paste the whole file, from { to }.');
    return null;
  }
  const email = parsed && (parsed.client_email || (parsed.googleCredentials || {}).clientEmail);
  const project = parsed && (parsed.project_id || parsed.project);
  if (typeof email !== 'string') {
    made.complain('This is JSON, but not a service-account key: client_email is missing.');
    return null;
  }
  say(`Service account ${email}`);
  return ['Service account ', h('b', {}, email), typeof project === 'string' && [' of project ', h('b', {}, project)]];
}
