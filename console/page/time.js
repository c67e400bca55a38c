// Moments, for people.

import { h } from './dom.js';

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const absolute = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
const units = [['year', 31536000], ['month', 2592000], ['day', 86400], ['hour', 3600], ['minute', 60]];

// ago says how long ago a moment was, and the moment itself on hover.
export function ago(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return h('span', {}, 'at an unknown time');
  return h('time', { datetime: at.toISOString(), title: absolute.format(at) }, words(at));
}

// moment is the date and time in full.
export function moment(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return h('span', {}, 'unknown');
  return h('time', { datetime: at.toISOString(), title: words(at) }, absolute.format(at));
}

function words(at) {
  const seconds = (at.getTime() - Date.now()) / 1000;
  for (const [unit, length] of units) {
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
  }
  return 'just now';
}
