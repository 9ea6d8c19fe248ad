// The view of a collection: its filter, its rows, its columns and the panel of a row.

import { announce } from '../../shared/js/announce.js';
import { copiesFrom } from '../../shared/js/copycard.js';
import { byID, h, setText } from '../../shared/js/dom.js';
import { count, plural } from '../../shared/js/format.js';
import { own } from '../../shared/js/own.js';
import { columnsOf } from './cells.js';
import { forRows } from './commands.js';
import { textOf } from './exact.js';
import { FilterBar } from './filterbar.js';
import { Grid } from './grid.js';
import { parseOrder, writeOrder } from './order.js';
import { isFilter, Rows } from './rows.js';
import { showState, stateOfError } from './states.js';

/** How many columns a collection shows at first. */
const FIRST_COLUMNS = 30;

export class RowsView {
  #app;
  #grid;
  #filter;
  #collection = null;
  #params = new URLSearchParams();
  #rows = null;
  #isRefused = false; // the filter, by the server

  /** `app` has route, lost(error), openRow(name, key), askToken() and schedule(). */
  constructor(app) {
    this.#app = app;
    this.#grid = new Grid({ open: (key) => app.openRow(this.#collection.name, key), sort: (field, isAdded) => this.#sort(field, isAdded), more: () => this.#rows?.more() });
    this.#filter = new FilterBar({ changed: (conditions) => this.#filterBy(conditions), seen: (field) => this.#seen(field), leave: () => this.#grid.refocus() });
    copiesFrom(byID('copy-rows'), 'The rows as commands and programs', () => forRows(this.#collection, this.#params));
    byID('columns-card').addEventListener('beforetoggle', (event) => event.newState === 'open' && this.#drawColumns());
  }

  /** Shows a collection with the parameters of a view. It loads only what differs from before. */
  show(collection, params) {
    const isOther = collection !== this.#collection;
    const isReloaded = isOther || !this.#rows || selection(params) !== selection(this.#params);
    const isReshaped = isOther || params.get('columns') !== this.#params.get('columns');
    this.#collection = collection;
    this.#params = params;
    if (isReloaded) this.#load();
    else if (isReshaped) this.#grid.columns(this.#columns());
    this.#grid.select(params.get('row'));
    this.draw();
  }

  close() {
    this.#rows?.close();
    this.#rows = null;
  }

  refocus() {
    this.#grid.refocus();
  }

  focusFilter() {
    this.#filter.focus();
  }

  clear() {
    if (this.#collection) this.#filterBy([]);
  }

  retry() {
    this.#rows?.start();
  }

  #load() {
    this.#rows?.close();
    this.#isRefused = false;
    const collection = this.#collection;
    setText(byID('rows-title'), collection.name);
    byID('rows-title').title = collection.table;
    this.#filter.show(collection.filter, this.#conditions());
    const rows = new Rows(collection, this.#params, {
      changed: (changes) => {
        if (rows !== this.#rows) return;
        this.#grid.changed(changes);
        this.#app.schedule();
      },
      state: () => rows === this.#rows && this.#app.schedule(),
      lost: (error) => rows === this.#rows && this.#lost(error),
    });
    this.#rows = rows;
    this.#grid.open(rows, this.#columns());
    this.#grid.sorted(this.#params.get('order'));
    rows.start();
  }

  #lost(error) {
    if (error.status === 400) {
      this.#isRefused = true;
      this.#filter.fail(error);
    }
    this.#app.lost(error);
  }

  #conditions() {
    return [...this.#params].filter(([name]) => isFilter(name));
  }

  #filterBy(conditions) {
    const params = new URLSearchParams([...[...this.#params].filter(([name]) => !isFilter(name)), ...conditions]);
    this.#app.route.go({ ...this.#app.route.view, params });
    announce(conditions.length ? `${plural(conditions.length, 'condition')}` : 'All rows');
  }

  /** Sorts by a field: ascending, descending, then not. With `isAdded` the other fields stay. */
  #sort(field, isAdded) {
    const terms = parseOrder(this.#params.get('order'));
    const old = terms.find((term) => term.field === field);
    const next = !old ? { field, isDown: false } : !old.isDown ? { field, isDown: true } : null;
    const others = isAdded ? terms : terms.filter((term) => term === old);
    const changed = old ? others.map((term) => (term === old ? next : term)).filter(Boolean) : [...others, next];
    this.#app.route.set({ order: writeOrder(changed.slice(0, 4)) || null });
  }

  /** Returns values of a field in the loaded rows, the most frequent first. */
  #seen(field) {
    const found = new Map();
    for (const { row } of this.#rows?.entries.slice(0, 2000) ?? []) {
      const text = textOf(own(row, field));
      if (text && text.length <= 80) found.set(text, (found.get(text) ?? 0) + 1);
    }
    return [...found].sort((a, b) => b[1] - a[1]).map(([text]) => text).slice(0, 50);
  }

  #columns() {
    const all = columnsOf(this.#collection);
    const wanted = this.#params.get('columns')?.split(',');
    const chosen = wanted ? all.filter(({ name }) => wanted.includes(name)) : all.slice(0, FIRST_COLUMNS);
    return chosen.length ? chosen : all.slice(0, 1);
  }

  #drawColumns() {
    const shown = new Set(this.#columns().map(({ name }) => name));
    const boxes = columnsOf(this.#collection).map(({ name, type }) => h('label', { class: 'option' }, h('input', { type: 'checkbox', value: name, checked: shown.has(name) }), h('span', { text: name }), h('small', { text: type })));
    const card = byID('columns-card');
    card.replaceChildren(h('h2', { text: 'Columns' }), h('div', { class: 'options' }, boxes), h('div', { class: 'actions' }, h('button', { type: 'button', class: 'button small', text: 'All', on: { click: () => {
      for (const box of card.querySelectorAll('input')) box.checked = true;
      this.#app.route.set({ columns: columnsOf(this.#collection).length > FIRST_COLUMNS ? columnsOf(this.#collection).map(({ name }) => name).join(',') : null }, { replace: true });
    } } })));
    card.onchange = () => {
      const names = [...card.querySelectorAll('input:checked')].map(({ value }) => value);
      if (names.length) this.#app.route.set({ columns: names.length === boxes.length && boxes.length <= FIRST_COLUMNS ? null : names.join(',') }, { replace: true });
    };
  }

  draw() {
    if (!this.#rows) return;
    this.#grid.draw();
    const { status, entries, error, isUncertain } = this.#rows;
    setText(byID('rows-count'), status !== 'ready' && entries.length === 0 ? '–' : this.#countText());
    byID('rows-count').title = isUncertain ? 'Some rows may be in another place: only the database knows the order of texts' : '';
    byID('table').classList.toggle('dim', status !== 'ready');
    if (status === 'ready' && this.#isRefused) {
      this.#isRefused = false;
      this.#filter.fail(null);
    }
    const isFiltered = this.#conditions().length > 0;
    const retry = () => this.#rows.start();
    showState(byID('rows-state'), error && !(error.status === 400 && isFiltered) && status !== 'ready' ? stateOfError(error, 'The rows', { retry, signIn: () => this.#app.lost(error) })
      : status === 'failed' ? { icon: 'search', title: 'The filter has an error', text: 'It is shown above.' }
        : status === 'loading' && entries.length === 0 ? { isLoading: true, title: 'Loading the rows' }
          : entries.length > 0 || status !== 'ready' ? null
            : isFiltered ? { icon: 'search', title: 'No row matches', text: 'A row appears here as soon as it matches.', actions: [['Clear the filter', () => this.clear()]] }
              : { icon: 'inbox', title: 'No rows yet', text: 'Insert one from anywhere: it appears at once.' });
  }

  #countText() {
    const { count: all, entries, hasMore, isUncertain, isFull } = this.#rows;
    const loaded = count(entries.length);
    const order = isUncertain ? ' · order not certain' : '';
    if (!hasMore) return plural(entries.length, 'row') + order;
    const limit = isFull ? ' · the page keeps no more: filter to see others' : '';
    return (all ? `${loaded} of ${all.isExact ? '' : '≈ '}${count(all.rows)} rows` : `${loaded} rows, and more`) + limit + order;
  }
}

/** Returns what of a view selects and orders rows. */
const selection = (params) => String(new URLSearchParams([...params].filter(([name]) => isFilter(name) || name === 'order')));
