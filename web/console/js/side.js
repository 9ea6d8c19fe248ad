// The panel beside a view: a row with its timeline, or an event.

import { copyButton } from '../../shared/js/clipboard.js';
import { byID, h } from '../../shared/js/dom.js';
import { ago, clock, count, dateTime, shorten, span } from '../../shared/js/format.js';
import { highlighted } from '../../shared/js/json.js';
import { own } from '../../shared/js/own.js';
import { patch } from '../../shared/js/patch.js';
import { Refused } from '../../shared/js/server.js';
import { placeOf } from './catalog.js';
import { differences, summaryOf } from './changes.js';
import { textOf } from './exact.js';
import { past } from './history.js';
import { sizeOf } from './size.js';
import { follow, load, persist } from './source.js';

/** Events of a page of the timeline. */
const PAGE = 30;

/** The most entries of a timeline, and the most bytes. */
const MAX = 500;
const MAX_BYTES = 32 << 20;

/** Follows one row by its key, in or out of the filter: its present values and its timeline. */
export class RowPanel {
  #collection;
  #key;
  #handlers;
  #run = new AbortController();
  #close = () => {};
  #row = undefined; // undefined while unknown, null if there is none
  #events = []; // newest first
  #before;
  #note = '';
  #hasHistory = true;
  #refused = ''; // why the server follows no row with this key
  #isLoading = false; // older events
  #isFull = false; // the panel keeps no more events

  /** Handlers: `lost(error)`. */
  constructor(collection, key, handlers) {
    Object.assign(this, { handlers });
    this.#collection = collection;
    this.#key = key;
    this.#handlers = handlers;
  }

  get name() {
    return `${this.#collection.name} ${this.#key === '' ? '""' : shorten(this.#key, 200)}`;
  }

  async start() {
    this.close();
    const { signal } = (this.#run = new AbortController());
    this.#events = [];
    this.#row = undefined;
    this.#isLoading = this.#isFull = false;
    this.#refused = '';
    byID('side-body').replaceChildren(); // what another panel showed
    this.#draw();
    const failing = (error) => {
      this.#note = error.message;
      this.#handlers.lost(error);
      this.#draw();
    };
    try {
      const page = await persist(() => this.#past(undefined, signal), signal, failing);
      this.#row = await persist(() => this.#read(signal), signal, failing);
      if (signal.aborted) return;
      this.#note = '';
      this.#keep(page.events);
      this.#before = page.before;
      if (!this.#refused) this.#follow(page.cursor);
      this.#draw();
    } catch (error) {
      if (!signal.aborted) failing(error);
    }
  }

  close() {
    this.#run.abort();
    this.#close();
    this.#close = () => {};
  }

  #params() {
    return [['collection', this.#collection.name], ['key', this.#key]];
  }

  async #past(before, signal) {
    try {
      return await past(this.#params(), before, signal, PAGE);
    } catch (error) {
      if (!(error instanceof Refused) || ![400, 404].includes(error.status)) throw error;
      if (error.status === 404) this.#hasHistory = false;
      else this.#refused = error.message; // streams and the log take no empty keys, and no long ones
      return { events: [], cursor: null };
    }
  }

  async #read(signal) {
    try {
      const [path, params] = placeOf(this.#collection.name, this.#key);
      return await load(`${path}?${new URLSearchParams(params)}`, signal);
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return null;
      throw error;
    }
  }

  #follow(cursor) {
    this.#close = follow({ collection: this.#collection.name, key: this.#key }, cursor, {
      events: (batch) => {
        for (const { event } of batch) this.#add(event);
        this.#draw();
      },
      reset: () => this.start(),
      failed: (error) => this.#handlers.lost(error),
    }, { isMain: false });
  }

  #add(event) {
    if (event.op === 'reset') {
      this.start();
      return;
    }
    this.#keep([event, ...this.#events]);
    if (event.op === 'delete') this.#row = null;
    else if (event.data) this.#row = event.data;
  }

  /** Keeps the newest events, as many as the panel may. */
  #keep(events) {
    let bytes = 0;
    const full = events.findIndex((event, i) => i === MAX || ((bytes += sizeOf(event)) > MAX_BYTES && i > 0));
    this.#events = full < 0 ? events : events.slice(0, full);
    this.#isFull ||= full >= 0; // what was dropped would be a gap
  }

  async #older() {
    if (this.#isLoading) return;
    this.#isLoading = true;
    const { signal } = this.#run;
    try {
      const page = await this.#past(this.#before, signal);
      this.#isLoading = false;
      this.#keep([...this.#events, ...page.events].sort((a, b) => b.id - a.id));
      this.#before = page.before;
      this.#draw();
    } catch (error) {
      if (signal.aborted) return;
      this.#isLoading = false;
      if (error.status === 410) this.start(); // the log is another one
      else this.#handlers.lost(error);
    }
  }

  #draw() {
    const body = byID('side-body');
    byID('side-title').textContent = this.name;
    const state = this.#row === undefined ? h('p', { class: 'hint', text: this.#note || 'Loading …' })
      : this.#row === null ? h('p', { class: 'hint', text: 'There is no such row now, or you may not see it. If it comes, it appears here.' })
        : h('dl', { class: 'facts row-facts' }, this.#collection.fields.flatMap(({ name, type }) => [h('dt', { text: name, title: type }), h('dd', { class: own(this.#row, name) == null ? 'null' : '', text: own(this.#row, name) === null ? 'null' : shownValue(own(this.#row, name)) })]));
    const past = this.#events.map((event, i) => entry(event, formerEvent(this.#events, i)));
    patch(body, [state, h('h3', { text: 'Timeline' }), this.#refused ? this.#unfollowed() : null, ...(past.length ? [h('ol', { class: 'timeline' }, past)] : this.#refused ? [] : [h('p', { class: 'hint', text: this.#row === undefined ? '–' : this.#before ? 'The newest part of the log has no event about this row.' : this.#hasHistory ? 'The log has no event about this row. The next one appears here.' : 'This server has no history. The next event appears here.' })]),
      this.#before && !this.#isFull ? h('button', { type: 'button', class: 'button small', text: 'Earlier events', on: { click: () => this.#older() } }) : null,
      this.#isFull ? h('p', { class: 'hint', text: 'The panel keeps no more: earlier events are in the log.' }) : null].filter(Boolean));
  }

  #unfollowed() {
    const again = h('button', { type: 'button', class: 'button small', text: 'Load again', on: { click: () => this.start() } });
    return h('div', {}, h('p', { class: 'hint', text: `This row is as it was when it was loaded, without its events: ${this.#refused}.` }), h('p', { class: 'actions' }, again));
  }
}

