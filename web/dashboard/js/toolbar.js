// Controls which activities are shown: search, filters and order. The page's fragment holds the view.

import { byID, h, setText } from '../../shared/js/dom.js';
import { count } from '../../shared/js/format.js';
import { filterCard, periodCard } from './filters.js';
import { COLUMNS, defaultView, isFiltered, FILTERS, fromHash, label, toHash } from './list.js';
import { periodLabel } from './period.js';

export class Toolbar {
  view = fromHash(location.hash);
  #changed;
  #searchTimer = 0;

  /** `changed()` is called when the view changes; `all()` returns the activities; `enter()` goes to the rows. */
  constructor({ changed, all, enter }) {
    this.#changed = changed;
    for (const name in FILTERS) byID('filters').append(filterCard(this, name, all));
    byID('filters').append(periodCard(this));
    for (const { id, label } of COLUMNS) byID('sort').append(h('option', { value: id, text: label }));
    byID('sort').addEventListener('change', () => this.sort(byID('sort').value, true));
    byID('search').addEventListener('input', () => {
      clearTimeout(this.#searchTimer);
      this.#searchTimer = setTimeout(() => this.#search(), 80);
    });
    byID('search').addEventListener('keydown', (event) => this.#key(event, enter));
    byID('toolbar').addEventListener('submit', (event) => event.preventDefault());
    byID('clear').addEventListener('click', () => {
      this.clear();
      byID('search').focus();
    });
    byID('more').addEventListener('click', () => this.#more(byID('more').getAttribute('aria-expanded') !== 'true'));
    window.addEventListener('hashchange', () => {
      this.view = fromHash(location.hash);
      this.#show();
      this.#changed();
    });
    this.#show();
  }

  /** Escape empties the search, and leaves it when it is empty. Enter and ↓ go to the rows that it finds. */
  #key(event, enter) {
    if (event.isComposing || !['Escape', 'Enter', 'ArrowDown'].includes(event.key)) return;
    if (event.key === 'ArrowDown' && (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey)) return;
    event.preventDefault();
    const isEmpty = byID('search').value === '';
    if (event.key === 'Escape') byID('search').value = '';
    this.#search();
    if (event.key !== 'Escape' || isEmpty) enter(event.key === 'Enter');
  }

  #search() {
    clearTimeout(this.#searchTimer);
    const q = byID('search').value;
    if (q !== this.view.q) this.set({ q });
  }

  /** Shows or hides the filters on a phone, where they do not fit beside the search. */
  #more(shows) {
    byID('more').setAttribute('aria-expanded', shows);
    byID('toolbar').classList.toggle('all', shows);
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

  /** Shows how many of the activities are shown; `total` is null while that is unknown. */
  shown(n, total, more) {
    const of = n === total ? count(n) : `${count(n)} of ${count(total ?? 0)}`;
    setText(byID('shown'), total === null ? '–' : more ? `${of}, the newest` : of);
  }

  #show() {
    if (byID('search').value !== this.view.q) byID('search').value = this.view.q;
    byID('sort').value = this.view.sort;
    byID('clear').hidden = !isFiltered(this.view);
    let active = this.view.created ? 1 : 0;
    for (const name in FILTERS) {
      const values = [...this.view[name]];
      if (values.length > 0) active++;
      showFilter(name, FILTERS[name], values.length === 1 ? label(name, values[0]) : values.length ? count(values.length) : '');
    }
    showFilter('created', 'Created', periodLabel(this.view.created));
    byID('more').replaceChildren('Filters', ...(active ? [h('b', { text: count(active) })] : []));
    byID('more').classList.toggle('on', active > 0);
  }
}

function showFilter(name, title, summary) {
  const button = document.getElementById(`filter-${name}-button`);
  button.classList.toggle('on', summary !== '');
  button.replaceChildren(title, ...(summary ? [h('b', { text: summary, title: summary })] : []));
}
