// A chatbot's name, and its end.

import { button, fill, h, say, whileBusy } from '../dom.js';
import { confirm } from '../dialog.js';
import { field, showProblem } from '../form.js';
import { conflict, failed, overtaken } from '../notice.js';
import { go } from '../router.js';
import { moment } from '../time.js';
import { changesOf } from '../changes.js';

export function generalTab(bot) {
  return h('div', { class: 'panels' }, nameCard(bot), factsCard(bot), endCard(bot));
}

function nameCard(bot) {
  const name = field({ name: 'name', label: 'Name', value: bot.data.name || '', maxlength: 200 });
  const place = h('div', { class: 'result' });
  const submit = h('button', { type: 'submit', class: 'primary' }, 'Rename');
  let base = bot.data;
  let match = bot.etag;
  const rebase = () => {
    base = bot.data;
    match = bot.etag;
    fill(place);
  };
  const send = async () => {
    fill(place);
    try {
      await bot.change('PATCH', '', { body: { name: name.input.value.trim() }, match });
      rebase();
      name.input.value = bot.data.name;
      fill(place, h('p', { class: 'ok' }, 'Renamed.'));
      say('Renamed');
    } catch (problem) {
      if (problem.status !== 412) {
        showProblem(problem, [name], place);
        return;
      }
      await bot.refresh();
      const notice = conflict({
        changes: changesOf(base, bot.data),
        keep: () => { rebase(); name.input.focus(); },
        discard: () => { rebase(); name.input.value = bot.data.name; name.input.focus(); },
      });
      fill(place, notice);
    }
  };
  return h('form', {
    class: 'card', novalidate: true, 'data-part': 'name',
    onsubmit: (event) => {
      event.preventDefault();
      whileBusy(submit, send);
    },
  }, name.element, place, h('div', { class: 'actions' }, submit));
}

function factsCard(bot) {
  const list = h('dl', { class: 'facts' });
  bot.watch(() => fill(list,
    h('dt', {}, 'Id'), h('dd', { class: 'mono' }, bot.id),
    h('dt', {}, 'Account'), h('dd', { class: 'mono' }, bot.data.account),
    bot.data.updated_at && [h('dt', {}, 'Last change'), h('dd', {}, moment(bot.data.updated_at))]));
  return h('div', { class: 'card' }, h('h2', {}, 'About'), list);
}

function endCard(bot) {
  const place = h('div', { class: 'result' });
  const remove = button('Delete this chatbot…', async () => {
    const count = (bot.data.keys || []).length;
    const sure = await confirm({
      title: `Delete ${bot.data.name || bot.id}?`,
      lines: [
        count > 0 ? `Its settings and ${count === 1 ? 'its one key' : `all ${count} keys`} are removed for good.` : 'Its settings are removed for good.',
        'If its runtime goes on calling, the platform pays for those calls, where that is allowed at all.',
      ],
      act: 'Delete for good', typed: bot.id,
    });
    if (!sure) return;
    try {
      await bot.remove();
      await go('/', { replace: true });
      say('Deleted');
    } catch (problem) {
      if (problem.status === 412) {
        const base = bot.data;
        await bot.refresh();
        fill(place, overtaken(changesOf(base, bot.data)));
        return;
      }
      fill(place, failed(problem));
    }
  }, { class: 'danger', 'data-act': 'delete-chatbot' });
  return h('div', { class: 'card' },
    h('h2', {}, 'Delete'),
    h('p', { class: 'soft' }, 'Takes away the chatbot with its keys and settings. What was done stays in the operators’ records.'),
    place, h('div', { class: 'actions' }, remove));
}
