// What is said where something went wrong, or was changed by someone else.

import { button, h } from './dom.js';

// failed puts a problem into words.
export function failed(problem) {
  return h('div', { class: 'notice bad', role: 'alert' }, h('p', {}, wordsOf(problem)));
}

export function wordsOf(problem) {
  switch (problem.status) {
    case 429:
      return problem.retryAfter > 0
        ? `Too many attempts. Try again in ${problem.retryAfter} seconds.`
        : 'Too many attempts. Wait a moment, then try again.';
    case 401:
      return 'You are signed out. Sign in again; nothing that you typed is lost.';
    case 404:
      return 'This no longer exists. It may have been deleted by someone else.';
    case undefined: // a mistake of ours
      return 'The page made a mistake. Reload it; if that does not help, tell whoever runs this console.';
    default:
      return problem.message;
  }
}

// overtaken is the same where nothing was typed: whoever still wants it does it
// again, with the new state in sight.
export function overtaken(changes) {
  return h('div', { class: 'notice warn', role: 'alert' },
    h('p', {}, h('b', {}, 'Changed by someone else meanwhile.'), ' Nothing was done. If you still want it, try again.'),
    h('ul', {}, changes.map((change) => h('li', {}, change))));
}

// conflict says what someone else has changed meanwhile. keep goes on with the
// new state and what was typed; discard drops what was typed.
export function conflict({ changes, keep, discard }) {
  return h('div', { class: 'notice warn conflict', role: 'alert', tabindex: '-1' },
    h('p', {}, h('b', {}, 'Changed by someone else while you were editing.'), ' Nothing of yours was saved yet.'),
    h('ul', {}, changes.map((change) => h('li', {}, change))),
    h('div', { class: 'actions' },
      button('Reload, keep what I typed', keep, { 'data-act': 'keep' }),
      button('Discard mine', discard, { class: 'quiet', 'data-act': 'discard' })));
}
