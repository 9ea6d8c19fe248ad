// Shows events as a grid: time, table, operation, key and what changed. Events of one transaction are joined.

import { byID, h, setAttribute, setText } from '../../shared/js/dom.js';
import { clock, dateTime, plural } from '../../shared/js/format.js';
import { Held } from '../../shared/js/held.js';
import { cssLength, VirtualList } from '../../shared/js/virtual.js';
import { textOf } from './exact.js';
import { summaryOf } from './changes.js';

const COLUMNS = ['Time', 'Table', 'Operation', 'Key', 'Change', 'Id'];

/** Older events are loaded when fewer than this are below the visible ones. */
const AHEAD = 60;

export class EventGrid {
  #handlers;
  #list;
  #held;
  #log = null;
  #active = null;
  #selected = null;
  #isPaused = false;
  #isCalm = true; // few events come, so that each is highlighted
  #row = cssLength('--event-row');

  /** Handlers: `open(entry)` and `more()`. */
  constructor(handlers) {
    this.#handlers = handlers;
    const scroller = byID('event-scroll');
    byID('event-head').replaceChildren(...COLUMNS.map((name) => h('div', { class: `td ${{ Table: 'table-name', Id: 'id number' }[name] ?? name.toLowerCase()}`, role: 'columnheader', text: name, title: name })));
    byID('event-table-grid').setAttribute('aria-colcount', COLUMNS.length);
    this.#list = new VirtualList({ scroller, space: byID('event-space'), height: this.#row, key: ({ key }) => key, create: (entry) => this.#create(entry), fill: (row, entry, i) => this.#fill(row, entry, i) });
    this.#held = new Held(scroller, { keyOf: ({ key }) => key, released: () => this.draw() });
    scroller.addEventListener('scroll', () => this.#more(), { passive: true });
    scroller.addEventListener('keydown', (event) => this.#key(event));
    byID('event-held').addEventListener('click', () => {
      this.pause(false);
      this.#held.release();
      scroller.scrollTo(0, 0);
    });
  }

  open(log) {
    this.#log = log;
    this.#active = null;
    this.#held.forget();
    this.#list.show([], { hold: false }); // entries of two logs may have one key
    byID('event-scroll').scrollTo(0, 0);
  }

  pause(isPaused = !this.#isPaused) {
    this.#isPaused = isPaused;
    byID('pause').setAttribute('aria-pressed', String(isPaused));
    setText(byID('pause'), isPaused ? 'Continue' : 'Pause');
    this.#held.pause(isPaused);
    this.draw();
  }

  select(entry) {
    this.#selected = entry?.key ?? null;
    this.#list.draw();
  }

  draw() {
    if (!this.#log) return;
    this.#isCalm = this.#log.isCalm;
    const { rows: entries, waiting } = this.#held.apply(this.#log.entries, (key) => this.#log.byKey.get(key));
    const hold = byID('event-scroll').scrollTop > 0 || byID('event-space').contains(document.activeElement);
    setAttribute(byID('event-table-grid'), 'aria-rowcount', this.#log.hasMore ? -1 : entries.length + 1);
    this.#list.show(entries, { hold });
    byID('event-held').hidden = waiting === 0;
    setText(byID('event-held'), `${this.#isPaused ? 'Paused' : 'Held under the pointer'}: ${plural(waiting, 'new event')}. Show`);
    this.#more();
  }

  #more() {
    const { scrollTop, clientHeight } = byID('event-scroll');
    if (this.#log && clientHeight && (scrollTop + clientHeight) / this.#row() > this.#list.items.length - AHEAD) this.#handlers.more();
  }

  #create(entry) {
    const { event, subject, meta } = entry;
    const cell = (name, text, more = {}) => h('div', { class: `td ${name}`, role: 'gridcell', text, ...more });
    const time = h('time', { text: clock(event.timestamp, true), title: `${dateTime(event.timestamp)}, by the database’s clock`, datetime: new Date(event.timestamp).toISOString() });
    const isNew = meta && !meta.replayed && Date.now() - meta.receivedAt < 400 && this.#isCalm;
    return h('div', { class: `tr ${isNew ? 'new' : ''}`, role: 'row', data: { op: subject.op, id: event.id ?? '', key: subject.key ?? '' }, on: { click: () => this.#handlers.open(entry), focus: () => this.#focused(entry.key) } },
      h('div', { class: 'td time', role: 'gridcell' }, h('span', { class: 'tx', 'aria-hidden': 'true' }), time),
      cell('table-name', subject.table || '–'),
      h('div', { class: 'td operation', role: 'gridcell', title: event.type }, h('span', { class: 'op', text: subject.op === 'other' ? event.type : subject.op })),
      cell('key', subject.key ?? '–', { title: subject.key ?? '' }),
      cell('change', ''),
      cell('id number', event.id === undefined ? '–' : textOf(event.id)));
  }

  #fill(row, entry, index) {
    setAttribute(row, 'aria-rowindex', index + 2);
    setAttribute(row, 'tabindex', entry.key === (this.#active ?? this.#list.items[0]?.key) ? 0 : -1);
    setAttribute(row, 'aria-selected', entry.key === this.#selected);
    if (row.compared !== entry.before) {
      row.compared = entry.before;
      const { subject, event, before } = entry;
      setText(row.children[4], event.oversized ? 'too large: its data is not sent' : summaryOf(subject.op, before?.event.data, event.data));
    }
    const newer = this.#list.items[index - 1]?.transaction === entry.transaction;
    const older = this.#list.items[index + 1]?.transaction === entry.transaction;
    const place = newer ? (older ? 'tx' : 'tx last') : older ? 'tx first' : 'tx only';
    const mark = row.firstElementChild.firstElementChild;
    if (mark.className !== place) mark.className = place;
  }

  #focused(key) {
    this.#active = key;
    this.#list.pin(key);
  }

  focus(index) {
    const entry = this.#list.items[Math.max(0, Math.min(index, this.#list.items.length - 1))];
    if (!entry) return byID('event-table-grid').focus();
    this.#active = entry.key;
    this.#list.reveal(this.#list.items.indexOf(entry));
    this.#list.pin(entry.key)?.focus({ preventScroll: true });
  }

  refocus() {
    this.focus(this.#active === null ? 0 : this.#list.items.findIndex(({ key }) => key === this.#active));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { items, page } = this.#list;
    const at = items.findIndex(({ key }) => key === this.#active);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1, PageDown: at + page, PageUp: at - page }[event.key];
    if (to !== undefined) this.focus(to);
    else if ((event.key === 'Enter' || event.key === ' ') && at >= 0) this.#handlers.open(items[at]);
    else return;
    event.preventDefault();
  }
}
