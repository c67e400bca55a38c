// Who is signed in, and what happens when that ends.

import { call, hooks, Problem } from './api.js';
import { signInAgainDialog } from './views/signin.js';

let current = null;
let asking = null;

hooks.csrf = () => (current ? current.csrf : '');

export const session = () => current;

export const isOperator = () => current !== null && current.role === 'operator';

// load asks who is signed in. Nobody is null.
export async function load() {
  try {
    current = (await call('GET', '/session')).data;
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status !== 401) throw problem;
    current = null;
  }
  return current;
}

export async function signIn(token) {
  await call('POST', '/session', { body: { token } });
  return load(); // the token for changes belongs to the new cookie
}

export async function signOut() {
  try {
    await call('DELETE', '/session');
  } catch (problem) {
    if (problem.status !== 401) throw problem; // it had ended by itself
  }
  // A fresh document: nothing of this account stays in memory.
  location.assign('/');
}

// The session has ended while a view is open. The view stays as it is, with what
// was typed, below a dialog; whoever asked waits. Someone else at the same
// screen must not find it: then everything is loaded anew.
hooks.signInAgain = () => {
  if (current === null) return Promise.resolve(false);
  const before = current;
  asking ||= signInAgainDialog(async (token) => {
    const after = await signIn(token);
    if (!after || after.account !== before.account || after.role !== before.role) location.reload();
    return true;
  }).finally(() => { asking = null; });
  return asking;
};

// Another tab has signed in again: the cookie is shared, the token is not.
hooks.newCsrf = async () => {
  const before = current;
  const after = await load();
  if (before && after && (after.account !== before.account || after.role !== before.role)) location.reload();
  return Boolean(before && after && after.csrf !== before.csrf);
};
