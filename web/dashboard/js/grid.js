// Shows the activities as a table, sorted and filtered, and highlights changes.

import { avatar, byID, h, setText, statusHue } from './dom.js';
import { ago, dateTime, plural, words } from './format.js';
import { COLUMNS, created, selectRows, updated } from './list.js';
import { cssLength, VirtualList } from './virtual.js';

/** How long a change is highlighted, in milliseconds: the length of the animation in css/table.css. */
const GLOW = 2200;

export class Grid {
  shown = [];
  #handlers;
  #list;
  #active = null; // the id of the row that has or last had the focus
  #selected = null; // the id of the activity that is open beside the table
  #glowing = new Map(); // by id: {at, fields, turn}
  #turn = 0;
  #arrived = 0;

  /** Handlers: `open(activity)`, and `sort(column)`. */
  constructor(handlers) {
    this.#handlers = handlers;
    const scroller = byID('grid-scroll');
    this.#list = new VirtualList({
      scroller,
      space: byID('grid-space'),
      height: cssLength('--row'),
      key: (activity) => activity.id,
      create: (activity) => this.#row(activity),
      fill: (row, activity, index) => this.#fill(row, activity, index),
    });
    byID('grid-head').append(...COLUMNS.map((column) => this.#head(column)));
    byID('table').setAttribute('aria-colcount', COLUMNS.length);
    scroller.addEventListener('keydown', (event) => this.#key(event));
    scroller.addEventListener('scroll', () => scroller.scrollTop === 0 && this.#arrivals(0), { passive: true });
    byID('arrivals').addEventListener('click', () => scroller.scrollTo({ top: 0, behavior: 'smooth' }));
    setInterval(() => document.hidden || this.#list.draw(), 10_000); // updates "3 min"
  }

  #head({ id, label, end }) {
    const button = h('button', { type: 'button', text: label, on: { click: () => this.#handlers.sort(id) } });
    return h('div', { class: `cell ${end ? 'end' : ''} ${id === 'status' ? 'state-cell' : id}`, role: 'columnheader', data: { column: id } }, button);
  }

  /** Shows the activities of a view. `changes` are highlighted: fields by id, null for a new activity. */
  show(all, view, changes) {
    const before = this.shown.length;
    const hold = byID('grid-scroll').scrollTop > 0 || byID('grid-space').contains(document.activeElement);
    this.shown = selectRows(all, view);
    this.#remember(changes);
    for (const cell of byID('grid-head').children) {
      const sorts = cell.dataset.column === view.sort;
      if (sorts) cell.setAttribute('aria-sort', view.down ? 'descending' : 'ascending');
      else cell.removeAttribute('aria-sort');
    }
    byID('table').setAttribute('aria-rowcount', this.shown.length + 1);
    this.#list.show(this.shown, { hold });
    this.#keepFocus();
    const added = [...changes.values()].filter((fields) => fields === null).length;
    if (hold && this.shown.length > before && added && view.sort === 'created' && view.down) this.#arrivals(this.#arrived + added);
  }

  #remember(changes) {
    const now = performance.now();
    for (const [id, { at }] of this.#glowing) if (now - at > GLOW) this.#glowing.delete(id);
    for (const [id, fields] of changes) this.#glowing.set(id, { at: now, fields, turn: ++this.#turn });
  }

  #arrivals(n) {
    this.#arrived = byID('grid-scroll').scrollTop > 0 ? n : 0;
    byID('arrivals').hidden = this.#arrived === 0;
    setText(byID('arrivals'), `↑ ${plural(this.#arrived, 'new activity', 'new activities')}`);
  }

  /** Marks the activity that is open beside the table; null for none. */
  select(id) {
    this.#selected = id;
    this.#list.draw();
  }

  #row(activity) {
    const open = () => this.#open(activity.id);
    return h('div', { class: 'row', role: 'row', on: { click: open, focus: () => this.#focused(activity.id) } },
      h('div', { class: 'cell state-cell', role: 'gridcell', data: { field: 'status' } }, h('span', { class: 'status' }, h('span'))),
      h('div', { class: 'cell what', role: 'gridcell', data: { field: 'what' } }, h('div', { class: 'title' }, h('b'), h('i'), h('span')), h('span', { class: 'note' })),
      h('div', { class: 'cell place', role: 'gridcell', data: { field: 'location' } }),
      h('div', { class: 'cell assignee', role: 'gridcell', data: { field: 'assignedTo' } }),
      h('div', { class: 'cell reporter', role: 'gridcell', data: { field: 'reporter' } }),
      h('div', { class: 'cell end created', role: 'gridcell' }, h('time')),
      h('div', { class: 'cell end updated', role: 'gridcell' }, h('time')));
  }

  #fill(row, activity, index) {
    const { id } = activity;
    row.setAttribute('aria-rowindex', index + 2);
    row.tabIndex = id === (this.#active ?? this.shown[0]?.id) ? 0 : -1;
    row.setAttribute('aria-selected', id === this.#selected);
    const [status, what, place, assignee, reporter, made, changed] = row.children;
    if (row.shows !== activity) {
      row.shows = activity;
      row.dataset.id = id;
      status.firstElementChild.style.setProperty('--hue', statusHue(activity.status));
      setText(status.firstElementChild.firstElementChild, words(activity.status));
      fillTitle(what, activity);
      setText(place, activity.location);
      if (assignee.shows !== activity.assignedTo) {
        assignee.shows = activity.assignedTo;
        assignee.replaceChildren(...(activity.assignedTo === null ? [h('span', { class: 'unassigned', text: 'Unassigned' })] : [avatar(activity.assignedTo), h('span', { text: activity.assignedTo })]));
      }
      setText(reporter, activity.reporter);
    }
    fillTime(made, created(activity));
    fillTime(changed, updated(activity));
    this.#glow(row, this.#glowing.get(id));
  }

  /** Alternates between two classes with the same animation, which restarts it without a forced layout. */
  #glow(row, glow) {
    if (!glow || row.glows === glow.turn || performance.now() - glow.at > GLOW) return;
    row.glows = glow.turn;
    row.turned = row.turned === 'glow-a' ? 'glow-b' : 'glow-a';
    row.classList.remove('glow-a', 'glow-b');
    if (glow.fields === null) row.classList.add(row.turned);
    for (const cell of row.children) {
      cell.classList.remove('glow-a', 'glow-b');
      if (glow.fields?.has(cell.dataset.field)) cell.classList.add(row.turned);
    }
  }

  #open(id) {
    const activity = this.shown.find((one) => one.id === id);
    if (activity) this.#handlers.open(activity);
  }

  #focused(id) {
    this.#active = id;
    this.#list.pin(id);
  }

  /** Moves the focus to the first row when the focused row disappears. */
  #keepFocus() {
    if (this.#active === null || this.shown.some(({ id }) => id === this.#active)) return;
    const had = this.#list.element(this.#active)?.contains(document.activeElement);
    this.#active = null;
    this.#list.pin(null);
    if (had) this.focus(0);
  }

  focus(index) {
    const activity = this.shown[Math.max(0, Math.min(index, this.shown.length - 1))];
    if (!activity) return;
    this.#active = activity.id;
    this.#list.reveal(this.shown.indexOf(activity));
    this.#list.pin(activity.id)?.focus({ preventScroll: true });
  }

  /** Returns the focus to the row that last had it. */
  refocus() {
    this.focus(this.#active === null ? 0 : this.shown.findIndex(({ id }) => id === this.#active));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.shown.findIndex(({ id }) => id === this.#active);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, j: at + 1, k: at - 1, Home: 0, End: this.shown.length - 1, PageDown: at + this.#list.page, PageUp: at - this.#list.page }[event.key];
    if (to !== undefined) this.focus(to);
    else if (event.key === 'Enter' || event.key === ' ') this.#open(this.#active ?? this.shown[0]?.id);
    else return;
    event.preventDefault();
  }
}

function fillTitle(cell, { category, subcategory, location, latestUpdate }) {
  const [title, note] = cell.children;
  const [first, slash, second] = title.children;
  setText(first, category);
  setText(slash, ' / ');
  setText(second, subcategory);
  cell.title = `${category} / ${subcategory} @ ${location}`;
  setText(note, latestUpdate?.notes ?? '');
}

function fillTime(cell, value) {
  const time = cell.firstElementChild;
  setText(time, ago(value));
  if (time.dateTime === value) return;
  time.dateTime = value;
  time.title = dateTime(value);
}
