// When a change is in use: now, if every sidecar was told, else within the time
// after which a sidecar asks the store again. That time runs here, second by
// second, and on through other views.

import { fill, h, say } from './dom.js';
import { session } from './session.js';

const until = new Map(); // chatbot to the moment at which its last change is in use everywhere
const watchers = new Set();

// changed notes what an answer says. A change that sidecars were told of does
// not shorten the wait for an earlier one that they were not.
export function changed(id, inUse) {
  const seconds = inUse ? inUse.within_seconds : session().in_use_within_seconds;
  const now = inUse ? inUse.now : false;
  const before = until.get(id) || 0;
  until.set(id, now ? Math.max(before, Date.now()) : Date.now() + seconds * 1000);
  for (const draw of watchers) draw();
  say(now ? 'In use now.' : `In use within ${seconds < 60 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`}.`);
}

// recall works out what is left of a change made before this page was loaded,
// by the console's own clock.
export function recall(bot) {
  if (until.has(bot.id) || session().notify) return;
  const moments = [bot.data.updated_at, ...(bot.data.keys || []).map((key) => key.updated_at)].map((text) => Date.parse(text) || 0);
  const left = Math.max(...moments) + session().in_use_within_seconds * 1000 - bot.now;
  if (left > 0) until.set(bot.id, Date.now() + left);
}

// inUseLine is the line that tells. It is empty as long as nothing has changed.
export function inUseLine(id) {
  const line = h('p', { class: 'in-use', 'data-part': 'in-use' });
  let timer = 0;
  const draw = () => {
    if (line.isConnected === false && timer) { // its view is gone
      clearInterval(timer);
      watchers.delete(draw);
      return;
    }
    drawLine(line, until.get(id));
  };
  watchers.add(draw);
  timer = setInterval(draw, 1000);
  drawLine(line, until.get(id));
  return line;
}

function drawLine(line, moment) {
  line.hidden = moment === undefined;
  if (moment === undefined) return;
  const left = Math.ceil((moment - Date.now()) / 1000);
  line.dataset.state = left > 0 ? 'waiting' : 'now';
  if (left <= 0) {
    fill(line, h('span', { class: 'dot good' }), 'In use now: your changes are in use everywhere.');
    return;
  }
  const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
  fill(line, h('span', { class: 'dot wait' }), 'Saved. In use within ', h('span', { class: 'clock', role: 'timer' }, clock), '.');
}
