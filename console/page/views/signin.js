// Signing in: with a token, as a view or, where a session has ended in the midst
// of something, as a dialog above it.

import { fill, h } from '../dom.js';
import { field, showProblem } from '../form.js';
import { open } from '../dialog.js';

// signInView lets somebody in by sign, then calls done.
export function signInView(sign, done) {
  return {
    title: 'Sign in',
    content: h('section', { class: 'sign-in' },
      h('h1', {}, 'Sign in'),
      h('p', { class: 'lead' }, 'Manage which provider keys your chatbots use, and so whose account pays.'),
      h('div', { class: 'card' }, tokenForm(sign, done)),
      h('details', {},
        h('summary', {}, 'Where do I get a token?'),
        h('p', {}, 'From whoever runs this console, or from the service that you signed in to. It is a text in three parts with dots between, and it ends by itself.'),
        h('p', {}, 'On the machine that runs the console, open the one-time link that it printed when it started: no token is needed.'))),
  };
}

// signInAgainDialog resolves to true once sign has let the same person in.
export function signInAgainDialog(sign) {
  return open('Your session has ended', (done) => [
    h('p', {}, 'Sign in again to go on. What you typed is still there.'),
    tokenForm(sign, () => done(true), () => done(false)),
  ], { stubborn: true });
}

function tokenForm(sign, done, cancel) {
  const token = field({ name: 'token', label: 'Token', secret: true, required: true });
  const place = h('div', { class: 'result' });
  const submit = h('button', { type: 'submit', class: 'primary' }, 'Sign in');
  const form = h('form', {
    novalidate: true,
    onsubmit: async (event) => {
      event.preventDefault();
      const text = token.input.value.trim();
      if (!text) {
        token.complain('Paste your token here.');
        token.input.focus();
        return;
      }
      submit.setAttribute('aria-busy', 'true');
      fill(place);
      try {
        await sign(text);
        token.input.value = '';
        await done();
      } catch (problem) {
        if (problem.status === 401 || problem.status === 422 || problem.status === 400) {
          token.complain('This token is not accepted. It may have ended, or be meant for something else.');
          token.input.focus();
        } else {
          showProblem(problem, [token], place);
        }
      } finally {
        submit.removeAttribute('aria-busy');
      }
    },
  },
  token.element, place,
  h('div', { class: 'actions' }, submit, cancel && h('button', { type: 'button', class: 'quiet', onclick: cancel }, 'Not now')));
  return form;
}
