// One chatbot: its name, and one of three tabs.

import { h, titleOf } from '../dom.js';
import { Bot } from '../bot.js';
import { providers } from '../providers.js';
import { isOperator } from '../session.js';
import { generalTab } from './general.js';
import { infrastructureTab } from './infrastructure.js';
import { activityTab } from './activity.js';

const tabs = [
  ['', 'General', generalTab],
  ['infrastructure', 'Infrastructure', infrastructureTab],
  ['activity', 'Activity', activityTab],
];

export async function chatbotView({ parts: [id, tab = ''], signal }) {
  const [bot] = await Promise.all([Bot.load(id, signal), providers(signal)]);
  const [, label, build] = tabs.find(([name]) => name === (tab || ''));
  const heading = h('h1', { tabindex: '-1', 'data-focus': true });
  const title = () => `${bot.data.name || bot.id}: ${label}`;
  bot.watch(() => {
    heading.textContent = bot.data.name || bot.id;
    if (heading.isConnected) document.title = titleOf(title()); // renamed
  });
  const base = `/chatbots/${encodeURIComponent(bot.id)}`;
  return {
    title: title(),
    content: h('section', { 'data-view': 'chatbot', 'data-id': bot.id },
      h('p', { class: 'crumbs' }, h('a', { href: '/' }, 'Chatbots')),
      heading,
      h('p', { class: 'soft mono under' }, bot.id, isOperator() && ` · ${bot.data.account}`),
      h('nav', { class: 'tabs', 'aria-label': 'Parts of this chatbot' }, tabs.map(([name, text]) =>
        h('a', { href: name ? `${base}/${name}` : base, 'aria-current': name === (tab || '') ? 'page' : null }, text))),
      await build(bot, signal)),
  };
}
