// Lists the events, newest first, grouped by transaction. The inspector shows one of them.

import { byID, h, setText } from './dom.js';
import { clock, iso, shorten, span } from './format.js';
import { Inspector } from './inspector.js';
import { summary } from './summary.js';
import { cssLength, VirtualList } from './virtual.js';

/** How many events are kept, and how many characters of each. */
const KEPT = 2000;
const RAW = 50_000;

export class Events {
  #kept = []; // newest first
  #waiting = []; // arrived while paused
  #types = new Set();
  #number = 0;
  #transaction = 0;
  #isPaused = false;
  #active = null;
  #list;
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
    byID('event-list').addEventListener('keydown', (event) => this.#key(event));
    byID('event-type').addEventListener('change', () => this.#show());
    byID('pause').addEventListener('click', () => this.pause(!this.#isPaused));
  }

  /** Adds events in the order of their arrival. */
  add(events, metas) {
    const arrived = events.map((event, i) => this.#keep(event, metas[i]));
    this.#inspector.complete();
    if (this.#isPaused) this.#waiting.push(...arrived);
    else this.#kept.unshift(...arrived.reverse());
    if (this.#waiting.length > KEPT) this.#waiting.splice(0, this.#waiting.length - KEPT);
    if (this.#kept.length > KEPT) this.#kept.length = KEPT;
    if (this.#isPaused) this.#label();
    else this.#show();
  }

  #keep(event, meta) {
    const kept = {
      number: ++this.#number,
      event,
      raw: meta.raw.length > RAW ? shorten(meta.raw, RAW) : meta.raw,
      cut: meta.raw.length > RAW ? meta.raw.length : 0,
      meta: { cursor: meta.cursor, receivedAt: meta.receivedAt, replayed: meta.replayed },
      latency: meta.replayed ? null : this.#latency(event.timestamp, meta.receivedAt),
      transaction: this.#transaction,
      text: summary(event),
      at: performance.now(),
    };
    if (meta.cursor !== null) this.#transaction++;
    if (!this.#types.has(event.type)) {
      this.#types.add(event.type);
      byID('event-type').append(h('option', { value: event.type, text: event.type }));
    }
    return kept;
  }

  pause(paused) {
    this.#isPaused = paused;
    byID('pause').setAttribute('aria-pressed', paused);
    if (!paused) {
      this.#kept.unshift(...this.#waiting.reverse());
      this.#kept.length = Math.min(this.#kept.length, KEPT);
      this.#waiting = [];
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
    this.#list.show(shown, { hold: byID('event-list').scrollTop > 0 || this.#inspector.open });
  }

  #row(kept) {
    const { event, text, meta, latency } = kept;
    const time = h('time', { text: clock(event.timestamp, true), datetime: iso(event.timestamp), title: 'The time at which the row was written, by the database’s clock' });
    const delay = h('span', { class: 'latency', text: meta.replayed ? 'catch-up' : span(latency) });
    return h('div', {
      class: `event ${performance.now() - kept.at < 500 ? 'new' : ''}`, role: 'option', id: `event-${kept.number}`, data: { type: event.type, number: event.id ?? '' },
      on: { click: () => this.#select(kept) },
    }, h('span', { class: 'tx', 'aria-hidden': 'true' }), h('span', { class: 'type', text: event.type }), h('span', { class: 'when' }, time, ' ', delay), h('span', { class: 'text', text }));
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
