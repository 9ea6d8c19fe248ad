// Lists the events, newest first, grouped by transaction. The inspector shows one of them.

import { byID, h, setText } from '../../shared/js/dom.js';
import { beginning, clock, dateTime, iso, plural, span } from '../../shared/js/format.js';
import { endAnimations, Strength } from './glow.js';
import { Held } from '../../shared/js/held.js';
import { History } from './history.js';
import { Inspector } from './inspector.js';
import { summary } from './summary.js';
import { cssLength, VirtualList } from '../../shared/js/virtual.js';

/** How many events are kept, and how many characters of each. */
const KEPT = 5000;
const RAW = 20_000;

/** How many characters of the line of an event are kept. */
const LINE = 1000;

/** Older events are loaded when fewer rows than this are below the visible ones. */
const AHEAD = 50;

const EMPTY = {
  loading: 'Loading the history.',
  failed: 'No events since this page was opened. The history could not be loaded.',
  ended: 'No events in the log. Write to a watched table, from anywhere, and its events appear here.',
};

export class Events {
  #kept = []; // newest first
  #waiting = []; // arrived while paused
  #types = new Set();
  #number = 0;
  #transaction = 0;
  #isPaused = false;
  #active = null;
  #list;
  #held;
  #history;
  #strength = new Strength();
  #inspector;
  #latency;

