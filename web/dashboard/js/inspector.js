// Shows one event: its envelope, its transaction and the cursor after it.

import { copyButton } from '../../shared/js/clipboard.js';
import { byID, h } from '../../shared/js/dom.js';
import { clock, count, plural, span } from '../../shared/js/format.js';
import { highlighted } from '../../shared/js/json.js';

export class Inspector {
  open = false;
  #handlers;
  #shown = null;
  #siblings = () => [];
  #isComplete = true;

  /** Handlers: `select(event)`, null to close, and `show(id)` for the activity that an event is about. */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** Shows an event. `siblings()` returns the events of its transaction that have arrived so far, in order. */
  show(kept, siblings) {
    this.open = true;
    this.#shown = kept;
    this.#siblings = siblings;
    this.#draw();
  }

  close() {
    this.open = false;
    this.#shown = null;
    byID('inspector').hidden = true;
  }

  /** Draws an incomplete transaction again, after more events arrived. */
  complete() {
    if (this.open && !this.#isComplete) this.#draw();
  }

  #draw() {
    const { event, meta, raw, cut, latency } = this.#shown;
    const all = this.#siblings();
    const cursor = all.at(-1)?.meta.cursor ?? null;
    this.#isComplete = cursor !== null || meta.fromLog;
    const close = h('button', { type: 'button', class: 'button quiet icon', 'aria-label': 'Close the event', text: '✕', on: { click: () => this.#handlers.select(null) } });
    const about = typeof event.data?.id === 'string' && event.type.startsWith('activity_') | (event.type === 'assignment_changed');
    const facts = h('dl', { class: 'facts' }, ...[
      ['Id in the log', event.id === undefined ? '–' : count(event.id)],
      ['Written', `${clock(event.timestamp, true)}, by the database’s clock`],
      ['Arrived', meta.fromLog ? 'before this page was opened' : `${clock(meta.receivedAt, true)}, ${meta.replayed ? 'with the catch-up' : `after ${span(latency)}`}`],
      ['Transaction', this.#transaction(all, cursor)],
      ['Cursor after it', cursor ?? (meta.fromLog ? '–' : 'arrives with its last event')],
    ].flatMap(([name, value]) => [h('dt', { text: name }), typeof value === 'string' ? h('dd', { class: name.startsWith('Cursor') ? 'mono' : '', text: value }) : h('dd', {}, value)]));
    const pre = h('pre', { class: 'mono', tabindex: '0', 'aria-label': 'The envelope' }, ...(cut ? [raw, `\n(${count(cut)} characters)`] : highlighted(raw)));
    byID('inspector').replaceChildren(
      h('header', { class: 'side-head' }, h('h2', { id: 'inspector-title', text: event.type, title: event.type }),
        about && event.type !== 'activity_deleted' ? h('button', { type: 'button', class: 'button quiet small', text: 'Open activity', on: { click: () => this.#handlers.show(event.data.id) } }) : null,
        copyButton('Copy raw', () => raw), close),
      h('div', { class: 'inspector-body' }, facts, pre));
    byID('inspector').hidden = false;
  }

  #transaction(all, cursor) {
    const total = h('span', { text: cursor === null && !this.#shown.meta.fromLog ? `${plural(all.length, 'event')} so far ` : all.length === 1 ? 'this event only' : `${plural(all.length, 'event')} together ` });
    if (all.length === 1) return total;
    const at = all.indexOf(this.#shown);
    const near = all.slice(Math.max(0, at - 6), at + 7);
    return h('span', { class: 'siblings' }, total, ...near.map((other) => h('button', {
      type: 'button', text: String(other.event.id ?? '–'), title: other.event.type, 'aria-current': other === this.#shown ? 'true' : null,
      on: { click: () => this.#handlers.select(other) },
    })));
  }
}
