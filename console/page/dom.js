// How elements are made. Text goes in as text, never as markup: a chatbot's name
// may be anything. Nothing here parses text as markup, and the page's policy forbids it.

const properties = new Set(['value', 'checked', 'disabled', 'hidden', 'required', 'multiple']);

// h makes an element. Attributes that are null, undefined or false are left out;
// on… are listeners; children may be text, elements, lists of them, or nothing.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (properties.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  fill(element, children);
  return element;
}

// fill replaces what is in an element.
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
  return element;
}

// titleOf is what the window is called while a view is shown.
export const titleOf = (view) => `${view} · sidekey console`;

let last = 0;

// fresh is an id that no other element has, for labels and descriptions.
export function fresh(prefix) {
  last += 1;
  return `${prefix}-${last}`;
}

// say tells a screen reader what has happened, where no change of focus does.
export function say(text) {
  const place = document.getElementById('spoken');
  place.textContent = '';
  // The same text twice is spoken twice only if it was gone in between.
  setTimeout(() => { place.textContent = text; }, 50);
}

// button is a button that does something. While that goes on it cannot be
// pressed again, but keeps the focus, which disabled would take away.
export function button(label, act, attributes = {}) {
  const element = h('button', {
    type: 'button',
    ...attributes,
    onclick: (event) => whileBusy(element, () => act(event)),
  }, label);
  return element;
}

// whileBusy marks a button as busy until the work is done.
export async function whileBusy(element, work) {
  if (element.getAttribute('aria-busy') === 'true') return;
  element.setAttribute('aria-busy', 'true');
  element.setAttribute('aria-disabled', 'true');
  try {
    await work();
  } finally {
    element.removeAttribute('aria-busy');
    element.removeAttribute('aria-disabled');
  }
}
