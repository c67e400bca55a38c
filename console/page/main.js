// The page begins here: who is signed in, then the view of the address.

import { fill, h, titleOf } from './dom.js';
import { load, signIn } from './session.js';
import { start } from './router.js';
import { drawTop } from './top.js';
import { signInView } from './views/signin.js';
import { problemView } from './views/problem.js';

async function begin() {
  const main = document.getElementById('main');
  let session;
  try {
    session = await load();
  } catch (problem) {
    show(main, problemView(problem, begin));
    return;
  }
  drawTop(session);
  if (session) {
    await start();
    return;
  }
  // The address stays: after sign-in the page is where it was meant to be.
  show(main, signInView(signIn, begin));
}

function show(main, view) {
  fill(main, view.content);
  main.removeAttribute('aria-busy');
  document.title = titleOf(view.title);
  const first = main.querySelector('input');
  if (first) first.focus();
}

function drawConnection() {
  const offline = h('p', { class: 'banner warn', role: 'status' }, 'You are offline. What you see may be out of date; nothing can be saved.');
  fill(document.getElementById('notices'), navigator.onLine ? null : offline);
}

// A page that the browser had kept, with what it showed, after a sign-out.
window.addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
window.addEventListener('online', drawConnection);
window.addEventListener('offline', drawConnection);
drawConnection();
begin();