/** Returns the event with the row's state before an event; undefined if a reset or a delete lies between. */
function formerEvent(events, at) {
  const former = events.slice(at + 1).find(({ data, op }) => data || op === 'delete' || op === 'reset');
  return former?.op === 'delete' || former?.op === 'reset' ? undefined : former;
}

/** The longest value of a row that is shown, in characters. */
const LONGEST_VALUE = 100_000;

function shownValue(value) {
  const text = value === undefined ? '–' : textOf(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}… (${count(text.length)} characters)` : text;
}

const TEXTS = { delete: 'The row was deleted.', reset: 'All rows were removed (TRUNCATE), or events are missing: what happened to this row then is not known.' };

function entry(event, before) {
  const op = event.op ?? 'update';
  const facts = h('header', {}, h('span', { class: 'op', data: { op }, text: op }), h('time', { title: dateTime(event.timestamp), text: `${clock(event.timestamp, true)}, ${ago(event.timestamp)}${ago(event.timestamp) === 'now' ? '' : ' ago'}` }), event.id === undefined ? null : h('small', { text: `#${textOf(event.id)}${event.xid ? `, transaction ${event.xid}` : ''}` }));
  const what = op === 'update' && before && event.data ? differences(before.data, event.data) : h('p', { text: own(TEXTS, op) ?? `${op === 'update' ? 'After it: ' : ''}${summaryOf(op, null, event.data)}` });
  return h('li', { data: { op, key: String(event.id) } }, facts, what);
}

/** Returns the former state of an event's row, from the history; null if it is not there. */
async function formerState({ event, subject }) {
  if (subject.op !== 'update' || !subject.collection || subject.key === null || event.id === undefined) return null;
  const { events } = await past([['collection', subject.collection.name], ['key', subject.key]], undefined, undefined, 100).catch(() => ({ events: [] }));
  const at = events.findIndex(({ id }) => id === event.id);
  return (at < 0 ? undefined : formerEvent(events, at))?.data ?? null;
}

/** Shows one event: its envelope, its transaction and the difference to the row's former state. `show(entry)` opens another one. */
export function showEvent(entry, siblings, handlers) {
  drawEvent(entry, siblings, handlers, entry.before?.event.data ?? null);
  if (entry.before) return;
  formerState(entry).then((state) => state && shownEvent === entry && drawEvent(entry, siblings, handlers, state));
}

let shownEvent = null;

function drawEvent(entry, siblings, { show, openRow }, before) {
  shownEvent = entry;
  const { event, meta, subject } = entry;
  byID('side-title').textContent = event.type;
  const cursor = siblings.find((one) => one.meta?.cursor)?.meta.cursor ?? null;
  const rows = [
    ['Table', subject.table || '–'], ['Key', subject.key ?? '–'], ['Id in the log', event.id === undefined ? '–' : textOf(event.id)],
    ['Written', `${dateTime(event.timestamp)} (${clock(event.timestamp, true)}), by the database’s clock`],
    ['Arrived', meta === null ? 'from the history' : `${clock(meta.receivedAt, true)}${meta.replayed ? ', with the catch-up' : `, after ${span(meta.receivedAt - event.timestamp)}`}`],
    ['Transaction', event.xid ?? '–'], ['Cursor after it', cursor ?? '–'],
  ];
  const near = siblings.slice(0, 24);
  patch(byID('side-body'), [
    h('dl', { class: 'facts' }, rows.flatMap(([name, value]) => [h('dt', { text: name }), h('dd', { class: name.startsWith('Cursor') ? 'mono' : '', text: value })])),
    near.length > 1 ? h('p', { class: 'siblings' }, `${count(siblings.length)} events together: `, ...near.map((other) => h('button', { type: 'button', class: 'button small', 'aria-current': other === entry ? 'true' : null, text: textOf(other.event.id ?? '–'), title: `${other.event.type} ${other.subject.key ?? ''}`, on: { click: () => show(other) } }))) : '',
    before && event.data ? h('section', {}, h('h3', { text: 'Changed' }), differences(before, event.data)) : '',
    subject.collection && subject.key !== null ? h('p', { class: 'actions' }, h('button', { type: 'button', class: 'button small', text: 'Follow this row', on: { click: () => openRow(subject.collection.name, subject.key) } })) : '',
    h('h3', { text: 'Envelope' }),
    h('pre', { class: 'mono envelope' }, ...envelope(entry)),
    copyButton('Copy the envelope', () => textOfEnvelope(entry))].filter(Boolean));
}

const textOfEnvelope = ({ event, meta }) => meta?.raw ?? JSON.stringify(event);

/** The longest text that is shown with colours, in characters. */
const LONGEST = 20_000;

function envelope(entry) {
  const text = textOfEnvelope(entry);
  return text.length > LONGEST ? [text.slice(0, LONGEST), `\n(${count(text.length)} characters)`] : highlighted(text);
}
