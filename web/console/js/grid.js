// Shows the rows of a collection as a grid, of which only visible rows exist in the document.

import { byID, h, setAttribute, setText } from '../../shared/js/dom.js';
import { plural } from '../../shared/js/format.js';
import { Held } from '../../shared/js/held.js';
import { own } from '../../shared/js/own.js';
import { cssLength, VirtualList } from '../../shared/js/virtual.js';
import { fillCell, fitted, leastWidth } from './cells.js';
import { Glow } from './glow.js';
import { parseOrder } from './order.js';
import { TOO_LARGE } from './rows.js';

/** The next page is loaded when fewer rows than this are below the visible ones. */
const AHEAD = 60;

/** So many of the first rows decide how wide columns of numbers are. */
const FITTED = 200;

export class Grid {
  #handlers;
  #list;
  #columns = [];
  #isFitted = false;
  #version = 0; // of the columns: rows of an older one are built again
  #rows = null;
  #glow = new Glow();
  #held;
  #active = null; // the key of the row that has or last had the focus
  #selected = null;
  #gone = new Set();
  #strength = '';

  /** Handlers: `open(key)`, `sort(field, isAdded)` and `more()`. */
  constructor(handlers) {
    this.#handlers = handlers;
    const scroller = byID('table-scroll');
    this.#list = new VirtualList({
      scroller, space: byID('table-space'), height: cssLength('--row'), key: ({ key }) => `${this.#version} ${key}`, create: (entry) => this.#row(entry), fill: (row, entry, i) => this.#fill(row, entry, i),
    });
    this.#held = new Held(scroller, { keyOf: ({ key }) => key, released: () => this.draw() });
    scroller.addEventListener('scroll', () => {
      byID('table-head').parentElement.scrollLeft = scroller.scrollLeft;
      this.#more();
    }, { passive: true });
    scroller.addEventListener('keydown', (event) => this.#key(event));
    byID('held').addEventListener('click', () => this.#held.release());
  }

  /** Shows a collection from the top. */
  open(rows, columns) {
    this.#rows = rows;
    this.#glow.clear();
    this.#held.forget();
    this.#active = null;
    byID('table-scroll').scrollTo(0, 0);
    this.columns(columns);
  }

  columns(columns) {
    this.#columns = columns;
    this.#isFitted = false;
    this.#version++;
    this.#setWidths(columns);
    byID('table').setAttribute('aria-colcount', columns.length);
    byID('table-head').replaceChildren(...columns.map((column) => this.#head(column)));
    this.draw();
  }

  #setWidths(columns) {
    byID('table').style.setProperty('--columns', columns.map(({ width }) => width).join(' '));
    byID('table').style.setProperty('--least', `${leastWidth(columns)}rem`);
  }

  /** Fits the widths to the first rows, once: columns must not move later. */
  #fit(entries) {
    if (this.#isFitted || entries.length === 0) return;
    this.#isFitted = true;
    this.#setWidths(fitted(this.#columns, entries.slice(0, FITTED).map(({ row }) => row).filter((row) => row !== TOO_LARGE)));
  }

  #head(column) {
    const title = `${column.name}, ${column.type}${column.isSortable ? '. A click orders by it, with Shift in addition' : ': not a filter field, so that lists cannot be ordered by it'}`;
    const content = column.isSortable
      ? h('button', { type: 'button', text: column.name, on: { click: (event) => this.#handlers.sort(column.name, event.shiftKey) } })
      : h('span', { text: column.name });
    return h('div', { class: `td ${column.isNumber ? 'number' : ''}`, role: 'columnheader', title, data: { field: column.name } }, content);
  }

  sorted(order) {
    const terms = parseOrder(order);
    for (const cell of byID('table-head').children) {
      const at = terms.findIndex(({ field }) => field === cell.dataset.field);
      if (at < 0) cell.removeAttribute('aria-sort');
      else cell.setAttribute('aria-sort', terms[at].isDown ? 'descending' : 'ascending');
      cell.firstElementChild.dataset.rank = terms.length > 1 && at >= 0 ? String(at + 1) : '';
    }
  }

  /** Highlights changes in the next drawing. */
  changed(changes) {
    this.#glow.add(changes);
  }

  select(key) {
    this.#selected = key;
    this.#list.draw();
  }

  draw() {
    if (!this.#rows) return;
    const { rows: entries, waiting, gone } = this.#held.apply(this.#rows.entries, (key) => this.#rows.byKey.get(key));
    this.#gone = gone;
    const hasFocus = byID('table-space').contains(document.activeElement);
    const hold = byID('table-scroll').scrollTop > 0 || hasFocus;
    this.#fit(entries);
    this.#list.show(entries, { hold });
    this.#keepFocus(hasFocus);
    this.#describe(entries.length);
    const parts = [waiting && plural(waiting, 'row has', 'rows have') + ' come', gone.size && plural(gone.size, 'has', 'have') + ' left'].filter(Boolean);
    byID('held').hidden = parts.length === 0;
    setText(byID('held'), `Held under the pointer: ${parts.join(', ')}. Show`);
    this.#more();
  }

  /** Writes what restyles all cells. It comes after the rows: the list reads positions, before which the browser restyles at once. */
  #describe(length) {
    const strength = this.#glow.strength.toFixed(1);
    if (strength !== this.#strength) byID('table').style.setProperty('--glow-strength', (this.#strength = strength));
    setAttribute(byID('table'), 'aria-rowcount', this.#rows.hasMore ? -1 : length + 1);
  }

  #more() {
    const { scrollTop, clientHeight } = byID('table-scroll');
    if (!clientHeight) return;
    const last = (scrollTop + clientHeight) / cssRow();
    if (this.#rows && last > this.#list.items.length - AHEAD) this.#handlers.more();
  }

  #row(entry) {
    return h('div', { class: 'tr', role: 'row', on: { click: () => this.#handlers.open(entry.key), focus: () => this.#focused(entry.key) } },
      this.#columns.map((column) => h('div', { class: `td ${column.isNumber ? 'number' : ''} ${column.isKey ? 'key' : ''}`, role: 'gridcell', data: { field: column.name } })));
  }

  #fill(row, entry, index) {
    setAttribute(row, 'aria-rowindex', index + 2);
    setAttribute(row, 'tabindex', entry.key === (this.#active ?? this.#list.items[0]?.key) ? 0 : -1);
    setAttribute(row, 'aria-selected', entry.key === this.#selected);
    row.classList.toggle('gone', this.#gone.has(entry.key));
    if (row.shows !== entry.row) {
      row.shows = entry.row;
      row.dataset.key = entry.key;
      this.#columns.forEach((column, i) => {
        if (entry.row !== TOO_LARGE) fillCell(row.children[i], own(entry.row, column.name), column);
        else setText(row.children[i], i === 0 ? `${entry.key}: too large for a list` : '');
      });
    }
    this.#glow.mark(row, entry.key);
  }

  #focused(key) {
    this.#active = key;
    this.#list.pin(`${this.#version} ${key}`);
  }

  /** Moves the focus to the first row when the focused row leaves. */
  #keepFocus(hadFocus) {
    if (this.#active === null || this.#list.items.some(({ key }) => key === this.#active)) return;
    this.#active = null;
    this.#list.pin(null);
    if (hadFocus) this.focus(0);
  }

  focus(index) {
    const entry = this.#list.items[Math.max(0, Math.min(index, this.#list.items.length - 1))];
    if (!entry) return byID('table').focus();
    this.#active = entry.key;
    this.#list.reveal(this.#list.items.indexOf(entry));
    this.#list.pin(`${this.#version} ${entry.key}`)?.focus({ preventScroll: true });
  }

  /** Returns the focus to the row that last had it. */
  refocus() {
    this.focus(this.#active === null ? 0 : this.#list.items.findIndex(({ key }) => key === this.#active));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.#list.items.findIndex(({ key }) => key === this.#active);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: this.#list.items.length - 1, PageDown: at + this.#list.page, PageUp: at - this.#list.page }[event.key];
    if (to !== undefined) this.focus(to);
    else if ((event.key === 'Enter' || event.key === ' ') && this.#active !== null) this.#handlers.open(this.#active);
    else return;
    event.preventDefault();
  }
}

const cssRow = cssLength('--row');
