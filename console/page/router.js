// Which address shows which view, and what moves with a change of view: title,
// focus, scrolling.

import { fill, h, titleOf } from './dom.js';
import { problemView } from './views/problem.js';
import { listView } from './views/list.js';
import { createView } from './views/create.js';
import { chatbotView } from './views/chatbot.js';

const routes = [
  [/^\/$/, listView],
  [/^\/new$/, createView],
  [/^\/chatbots\/([^/]+)(?:\/(infrastructure|activity))?$/, chatbotView],
];

let running = new AbortController();

// go opens an address of the page.
export function go(address, { replace = false } = {}) {
  history[replace ? 'replaceState' : 'pushState'](null, '', address);
  return show();
}

// show draws the view of the current address. The old view stays until the new
// one has its data: no flicker. A view that is overtaken by another is dropped.
export async function show({ first = false } = {}) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const main = document.getElementById('main');
  main.setAttribute('aria-busy', 'true');
  let view;
  try {
    view = await viewOf(location.pathname, signal);
  } catch (error) {
    if (signal.aborted) return;
    view = problemView(error, () => show());
  }
  if (signal.aborted) return;
  fill(main, view.content);
  main.removeAttribute('aria-busy');
  document.title = titleOf(view.title);
  if (first) return; // the browser has the focus where a reader starts
  window.scrollTo(0, 0);
  // The heading is what a screen reader tells next.
  (main.querySelector('[data-focus]') || main).focus({ preventScroll: true });
}

function viewOf(pathname, signal) {
  for (const [pattern, view] of routes) {
    const found = pattern.exec(pathname);
    if (found) {
      const parts = found.slice(1).map((part) => part && decode(part));
      if (!parts.includes(null)) return view({ parts, signal, query: new URLSearchParams(location.search) });
    }
  }
  return {
    title: 'No such page',
    content: h('section', { class: 'empty' },
      h('h1', { tabindex: '-1', 'data-focus': true }, 'No such page'),
      h('p', {}, 'The address has nothing behind it.'),
      h('p', {}, h('a', { class: 'button', href: '/' }, 'All chatbots'))),
  };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

// start takes over the page's own links, and the browser's back and forward.
export function start() {
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[href]');
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.origin !== location.origin || link.hash || link.target || link.pathname.startsWith('/api/') || link.pathname.startsWith('/page/')) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
  window.addEventListener('popstate', () => show());
  return show({ first: true });
}
