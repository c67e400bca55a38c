// The providers, as /api/v1/providers tells them once.

import { call } from './api.js';

let known = null;

export async function providers(signal) {
  known ||= (await call('GET', '/providers', { signal })).data.items;
  return known;
}

// nameOf is a provider's name for people; its slug if it is not known (yet).
export function nameOf(slug) {
  const found = known && known.find((p) => p.slug === slug);
  return found ? found.name : slug;
}
