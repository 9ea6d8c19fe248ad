// Controls which activities are shown: search, filters and order. The page's fragment holds the view.

import { byID, h, setText } from './dom.js';
import { count, words } from './format.js';
import { COLUMNS, defaultView, facets, isFiltered, FILTERS, fromHash, toHash } from './list.js';
import { place } from './popover.js';

/** How many values of a filter are offered at once; the search finds the others. */
const MAX_OPTIONS = 200;

export class Toolbar {
  view = fromHash(location.hash);
  #changed;
  #all = () => [];
  #searchTimer = 0;

  /** `changed()` is called when the view changes; `all()` returns the activities. */
  constructor({ changed, all }) {
    this.#changed = changed;
    this.#all = all;
    for (const name in FILTERS) byID('filters').append(...this.#filter(name));
    for (const { id, label } of COLUMNS) byID('sort').append(h('option', { value: id, text: label }));
    byID('sort').addEventListener('change', () => this.sort(byID('sort').value, true));
    byID('search').addEventListener('input', () => {
      clearTimeout(this.#searchTimer);
      this.#searchTimer = setTimeout(() => this.set({ q: byID('search').value }), 80);
    });
    byID('toolbar').addEventListener('submit', (event) => event.preventDefault());
    byID('clear').addEventListener('click', () => {
      this.clear();
      byID('search').focus();
    });
    window.addEventListener('hashchange', () => {
      this.view = fromHash(location.hash);
      this.#show();
      this.#changed();
    });
    this.#show();
  }

  set(changes) {
    this.view = { ...this.view, ...changes };
    history.replaceState(null, '', location.pathname + location.search + toHash(this.view));
    this.#show();
    this.#changed();
  }

  clear() {
    const { sort, down } = this.view;
    this.set({ ...defaultView(), sort, down });
  }

  /** Sorts by a column, or reverses the order of the current one unless `keep`. */
  sort(id, keep = false) {
    const column = COLUMNS.find((one) => one.id === id);
    const again = this.view.sort === id && !keep;
    this.set({ sort: id, down: again ? !this.view.down : Boolean(column.down) });
  }

  /** Adds or removes a value of a filter. `only` removes the other values. */
  toggle(name, value, only = false) {
    const values = new Set(only ? [] : this.view[name]);
    if (this.view[name].has(value)) values.delete(value);
    else values.add(value);
    this.set({ [name]: values });
  }

  /** Shows how many of the activities are shown. */
  shown(n, total, more) {
    const of = n === total ? count(n) : `${count(n)} of ${count(total)}`;
    setText(byID('shown'), more ? `${of}, the newest` : of);
  }

  #filter(name) {
    const id = `filter-${name}`;
    const button = h('button', { type: 'button', class: 'filter', id: `${id}-button`, popovertarget: id, 'aria-haspopup': 'dialog' });
    const search = h('input', { type: 'search', placeholder: `Find in ${FILTERS[name].toLowerCase()}`, 'aria-label': `Find in ${FILTERS[name].toLowerCase()}`, autocomplete: 'off' });
    const options = h('div', { class: 'options', role: 'group', 'aria-label': FILTERS[name] });
    const card = h('div', { class: 'popover', id, popover: 'auto', 'aria-label': `Filter by ${FILTERS[name].toLowerCase()}` }, search, options);
    const fill = () => options.replaceChildren(...this.#options(name, search.value.toLowerCase()));
    search.addEventListener('input', fill);
    card.addEventListener('beforetoggle', () => {
      search.value = '';
      fill();
    });
    card.addEventListener('toggle', (event) => {
      if (event.newState !== 'open') return;
      place(card, button);
      (matchMedia('(pointer: coarse)').matches ? options.querySelector('input') : search)?.focus();
    });
    document.body.append(card);
    return [button];
  }

  #options(name, search) {
    const found = facets(this.#all(), this.view, name).filter(([value]) => label(name, value).toLowerCase().includes(search));
    if (found.length === 0) return [h('p', { class: 'hint', text: 'Nothing matches.' })];
    return found.slice(0, MAX_OPTIONS).map(([value, n]) => h('label', { class: 'option' },
      h('input', { type: 'checkbox', checked: this.view[name].has(value), on: { change: () => this.toggle(name, value) } }),
      h('span', { text: label(name, value) }),
      h('small', { text: count(n) })));
  }

  #show() {
    if (byID('search').value !== this.view.q) byID('search').value = this.view.q;
    byID('sort').value = this.view.sort;
    byID('clear').hidden = !isFiltered(this.view);
    for (const name in FILTERS) {
      const values = [...this.view[name]];
      const button = byID(`filter-${name}-button`);
      button.classList.toggle('on', values.length > 0);
      const summary = values.length === 1 ? label(name, values[0]) : count(values.length);
      button.replaceChildren(FILTERS[name], ...(values.length ? [h('b', { text: summary })] : []));
    }
  }
}

export function label(name, value) {
  if (value === '') return 'Unassigned';
  return name === 'status' ? words(value) : value;
}
