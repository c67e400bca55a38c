// The difference between two states of a chatbot, in words.

import { slotOf } from './bot.js';
import { nameOf } from './providers.js';

// changesOf lists what is different now.
export function changesOf(before, now) {
  const list = [];
  if (before.name !== now.name) list.push(`The name is now “${now.name}”.`);
  if (before.byok_enabled !== now.byok_enabled) list.push(`BYOK is now ${now.byok_enabled ? 'on' : 'off'}.`);
  list.push(...endpointChanges(before.byoi, now.byoi));
  const place = (key) => `${key.provider}#${slotOf(key)}`;
  const old = new Map((before.keys || []).map((key) => [place(key), key]));
  for (const key of now.keys || []) {
    list.push(...keyChanges(old.get(place(key)) || null, key));
    old.delete(place(key));
  }
  for (const key of old.values()) list.push(...keyChanges(key, null));
  return list.length > 0 ? list : ['It was saved again without a visible difference.'];
}

// keyChanges compares one key; null is none.
export function keyChanges(before, now) {
  if (!before && !now) return [];
  const key = now || before;
  const name = `The ${keyName(key.provider, slotOf(key))}`;
  if (!now) return [`${name} was deleted.`];
  if (!before) return [`${name} was added: ${hintWords(now)}.`];
  const list = [];
  if (before.version !== now.version && before.hint !== now.hint) list.push(`${name} was replaced: ${hintWords(before)} is now ${hintWords(now)}.`);
  else if (before.version !== now.version && (before.label || '') === (now.label || '')) list.push(`${name} was saved again.`);
  if ((before.label || '') !== (now.label || '')) list.push(now.label ? `${name} is now labelled “${now.label}”.` : `${name} has no label any more.`);
  return list;
}

function endpointChanges(before, now) {
  if (!before && now) return [`An own endpoint was set: ${now.url}.`];
  if (before && !now) return ['The own endpoint was cleared.'];
  if (!before) return [];
  const list = [];
  if (before.url !== now.url) list.push(`The own endpoint is now ${now.url}.`);
  if (before.auth_header !== now.auth_header) list.push(`Its key now goes in the header ${now.auth_header || 'Authorization: Bearer'}.`);
  return list;
}

export function keyName(slug, slot) {
  return slot > 1 ? `${nameOf(slug)} key ${slot}` : `${nameOf(slug)} key`;
}

// hintWords is a key as people recognise it.
export function hintWords(key) {
  return key.hint ? `····${key.hint}` : 'a key without a hint';
}

const things = { chatbot: 'the chatbot', settings: 'the chatbot', byok: 'BYOK', byoi: 'the own endpoint' };

const deeds = {
  create: 'Created', rename: 'Renamed', delete: 'Deleted', 'switch on': 'Switched on', 'switch off': 'Switched off',
  set: 'Set', replace: 'Replaced', label: 'Labelled', test: 'Tested',
};

// entryWords is an entry of the audit trail as a deed and a thing. What a later
// version may do is shown as it is called.
export function entryWords({ action, item = '' }) {
  const [slug, slot] = item.split('#');
  return [deeds[action] || action, things[item] || `the ${keyName(slug, Number(slot) || 1)}`];
}
