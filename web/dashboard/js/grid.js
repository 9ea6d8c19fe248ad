// Shows the activities as a table, sorted and filtered. Rows keep their places while the pointer is over them.

import { byID, h, setText } from '../../shared/js/dom.js';
import { plural } from '../../shared/js/format.js';
import { Held } from '../../shared/js/held.js';
import { cssLength, VirtualList } from '../../shared/js/virtual.js';
import { Glow } from './glow.js';
import { COLUMNS, selectRows } from './list.js';
import { createRow, fillRow } from './row.js';

export class Grid {
  /** The rows in the table, and the number of activities that match the view. */
  shown = [];
  matching = 0;
  #handlers;
  #list;
  #held;
  #glow;
  #view = null;
  #matches = new Set();
  #missing = new Set();
  #mayWrite = true;
  #all; // the box that selects all rows
  #active = null; // the id of the row that has or last had the focus
  #open = null; // the id of the activity that is open beside the table
  #arrived = 0; // while scrolled
  #waiting = 0; // while rows are held

  /**
   * Handlers: `open(activity)`, `sort(column)`, `pick(field, activity, button)`, `isPicking()`, `redraw()`, and `selection`, a
   * Selection.
   */
  constructor(handlers) {
    this.#handlers = handlers;
    const scroller = byID('grid-scroll');
    this.#glow = new Glow(byID('grid-space'));
    this.#held = new Held(byID('grid-box'), { keyOf: ({ id }) => id, isOpen: () => handlers.isPicking(), released: () => handlers.redraw() });
    this.#list = new VirtualList({
      scroller,
      space: byID('grid-space'),
      height: cssLength('--row'),
      key: (activity) => activity.id,
      create: ({ id }) => createRow(id, this.#rowHandlers()),
      fill: (row, activity, index) => this.#fill(row, activity, index),
    });
    byID('grid-head').append(this.#selectAll(), ...COLUMNS.map((column) => this.#head(column)));
    byID('table').setAttribute('aria-colcount', COLUMNS.length + 1);
    scroller.addEventListener('keydown', (event) => this.#key(event));
    scroller.addEventListener('scroll', () => scroller.scrollTop === 0 && this.#setArrived(0), { passive: true });
    byID('arrivals').addEventListener('click', () => this.#showArrivals());
    setInterval(() => document.hidden || this.redraw(), 10_000); // updates "3 min"
  }

  #rowHandlers() {
    return {
      open: (id) => this.#openRow(id),
      focused: (id) => this.#focused(id),
      select: (id, event) => this.#handlers.selection.click(id, this.shown, event),
      pick: (field, id, button) => this.#handlers.pick(field, this.#find(id), button),
    };
  }

  #selectAll() {
    this.#all = h('input', { type: 'checkbox', id: 'select-all', 'aria-label': 'Select all', on: { change: () => this.#handlers.selection.toggleAll(this.shown.filter(({ id }) => !this.#missing.has(id))) } });
    return h('div', { class: 'cell select-cell', role: 'columnheader' }, h('label', { class: 'check' }, this.#all));
  }

  #head({ id, label, end }) {
    const button = h('button', { type: 'button', text: label, on: { click: () => this.#handlers.sort(id) } });
    return h('div', { class: `cell ${end ? 'end' : ''} ${id === 'status' ? 'state-cell' : id}`, role: 'columnheader', data: { column: id } }, button);
  }

  /** Shows the activities (a map by id) of a view. `changes` are highlighted: fields by id, null for a new activity. */
  show(activities, view, changes, mayWrite) {
    const before = this.shown.length;
    const selected = selectRows(activities.values(), view);
    if (view !== this.#view) this.#held.forget();
    this.#view = view;
    this.#mayWrite = mayWrite;
    const { rows, gone, waiting } = this.#held.apply(selected, (id) => activities.get(id));
    Object.assign(this, { shown: rows, matching: selected.length });
    this.#missing = gone;
    this.#handlers.selection.prune((id) => !gone.has(id) && this.#find(id));
    this.#matches = rows === selected ? null : new Set(selected.map(({ id }) => id));
    this.#glow.add(changes);
    this.#showOrder(view);
    byID('table').setAttribute('aria-rowcount', this.shown.length + 1);
    const keep = byID('grid-scroll').scrollTop > 0 || byID('grid-space').contains(document.activeElement);
    const hadFocus = this.#active !== null && this.#list.element(this.#active)?.contains(document.activeElement);
    this.#list.show(this.shown, { hold: keep && rows === selected });
    this.#keepFocus(hadFocus);
    const added = [...changes.values()].filter((fields) => fields === null).length;
    if (keep && this.shown.length > before && added && view.sort === 'created' && view.down) this.#setArrived(this.#arrived + added);
    this.#waiting = waiting;
    this.#showPill();
  }

  #showOrder(view) {
    for (const cell of byID('grid-head').children) {
      const sorts = cell.dataset.column === view.sort;
      if (sorts) cell.setAttribute('aria-sort', view.down ? 'descending' : 'ascending');
      else cell.removeAttribute('aria-sort');
    }
    const { size } = this.#handlers.selection;
    this.#all.checked = size > 0;
    this.#all.indeterminate = size > 0 && size < this.shown.length;
    this.#all.disabled = !this.#mayWrite;
  }

  redraw() {
    this.#list.draw();
  }

  #setArrived(n) {
    this.#arrived = byID('grid-scroll').scrollTop > 0 ? n : 0;
    this.#showPill();
  }

  #showPill() {
    const n = this.#waiting || this.#arrived;
    byID('arrivals').hidden = n === 0;
    setText(byID('arrivals'), `↑ ${plural(n, 'new activity', 'new activities')}`);
  }

  #showArrivals() {
    const isHeld = this.#waiting > 0;
    this.#held.forget();
    byID('grid-scroll').scrollTo({ top: 0, behavior: isHeld ? 'instant' : 'smooth' });
    this.#handlers.redraw();
    if (document.activeElement === byID('arrivals') || document.activeElement === document.body) this.focus(0);
  }

  /** Marks the activity that is open beside the table; null for none. */
  mark(id) {
    this.#open = id;
    this.#list.draw();
  }

  #fill(row, activity, index) {
    const { id } = activity;
    fillRow(row, activity, index, {
      isActive: id === (this.#active ?? this.shown[0]?.id),
      isOpen: id === this.#open,
      isSelected: this.#handlers.selection.has(id),
      isMissing: this.#missing.has(id),
      isLeaving: this.#matches !== null && !this.#matches.has(id),
      mayWrite: this.#mayWrite,
    });
    this.#glow.show(row, id);
  }

  #find(id) {
    return this.shown.find((one) => one.id === id);
  }

  #openRow(id) {
    const activity = this.#find(id);
    if (activity && !this.#missing.has(id)) this.#handlers.open(activity);
  }

  #focused(id) {
    if (this.#active === id) return;
    this.#active = id;
    this.#list.pin(id);
  }

  /** Moves the focus to the first row, or to the search, when the focused row disappears. */
  #keepFocus(hadFocus) {
    if (this.#active === null || this.#find(this.#active)) return;
    this.#active = null;
    this.#list.pin(null);
    if (hadFocus) this.focus(0);
  }

  /** Moves the focus to a row. Returns false if there are no rows, and focuses the search then. */
  focus(index) {
    const activity = this.shown[Math.max(0, Math.min(index, this.shown.length - 1))];
    if (!activity) {
      byID('search').focus();
      return false;
    }
    this.#active = activity.id;
    this.#list.reveal(this.shown.indexOf(activity));
    this.#list.pin(activity.id)?.focus({ preventScroll: true });
    return true;
  }

  /** Returns the focus to the row that last had it. */
  refocus() {
    this.focus(this.#active === null ? 0 : this.shown.findIndex(({ id }) => id === this.#active));
  }

  /** Focuses the first row, and opens it if it is the only one. */
  enter() {
    if (this.focus(0) && this.shown.length === 1) this.#openRow(this.#active);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isOnRow = event.target.classList.contains('row');
    const at = this.shown.findIndex(({ id }) => id === this.#active);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, j: at + 1, k: at - 1, Home: 0, End: this.shown.length - 1, PageDown: at + this.#list.page, PageUp: at - this.#list.page }[event.key];
    if (to !== undefined) this.#move(to, event.shiftKey);
    else if (isOnRow && event.key === 'Enter') this.#openRow(this.#active ?? this.shown[0]?.id);
    else if (isOnRow && (event.key === ' ' || event.key === 'x')) this.#handlers.selection.click(this.#active, this.shown, event);
    else if (event.key === 'Escape' && !isOnRow) this.refocus();
    else if (event.key === 'Escape' && this.#handlers.selection.size > 0) this.#handlers.selection.clear();
    else return;
    event.preventDefault();
  }

  /** Moves the focus; with Shift, the rows on the way are selected. */
  #move(to, selects) {
    const from = this.#active;
    this.focus(to);
    if (selects && this.#mayWrite) this.#handlers.selection.extend(from, this.#active, this.shown);
  }
}
