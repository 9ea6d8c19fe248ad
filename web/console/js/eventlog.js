// Holds the events of the view: the history of the log, newest first, and the new ones.

import { Refused } from '../../shared/js/server.js';
import { past } from './history.js';
import { sizeOf } from './size.js';
import { follow, persist } from './source.js';

/** The most events that the page keeps, and the most bytes: beyond either it drops the oldest ones. */
const MAX_EVENTS = 20_000;
const MAX_BYTES = 64 << 20;

/** Up to this many events a second, each is highlighted. */
const CALM = 10;

/**
 * Handlers: `added(entries)` after new events, `loaded(entries)` after older ones; `state()` after anything else; `lost(error)`.
 * An entry is {key, event, meta, subject, transaction, before, size}; `before` is the entry of the row's former state, if it is known.
 */
export class EventLog {
  entries = [];
  byKey = new Map();
  status = 'loading'; // or 'ready', 'failed', 'retrying'
  error = null;
  hasMore = false;
  isLoadingMore = false;
  hasHistory = true; // the server has GET /api/log
  isTrimmed = false; // older events were dropped, or are not loaded, to bound the memory
  cursor = null;
  #params;
  #catalog;
  #handlers;
  #before;
  #run = new AbortController();
  #close = () => {};
  #number = 0;
  #transaction = 1; // of the next event of the stream
  #newest = new Map(); // entries by row
  #oldest = new Map();

  /** `params` select the events: [name, value], as of the stream. */
  constructor(catalog, params, handlers) {
    this.#catalog = catalog;
    this.#params = params;
    this.#handlers = handlers;
  }

  async start() {
    this.close();
    const { signal } = (this.#run = new AbortController());
    Object.assign(this, { entries: [], byKey: new Map(), status: 'loading', hasMore: false, isTrimmed: false });
    this.#newest.clear();
    this.#oldest.clear();
    this.#handlers.state();
    try {
      const page = await persist(() => this.#past(undefined, signal), signal, (error) => this.#fail('retrying', error));
      if (signal.aborted) return;
      this.status = 'ready';
      this.error = null;
      this.#older(page);
      this.#follow(page.cursor ?? null);
    } catch (error) {
      if (!signal.aborted) this.#fail('failed', error);
    }
  }

  close() {
    this.#run.abort();
    this.#close();
    this.#close = () => {};
    this.isLoadingMore = false;
  }

  #fail(status, error) {
    Object.assign(this, { status, error });
    this.#handlers.lost(error);
    this.#handlers.state();
  }

  async #past(before, signal) {
    try {
      return await past(this.#params, before, signal);
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 404) throw error;
      this.hasHistory = false; // an older server
      return { events: [], cursor: null };
    }
  }

  #follow(cursor) {
    const values = (name) => this.#params.filter(([param]) => param === name).map(([, value]) => value);
    this.#close = follow({ types: values('types').flatMap((list) => list.split(',')), key: values('key') }, cursor, {
      events: (batch) => this.#newer(batch),
      reset: () => this.start(),
      failed: (error) => this.#fail('failed', error),
    });
  }

  /** Loads older events, unless the log's beginning is reached. */
  async more() {
    if (!this.hasMore || this.isLoadingMore || this.status !== 'ready') return;
    this.isLoadingMore = true;
    const { signal } = this.#run;
    this.#handlers.state();
    try {
      const page = await persist(() => this.#past(this.#before, signal), signal, (error) => this.#handlers.lost(error));
      if (signal.aborted) return;
      this.isLoadingMore = false;
      this.#older(page);
    } catch (error) {
      if (signal.aborted) return;
      this.isLoadingMore = false;
      if (error.status === 410) this.start(); // the log is another one
      else this.#fail('failed', error);
    }
  }

  #older({ events, before }) {
    this.#before = before;
    const added = events.map((event) => this.#entry(event, null, `x${event.xid ?? event.id}`));
    for (const entry of added) {
      const row = rowOf(entry);
      if (row === null) continue;
      const later = this.#oldest.get(row);
      if (later) later.before = entry;
      this.#oldest.set(row, entry);
      if (!this.#newest.has(row)) this.#newest.set(row, entry);
    }
    // Pages go by when transactions began, events within a page by their ids.
    const isHistory = ({ meta }) => meta === null;
    const live = this.entries.filter((entry) => !isHistory(entry));
    const history = [...this.entries.filter(isHistory), ...added].sort((a, b) => b.event.id - a.event.id);
    this.entries = [...live, ...history];
    this.hasMore = Boolean(before);
    this.#trim();
    this.#handlers.loaded(added);
  }

  /** Whether few events have come within the last second. */
  get isCalm() {
    const last = this.entries[CALM]?.meta;
    return !last || Date.now() - last.receivedAt > 1000;
  }

  #newer(batch) {
    const added = [];
    for (const { event, meta } of batch) {
      const entry = this.#entry(event, meta, `t${this.#transaction}`);
      if (meta.cursor !== null) {
        this.#transaction++;
        this.cursor = meta.cursor;
      }
      const row = rowOf(entry);
      if (row !== null) {
        entry.before = this.#newest.get(row) ?? null;
        this.#newest.set(row, entry);
        if (!this.#oldest.has(row)) this.#oldest.set(row, entry);
      }
      added.push(entry);
    }
    this.entries = [...added.reverse(), ...this.entries];
    this.#trim();
    this.#handlers.added(added);
  }

  #entry(event, meta, transaction) {
    const size = meta ? 2 * meta.raw.length : sizeOf(event); // a live one keeps its text too
    const entry = { key: ++this.#number, event, meta, subject: this.#catalog.subject(event), transaction, before: null, size };
    this.byKey.set(entry.key, entry);
    return entry;
  }

  /** Finds the subjects again of events whose collection was not known. Returns whether one was found. */
  rename() {
    let isFound = false;
    this.entries = this.entries.map((entry) => {
      const subject = entry.subject.collection ? null : this.#catalog.subject(entry.event);
      if (!subject?.collection) return entry;
      isFound = true;
      this.byKey.delete(entry.key);
      const renamed = { ...entry, key: ++this.#number, subject };
      this.byKey.set(renamed.key, renamed);
      return renamed;
    });
    return isFound;
  }

  #trim() {
    let bytes = 0;
    const full = this.entries.findIndex(({ size }, i) => i === MAX_EVENTS || ((bytes += size) > MAX_BYTES && i > 0));
    if (full < 0) return;
    for (const entry of this.entries.splice(full)) {
      this.byKey.delete(entry.key);
      const row = rowOf(entry);
      if (this.#newest.get(row) === entry) this.#newest.delete(row);
      if (this.#oldest.get(row) === entry) this.#oldest.delete(row);
    }
    for (const entry of this.entries) if (entry.before && !this.byKey.has(entry.before.key)) entry.before = null;
    this.hasMore = false;
    this.isTrimmed = true;
  }
}

const rowOf = ({ subject: { collection, key } }) => (collection && key !== null ? `${collection.name} ${key}` : null);
