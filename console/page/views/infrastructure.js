// The Infrastructure tab: whose keys and whose endpoint a chatbot uses.

import { h } from '../dom.js';
import { inUseLine, recall } from '../in_use.js';
import { byokPanel } from './byok.js';
import { byoiPanel } from './byoi.js';

export async function infrastructureTab(bot, signal) {
  recall(bot);
  return h('div', { class: 'panels' },
    inUseLine(bot.id),
    await byokPanel(bot, signal),
    byoiPanel(bot));
}