  /** `latency(timestamp, receivedAt)` returns milliseconds; `show(id)` opens an activity. */
  constructor({ latency, show }) {
    this.#latency = latency;
    this.#inspector = new Inspector({ select: (event) => this.#select(event), show });
    this.#list = new VirtualList({
      scroller: byID('event-list'),
      space: byID('event-space'),
      height: cssLength('--event'),
      key: (event) => event.number,
      create: (event) => this.#row(event),
      fill: (row, event, index) => this.#fill(row, event, index),
    });
    this.#held = new Held(byID('event-list'), { keyOf: ({ number }) => number, released: () => this.#show() });
    endAnimations(byID('event-space'));
    this.#history = new History((older, texts) => this.#addHistory(older, texts));
    byID('event-list').addEventListener('scroll', () => this.#loadOlder(), { passive: true });
    byID('event-list').addEventListener('keydown', (event) => this.#key(event));
    byID('event-type').addEventListener('change', () => this.#showNewest());
    byID('event-held').addEventListener('click', () => this.#showNewest());
    byID('pause').addEventListener('click', () => this.pause(!this.#isPaused));
  }

  /** Adds events in the order of their arrival. */
  add(events, metas) {
    const arrived = events.map((event, i) => this.#keep(event, metas[i]));
    const strength = byID('event-list').checkVisibility() ? this.#strength.add(events.length) : 0;
    for (const kept of arrived) kept.strength = strength;
    this.#inspector.complete();
    if (this.#isPaused) this.#waiting.push(...arrived);
    else this.#kept.unshift(...arrived.reverse());
    if (this.#waiting.length > KEPT) this.#waiting.splice(0, this.#waiting.length - KEPT);
    this.#bound();
    if (this.#isPaused) this.#label();
    else this.#show();
  }

  /** Loads the history. After a reset it begins again, since events were missed. The stream is open. */
  start() {
    this.#select(null);
    const isFirst = this.#kept.length === 0;
    if (!isFirst) [this.#kept, this.#waiting] = [[], []];
    this.#held.forget();
    this.#show();
    return this.#history.start();
  }

  #bound() {
    if (this.#kept.length <= KEPT) return;
    this.#kept.length = KEPT;
    this.#history.stop();
  }

  #addHistory(events, texts) {
    const known = new Set([...this.#kept, ...this.#waiting].map(({ event }) => event.id));
    const older = events.map((event, i) => [event, texts[i]]).filter(([{ id }]) => !known.has(id)).map(([event, raw]) => ({
      ...this.#describe(event, raw), meta: { cursor: null, receivedAt: null, replayed: true, fromLog: true }, transaction: `xid ${event.xid ?? event.id}`,
    }));
    // A page is ordered by transaction; an event of a long one belongs among those of an older page.
    const fromLog = [...this.#kept.filter(({ meta }) => meta.fromLog), ...older].sort((a, b) => b.event.id - a.event.id);
    this.#kept = [...this.#kept.filter(({ meta }) => !meta.fromLog), ...fromLog];
    this.#bound();
    this.#show();
  }

  #loadOlder() {
    const list = byID('event-list');
    if (!list.checkVisibility()) return;
    const below = this.#list.items.length - (list.scrollTop + list.clientHeight) / cssLength('--event')();
    if (below < AHEAD) this.#history.more();
  }

  #keep(event, meta) {
    const kept = {
      ...this.#describe(event, meta.raw),
      meta: { cursor: meta.cursor, receivedAt: meta.receivedAt, replayed: meta.replayed },
      latency: meta.replayed ? null : this.#latency(event.timestamp, meta.receivedAt),
      transaction: this.#transaction,
      at: performance.now(),
    };
    if (meta.cursor !== null) this.#transaction++;
    return kept;
  }

  #describe(event, raw) {
    if (!this.#types.has(event.type)) {
      this.#types.add(event.type);
      byID('event-type').append(h('option', { value: event.type, text: event.type }));
    }
    const isLong = raw.length > RAW;
    return { number: ++this.#number, event: isLong ? withoutData(event) : event, raw: isLong ? `${beginning(raw, RAW)}…` : raw, cut: isLong ? raw.length : 0, text: beginning(summary(event), LINE), latency: null, at: -Infinity, strength: 0 };
  }

  pause(paused) {
    this.#isPaused = paused;
    byID('pause').setAttribute('aria-pressed', paused);
    if (!paused) {
      this.#kept.unshift(...this.#waiting.reverse());
      this.#waiting = [];
      this.#bound();
      this.#show();
    }
    this.#label();
  }

  #label() {
    setText(byID('pause'), !this.#isPaused ? 'Pause' : this.#waiting.length ? `Continue (${this.#waiting.length})` : 'Continue');
  }

  #show() {
    const type = byID('event-type').value;
    const shown = type ? this.#kept.filter(({ event }) => event.type === type) : this.#kept.slice();
    byID('events-empty').hidden = shown.length > 0;
    setText(byID('events-empty'), EMPTY[this.#history.state] ?? EMPTY.ended);
    const { rows, waiting } = this.#held.apply(shown, finder(shown));
    this.#list.show(rows, { hold: rows === shown && (byID('event-list').scrollTop > 0 || this.#inspector.open) });
    byID('event-held').hidden = waiting === 0;
    setText(byID('event-held'), `Held under the pointer: ${plural(waiting, 'new event')}. Show`);
    this.#loadOlder();
  }

  #showNewest() {
    this.#held.forget();
    byID('event-list').scrollTo(0, 0);
    this.#show();
  }

  #row(kept) {
    const { event, text, meta, latency } = kept;
    const time = h('time', { text: timeOf(event.timestamp), datetime: iso(event.timestamp), title: 'The time at which the row was written, by the database’s clock' });
    const delay = h('span', { class: 'latency', text: meta.fromLog ? '' : meta.replayed ? 'catch-up' : span(latency) });
    const row = h('div', {
      class: `event ${kept.strength > 0 && performance.now() - kept.at < 500 ? 'new' : ''}`, role: 'option', id: `event-${kept.number}`, data: { type: event.type, number: event.id ?? '' },
      on: { click: () => this.#select(kept) },
    }, h('span', { class: 'tx', 'aria-hidden': 'true' }), h('span', { class: 'type', text: event.type }), h('span', { class: 'when' }, time, ' ', delay), h('span', { class: 'text', text }));
    row.style.setProperty('--strength', kept.strength);
    return row;
  }

  #fill(row, kept, index) {
    const newer = this.#list.items[index - 1]?.transaction === kept.transaction;
    const older = this.#list.items[index + 1]?.transaction === kept.transaction;
    const place = newer ? (older ? 'tx' : 'tx last') : older ? 'tx first' : 'tx only';
    if (row.firstElementChild.className !== place) row.firstElementChild.className = place;
    row.setAttribute('aria-selected', kept === this.#active);
    row.setAttribute('aria-setsize', this.#list.items.length);
    row.setAttribute('aria-posinset', index + 1);
  }

  #select(kept) {
    this.#active = kept;
    byID('event-list').setAttribute('aria-activedescendant', kept ? `event-${kept.number}` : '');
    if (!kept) {
      this.#inspector.close();
      this.#list.pin(null);
      return;
    }
    this.#inspector.show(kept, () => [...this.#waiting, ...this.#kept].filter(({ transaction }) => transaction === kept.transaction).sort((a, b) => a.number - b.number));
    const index = this.#list.items.indexOf(kept);
    if (index >= 0) this.#list.reveal(index);
    this.#list.pin(kept.number);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { items } = this.#list;
    const at = items.indexOf(this.#active);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1, PageDown: at + this.#list.page, PageUp: at - this.#list.page, Enter: Math.max(at, 0) }[event.key];
    if (event.key === 'Escape' && this.#active) this.#select(null);
    else if (to !== undefined && items.length) this.#select(items[Math.max(0, Math.min(to, items.length - 1))]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** Returns a function that finds an event by its number. Most draws need none. */
function finder(events) {
  let byNumber;
  return (number) => (byNumber ??= new Map(events.map((kept) => [kept.number, kept]))).get(number);
}

/** Returns what the list needs of a long event: five thousand of them would fill the memory. */
function withoutData({ id, type, timestamp, xid, data }) {
  return { id, type, timestamp, xid, data: { id: data?.id } };
}

/** Returns the time of day, with the date if that is another day. */
function timeOf(timestamp) {
  const isToday = new Date(timestamp).toDateString() === new Date().toDateString();
  return isToday ? clock(timestamp, true) : dateTime(timestamp);
}
