// Questions that must be answered first. <dialog> keeps the focus inside and
// gives it back; Escape means no.

import { fresh, h } from './dom.js';

// open shows a dialog until its form is sent or it is closed. build is given a
// function that closes with an answer; the promise is that answer, or false.
export function open(title, build, { stubborn = false } = {}) {
  return new Promise((resolve) => {
    let answer = false;
    const id = fresh('dialog');
    const dialog = h('dialog', { 'aria-labelledby': id });
    const done = (value) => {
      answer = value;
      dialog.close();
    };
    dialog.append(h('h2', { id }, title), ...build(done));
    dialog.addEventListener('cancel', (event) => { if (stubborn) event.preventDefault(); });
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// confirm asks before something is lost. With typed, that text must be typed.
export function confirm({ title, lines, act, typed = '' }) {
  return open(title, (done) => {
    const help = fresh('help');
    const input = typed && h('input', {
      type: 'text', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', 'aria-describedby': help, name: 'confirmation', 'aria-label': `Type ${typed} to confirm`,
      oninput: () => { error.hidden = true; },
    });
    const error = h('p', { class: 'error', role: 'alert', hidden: true }, 'That is not the same. Type it exactly as shown.');
    return [
      ...lines.map((line) => h('p', {}, line)),
      h('form', {
        method: 'dialog',
        onsubmit: (event) => {
          event.preventDefault();
          if (typed && input.value.trim() !== typed) {
            error.hidden = false;
            input.focus();
            return;
          }
          done(true);
        },
      },
      typed && h('p', { id: help }, 'Type ', h('code', {}, typed), ' to confirm.'), input, error,
      h('div', { class: 'actions end' },
        h('button', { type: 'button', class: 'quiet', onclick: () => done(false) }, 'Cancel'),
        h('button', { type: 'submit', class: 'danger', 'data-act': 'confirm' }, act))),
    ].filter(Boolean);
  });
}
