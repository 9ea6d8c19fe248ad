// Saves views under names in this browser. Each is a link, so that it can be shared: the view is in its fragment.

import { byID, h, setText } from '../../shared/js/dom.js';
import { announce } from '../../shared/js/announce.js';
import { place } from '../../shared/js/popover.js';
import { toHash } from './list.js';

const KEY = 'pgherald.views';

/** The longest name, in characters, and how many views are kept. */
const LONGEST = 60;
const MOST = 50;

function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(stored) ? stored.filter((view) => typeof view?.name === 'string' && /^#/.test(view.hash)) : [];
  } catch {
    return []; // storage is blocked, or another program wrote there
  }
}

function write(views) {
  try {
    localStorage.setItem(KEY, JSON.stringify(views));
    return true;
  } catch {
    return false;
  }
}

/** Shows the saved views in a card. `toolbar` has the current view. */
export function startViews(toolbar) {
  const card = byID('views-card');
  const fill = () => card.replaceChildren(h('h2', { text: 'Saved views' }), list(toolbar, fill), saveForm(toolbar, fill));
  card.addEventListener('beforetoggle', (event) => event.newState === 'open' && fill());
  card.addEventListener('toggle', (event) => {
    if (event.newState !== 'open') return;
    place(card, byID('views'));
    card.querySelector('a, input').focus();
  });
}

/** Shows the name of the current view on the button. */
export function showView({ name }) {
  setText(byID('views-name'), name || 'Views');
  byID('views').title = name ? `The view “${name}”` : 'Saved views';
  byID('views').classList.toggle('on', name !== '');
}

function list(toolbar, changed) {
  const views = read();
  if (views.length === 0) return h('p', { class: 'hint', text: 'None yet. A saved view keeps the search, the filters and the order.' });
  const remove = (name) => {
    write(read().filter((view) => view.name !== name));
    changed();
    byID('views-card').querySelector('a, input').focus();
  };
  return h('ul', { class: 'saved' }, views.map(({ name, hash }) => h('li', {},
    h('a', { href: hash, text: name, title: name, 'aria-current': toolbar.view.name === name ? 'true' : null, on: { click: () => byID('views-card').hidePopover() } }),
    h('button', { type: 'button', class: 'button quiet icon small', 'aria-label': `Remove the view ${name}`, text: '✕', on: { click: () => remove(name) } }))));
}

function saveForm(toolbar, changed) {
  const input = h('input', { name: 'view', maxlength: LONGEST, value: toolbar.view.name, required: true, autocomplete: 'off', 'aria-label': 'Name of the view', placeholder: 'Name of the view' });
  const form = h('form', { class: 'with-button' }, input, h('button', { class: 'button', text: 'Save' }));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const name = input.value.trim();
    if (!name) return;
    toolbar.set({ name });
    const isKept = write([{ name, hash: toHash(toolbar.view) }, ...read().filter((view) => view.name !== name)].slice(0, MOST));
    announce(isKept ? 'Saved' : 'This browser keeps nothing: use the address of the page');
    changed();
  });
  return form;
}
