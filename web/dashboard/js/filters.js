// Builds the button and the card of each filter.

import { h } from '../../shared/js/dom.js';
import { count } from '../../shared/js/format.js';
import { place } from '../../shared/js/popover.js';
import { facets, FILTERS, label } from './list.js';
import { between, daysOf, RECENT } from './period.js';

/** How many values of a filter are offered at once; the search finds the others. */
const MAX_OPTIONS = 200;

/** Returns the button of a filter by values, and adds its card to the page. `all()` returns the activities. */
export function filterCard(toolbar, name, all) {
  const title = FILTERS[name].toLowerCase();
  const search = h('input', { type: 'search', placeholder: `Find in ${title}`, 'aria-label': `Find in ${title}`, autocomplete: 'off' });
  const options = h('div', { class: 'options', role: 'group', 'aria-label': FILTERS[name] });
  const fill = () => options.replaceChildren(...optionsOf(toolbar, name, all(), search.value.toLowerCase()));
  search.addEventListener('input', fill);
  const opens = () => {
    search.value = '';
    fill();
  };
  return card(name, `Filter by ${title}`, [search, options], opens, () => (matchMedia('(pointer: coarse)').matches ? options.querySelector('input') : search));
}

function optionsOf(toolbar, name, all, search) {
  const found = facets(all, toolbar.view, name).filter(([value]) => label(name, value).toLowerCase().includes(search));
  if (found.length === 0) return [h('p', { class: 'hint', text: 'Nothing matches.' })];
  return found.slice(0, MAX_OPTIONS).map(([value, n]) => h('label', { class: 'option' },
    h('input', { type: 'checkbox', checked: toolbar.view[name].has(value), on: { change: () => toolbar.toggle(name, value) } }),
    h('span', { text: label(name, value), title: label(name, value) }),
    h('small', { text: count(n) })));
}

/** Returns the button of the filter by the time of creation, and adds its card to the page. */
export function periodCard(toolbar) {
  const box = h('div');
  const set = (created) => {
    toolbar.set({ created });
    fill();
  };
  const fill = () => {
    const { created } = toolbar.view;
    const [from, to] = daysOf(created);
    const day = (text, value, change) => h('label', { class: 'field' }, h('span', { text }), h('input', { type: 'date', value, on: { change: (event) => change(event.target.value) } }));
    box.replaceChildren(
      h('div', { class: 'options', role: 'group', 'aria-label': 'Recent' }, ['', ...Object.keys(RECENT)].map((value) => h('label', { class: 'option' },
        h('input', { type: 'radio', name: 'period', checked: created === value, on: { change: () => set(value) } }), h('span', { text: value ? RECENT[value][0] : 'Any time' })))),
      h('div', { class: 'fields' }, day('From', from, (value) => set(between(value, to))), day('To', to, (value) => set(between(from, value)))));
  };
  return card('created', 'Filter by the time of creation', [box], fill, () => box.querySelector('input:checked') ?? box.querySelector('input'));
}

function card(name, title, contents, opens, first) {
  const id = `filter-${name}`;
  const button = h('button', { type: 'button', class: 'filter', id: `${id}-button`, popovertarget: id, 'aria-haspopup': 'dialog' });
  const element = h('div', { class: 'popover', id, popover: 'auto', role: 'dialog', 'aria-label': title }, ...contents);
  element.addEventListener('beforetoggle', (event) => event.newState === 'open' && opens());
  element.addEventListener('toggle', (event) => {
    if (event.newState !== 'open') return;
    place(element, button);
    first()?.focus();
  });
  document.body.append(element);
  return button;
}
