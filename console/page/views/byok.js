// The AI Gateway BYOK panel: the switch, and one row for each provider.

import { fill, fresh, h, whileBusy } from '../dom.js';
import { failed, overtaken } from '../notice.js';
import { providers } from '../providers.js';
import { changesOf } from '../changes.js';
import { providerRow } from './provider.js';

export async function byokPanel(bot, signal) {
  const all = await providers(signal);
  const stored = new Set((bot.data.keys || []).map((key) => key.provider));
  const shown = all.filter((p) => p.panel || stored.has(p.slug));
  const id = fresh('byok');
  const [knob, result] = byokSwitch(bot, id);
  const state = h('div', { 'data-part': 'byok-state' });
  bot.watch(() => fill(state, stateWords(bot)));
  return h('section', { class: 'card panel', 'aria-labelledby': id, 'data-panel': 'byok' },
    h('div', { class: 'panel-head' },
      h('h2', { id }, 'AI Gateway BYOK'), knob,
      h('p', { class: 'soft' }, 'Bring your own key: calls to a provider with a key here are billed to that key’s account, never to the platform’s.')),
    result, state,
    h('ul', { class: 'providers' }, shown.map((p) => providerRow(p, bot))));
}

// stateWords says what the switch means just now.
function stateWords(bot) {
  if (bot.data.byoi) {
    return h('p', { class: 'banner warn', 'data-state': 'overridden' },
      'Not in use: the own endpoint below is set and takes every call. The keys here wait until it is cleared.');
  }
  if (!bot.data.byok_enabled) {
    return h('p', { class: 'banner', 'data-state': 'off' }, (bot.data.keys || []).length > 0
      ? 'Off: the keys here are kept but not used, and the platform pays. Switch it on to use them.'
      : 'Off: the platform pays for every call. You can enter keys first and switch it on afterwards.');
  }
  if ((bot.data.keys || []).length === 0) {
    return h('p', { class: 'banner', 'data-state': 'empty' }, 'On, but there is no key yet: until you enter one, the platform pays.');
  }
  return null;
}

// byokSwitch returns the switch, and the place for what goes wrong with it.
function byokSwitch(bot, labelled) {
  const place = h('div', { class: 'result' });
  const knob = h('button', { type: 'button', role: 'switch', class: 'switch', 'aria-labelledby': labelled, 'data-act': 'byok' });
  const words = h('span', { class: 'switch-word', 'aria-hidden': 'true' });
  bot.watch(() => {
    knob.setAttribute('aria-checked', String(bot.data.byok_enabled));
    words.textContent = bot.data.byok_enabled ? 'On' : 'Off';
  });
  const flip = async () => {
    fill(place);
    const base = bot.data;
    const enabled = !base.byok_enabled;
    try {
      await bot.change('PUT', '/byok', { body: { enabled }, match: bot.etag });
    } catch (problem) {
      if (problem.status !== 412) {
        fill(place, failed(problem));
        return;
      }
      await bot.refresh();
      fill(place, overtaken(changesOf(base, bot.data)));
    }
  };
  knob.addEventListener('click', () => whileBusy(knob, flip));
  return [h('div', { class: 'switch-row' }, words, knob), place];
}
