// The navigation: events, operations and the collections.

import { byID, h } from '../../shared/js/dom.js';
import { toHash } from './route.js';

/** With more collections than this, there is a field to find one. */
const MANY = 12;

/** Lists the collections. Links keep the browser's own ways to open them. */
export function showPlaces(catalog) {
  const names = catalog.collections.map(({ name }) => name);
  byID('collection-search').hidden = names.length <= MANY;
  byID('collections-title').hidden = names.length === 0;
  const draw = () => {
    const text = byID('collection-find').value.trim().toLowerCase();
    byID('collection-list').replaceChildren(...names.filter((name) => name.toLowerCase().includes(text)).map((name) => h('li', {}, h('a', { href: toHash({ place: 'collections', name }), text: name, data: { place: 'collections', name } }))));
    mark();
  };
  byID('collection-find').oninput = draw;
  byID('collection-find').onkeydown = (event) => {
    const first = byID('collection-list').querySelector('a');
    if (event.key === 'ArrowDown') first?.focus();
    else if (event.key === 'Enter') first?.click();
    else if (event.key === 'Escape' && byID('collection-find').value) {
      byID('collection-find').value = '';
      draw();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  byID('place-select').replaceChildren(...[
    h('option', { value: '#events', text: 'Events' }), h('option', { value: '#operations', text: 'Operations' }),
    names.length ? h('optgroup', { label: 'Collections' }, names.map((name) => h('option', { value: toHash({ place: 'collections', name }), text: name }))) : null].filter(Boolean));
  draw();
}

let present = { place: '', name: '' };

/** Marks the present place. */
export function markPlace(view) {
  present = view;
  mark();
}

function mark() {
  for (const link of document.querySelectorAll('.places a')) {
    const isPresent = link.dataset.place === present.place && (link.dataset.name ?? '') === present.name;
    if (isPresent) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  markOption(byID('place-select'), toHash(present), present.name || 'View');
}

/** Selects the option of the present place. One that is not in the list gets an option while it is shown: without, the field would be blank. */
function markOption(select, value, text) {
  select.querySelector('.elsewhere')?.remove();
  if (![...select.options].some((option) => option.value === value)) select.prepend(h('option', { class: 'elsewhere', value, text }));
  select.value = value;
}
