// The bar above every view: where one is, and as whom.

import { button, fill, h } from './dom.js';
import { signOut } from './session.js';
import { failed } from './notice.js';

export function drawTop(session) {
  fill(document.getElementById('top'),
    h('a', { class: 'brand', href: '/' }, h('b', {}, 'sidekey'), h('span', {}, ' console')),
    session && h('div', { class: 'who' },
      h('span', { class: 'as' },
        h('span', { class: 'account', title: session.account || session.name || null }, session.account || 'All accounts'),
        h('span', { class: 'role' }, session.role)),
      button('Sign out', async () => {
        try {
          await signOut();
        } catch (problem) {
          fill(document.getElementById('notices'), failed(problem));
        }
      }, { class: 'quiet' })));
}
