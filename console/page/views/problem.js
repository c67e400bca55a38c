// A view that could not be shown, and what to do about it.

import { button, h } from '../dom.js';
import { wordsOf } from '../notice.js';

const titles = {
  0: 'No connection',
  401: 'Signed out',
  403: 'Not yours to see',
  404: 'Not found',
  429: 'Too many requests',
};

export function problemView(problem, again) {
  if (problem.status === undefined) console.error(problem);
  const title = titles[problem.status] || 'Something went wrong';
  const words = problem.status === 404
    ? 'There is no such chatbot in your account. It may have been deleted.'
    : wordsOf(problem);
  return {
    title,
    content: h('section', { class: 'empty', 'data-view': 'problem' },
      h('h1', { tabindex: '-1', 'data-focus': true }, title),
      h('p', { role: 'alert' }, words),
      h('div', { class: 'actions centre' },
        button('Try again', again, { class: 'primary' }),
        h('a', { class: 'button', href: '/' }, 'All chatbots'))),
  };
}
