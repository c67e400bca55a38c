// What the test of a key has found out.

import { fill, h } from '../dom.js';

const words = {
  valid: ['good', 'Valid'],
  invalid: ['bad', 'Not accepted'],
  'no credit': ['warn', 'No credit left'],
  inconclusive: ['warn', 'Inconclusive'],
};

// verdict is the one word for a result, with its dot.
export function verdict(result) {
  const [kind, word] = words[result] || ['warn', result || 'Inconclusive'];
  return h('span', { class: `verdict ${kind}`, 'data-verdict': result }, h('span', { class: `dot ${kind}` }), word);
}

const meaning = {
  valid: 'knows this key.',
  invalid: 'does not accept this key.',
  'no credit': 'accepts this key, but its account has nothing left to pay with.',
  inconclusive: 'did not say whether this key is good.',
};

// hasWords: the console's own sentence for a good key would only say it twice.
function hasWords(provider, answer) {
  return answer.message && answer.message !== `${provider.name} accepts the key`;
}

// drawAnswer shows a result, with the provider's own words where it had any.
export function drawAnswer(place, provider, answer) {
  const sentence = `${provider.name} ${meaning[answer.result] || 'answered.'}`;
  fill(place, h('div', { class: 'answer', 'data-result': answer.result },
    h('p', {}, verdict(answer.result), ' ', sentence),
    hasWords(provider, answer) && h('blockquote', {}, answer.message, answer.status ? h('span', { class: 'soft' }, ` (${answer.status})`) : '')));
}
