// The fields of a provider's credential: one key for most, several for the
// clouds, where some have two ways and one of them is a file.

import { fill, fresh, h } from '../dom.js';
import { field } from '../form.js';
import { documentField } from './document.js';

// ways are credentials that exclude each other, by the names of their fields.
// Fields that are in none of them belong to each.
const ways = {
  bedrock: [
    ['Bedrock API key', ['apiKey']],
    ['IAM access key', ['accessKeyId', 'secretAccessKey', 'sessionToken']],
  ],
};

// helps stand where the API's words speak of the other way, which is not shown.
const helps = {
  apiKey: 'From the Bedrock console. It is good in the region that it was made in.',
  accessKeyId: 'Of an IAM user that may call Bedrock.',
};

export function credentialFields(provider) {
  const choice = ways[provider.slug] || [];
  const oneOf = choice.flatMap(([, names]) => names);
  const all = provider.fields.map((f) => make(oneOf.includes(f.name) && helps[f.name] ? { ...f, help: helps[f.name] } : f,
    f.required || (oneOf.includes(f.name) && f.name !== 'sessionToken')));
  if (choice.length === 0) return group(() => all, h('div', { class: 'fields' }, all.map((f) => f.element)));

  let chosen = 0;
  const place = h('div', { class: 'fields' });
  const shown = () => {
    const others = choice.flatMap(([, names], i) => (i === chosen ? [] : names));
    return all.filter((f) => !others.includes(f.name));
  };
  const draw = () => {
    for (const f of all) {
      if (!shown().includes(f)) f.input.value = ''; // a hidden secret would be sent, or stay behind
    }
    fill(place, shown().map((f) => f.element));
  };
  draw();
  const name = fresh('way');
  const picker = h('fieldset', { class: 'ways' }, h('legend', {}, 'Kind of key'),
    choice.map(([words], i) => h('label', {},
      h('input', { type: 'radio', name, value: String(i), checked: i === 0, onchange: () => { chosen = i; draw(); } }), words)));
  return group(shown, h('div', { class: 'fields' }, picker, place));
}

// make makes a field. It may be needed although the provider calls it optional:
// that is so only as long as another way is open.
function make(f, needed) {
  const isDocument = f.secret && /service.?account|document|file/i.test(f.name);
  const settings = { name: f.name, label: f.label, help: f.help, secret: f.secret, optional: !needed, mono: true, lines: lined.includes(f.name) };
  const made = isDocument ? documentField(settings) : field(settings);
  return { ...made, needed };
}

// lined fields hold a list, one entry a line.
const lined = ['modelMappings'];

// group is what a form needs of some fields.
function group(current, element) {
  return {
    element,
    fields: current,
    empty: () => current().every((f) => f.input.value.trim() === ''),
    // check says what is missing before anything is sent.
    check() {
      const missing = current().filter((f) => f.needed && f.input.value.trim() === '');
      for (const f of missing) f.complain(`${f.label || f.name} is missing.`);
      if (missing.length > 0) missing[0].input.focus();
      return missing.length === 0;
    },
    values() {
      const values = {};
      for (const f of current()) {
        const text = f.input.value.trim();
        if (text) values[f.name] = text;
      }
      return values;
    },
    focus: () => current()[0].input.focus(),
  };
}
