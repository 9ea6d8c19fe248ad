// Holds the loaded rows of a collection's list and keeps them equal to the database: pages as one scrolls, and events.

import { record } from '../../shared/js/own.js';
import { describe, entryOf, MAX_BYTES, merged, unique, within } from './entries.js';
import { rowOrder } from './order.js';
import { sizeOf } from './size.js';
import { follow, load, persist } from './source.js';

/** Rows of a page of the list. */
const PAGE = 200;

/** The most rows that are loaded again because their order is uncertain, and the time until then, in milliseconds. */
const MAX_REORDER = 2000;
const REORDER_AFTER = 2000;

/** Stands for a row that is too large for lists and events. It is read by its key. */
export const TOO_LARGE = Object.freeze({});

/** The parameters of a view that select rows. */
export const isFilter = (name) => name.startsWith('where.') || name === 'any';

/**
 * Handlers: `changed(changes)` with {op, fields} by key, after rows changed; `state()` after anything else did; `lost(error)`
 * after a request was refused.
 */
export class Rows {
  entries = []; // {key, row, size}, in order
  byKey = new Map();
  status = 'loading'; // or 'ready', 'failed', 'retrying'
  error = null;
  hasMore = false;
  isLoadingMore = false;
  isUncertain = false; // the order of some rows is a guess
  isFull = false; // the page keeps no more rows
  count = null; // of all rows that match: {rows, isExact}; null while unknown
  #collection;
  #filter;
  #orderText;
  #order;
  #handlers;
  #next = null; // undefined after rows were dropped
  #last = null; // the last row of the last page, after which the next one begins; null if there is none
  #run = new AbortController();
  #close = () => {};
  #touched = null; // what events did while a page was loading, by key
  #touchedBytes = 0;
  #timers = new Map();

  constructor(collection, params, handlers) {
    this.#collection = collection;
    this.#filter = [...params].filter(([name]) => isFilter(name));
    this.#orderText = params.get('order') ?? '';
    this.#order = rowOrder(collection, this.#orderText);
    this.#handlers = handlers;
  }

  async start() {
    this.#stop();
    const { signal } = (this.#run = new AbortController());
    this.status = 'loading';
    this.#handlers.state();
    try {
      const page = await persist(() => this.#page(null, signal), signal, (error) => this.#fail('retrying', error));
      if (signal.aborted) return;
      this.#replace(page);
      this.status = 'ready';
      this.error = null;
      this.#follow(page.cursor);
      this.#countRows(signal);
      this.#handlers.changed(new Map());
    } catch (error) {
      if (!signal.aborted) this.#fail('failed', error);
    }
  }

  close() {
    this.#stop();
  }

  #stop() {
    this.#run.abort();
    this.#close();
    this.#close = () => {};
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#touched = null;
    this.isLoadingMore = false;
  }

  #fail(status, error) {
    this.status = status;
    this.error = error;
    this.#handlers.lost(error);
    this.#handlers.state();
  }

  #page(after, signal, limit = PAGE) {
    const params = new URLSearchParams([...this.#filter, ...(this.#orderText ? [['order', this.#orderText]] : []), ['limit', limit], ...(after ? [['after', after]] : [])]);
    return load(`api/collections/${encodeURIComponent(this.#collection.name)}?${params}`, signal);
  }

  #replace({ keys, rows, next }) {
    this.entries = keys.map((key, i) => entryOf(key, rows[i] ?? TOO_LARGE));
    this.byKey = new Map(this.entries.map((entry) => [entry.key, entry]));
    this.#goOn(next, this.entries.at(-1));
    this.isUncertain = false;
    this.#bound();
  }

  /** Remembers where the next page begins. The row may leave: what comes between it and the rows that stay is in no page. */
  #goOn(next, last) {
    this.#next = next;
    this.hasMore = next !== null;
    this.#last = this.hasMore && last ? { ...last } : null;
  }

  #follow(cursor) {
    const where = record(); // a field may have any name
    for (const [name, value] of this.#filter) if (name !== 'any') (where[name.slice('where.'.length)] ??= []).push(value);
    const any = this.#filter.filter(([name]) => name === 'any').map(([, value]) => value);
    this.#close = follow({ collection: this.#collection.name, where, ...(any.length ? { any } : {}) }, cursor, {
      events: (batch) => this.#apply(batch.map(({ event }) => event)),
      reset: () => this.start(),
      failed: (error) => this.#fail('failed', error),
    });
  }

  /** Loads the next page, unless all rows are there. */
  async more() {
    if (!this.hasMore || this.isLoadingMore || this.status !== 'ready' || this.isFull) return;
    if (this.#next === undefined) return void this.start();
    this.isLoadingMore = true;
    this.#touch();
    const { signal } = this.#run;
    this.#handlers.state();
    try {
      const page = await persist(() => this.#page(this.#next, signal), signal, (error) => this.#handlers.lost(error));
      if (signal.aborted) return;
      this.isLoadingMore = false;
      this.#append(page);
    } catch (error) {
      if (!signal.aborted) this.#fail('failed', error);
    }
  }

  /** Appends a page. What events have said since it was requested is newer, perhaps, and never older than what they say later. */
  #append({ keys, rows, next }) {
    const added = new Set(keys);
    this.entries = this.entries.filter(({ key }) => !added.has(key));
    keys.forEach((key, i) => {
      const entry = entryOf(key, rows[i] ?? TOO_LARGE);
      this.byKey.set(key, entry);
      this.entries.push(entry);
    });
    this.#goOn(next, keys.length ? this.entries.at(-1) : this.#last);
    this.#bound();
    const touched = this.#touched;
    this.#touched = null;
    this.#merge(touched);
    this.#handlers.changed(new Map());
  }

  /** Begins to remember what events do while a page is loaded. */
  #touch() {
    this.#touched = new Map();
    this.#touchedBytes = 0;
  }

  /** Remembers what events did. What takes too much memory is not worth it: the rows are loaded again. Returns whether they are. */
  #remember(changes) {
    if (!this.#touched) return false;
    for (const [key, row] of changes) {
      this.#touched.set(key, row);
      this.#touchedBytes += sizeOf(row);
    }
    if (this.#touchedBytes < MAX_BYTES) return false;
    this.start();
    return true;
  }

  #apply(events) {
    if (events.some(({ op }) => op === 'reset')) {
      this.start();
      return;
    }
    const changes = new Map();
    for (const event of events) {
      if (event.key === undefined) continue;
      const isGone = event.op === 'delete';
      changes.set(event.key, isGone ? null : event.data ?? TOO_LARGE);
      if (this.count && event.op !== 'update') this.count = { rows: this.count.rows + (isGone ? -1 : 1), isExact: false };
    }
    if (this.#remember(changes)) return;
    const what = describe(this.byKey, changes, events);
    this.#merge(changes);
    this.#handlers.changed(what);
    if (this.count && !this.count.isExact) this.#later('count', 15_000, () => this.#countRows(this.#run.signal));
  }

  /** Puts changed rows in their places: null removes one. Rows beyond the last loaded one come with their page. */
  #merge(changes) {
    if (!changes?.size) return;
    const { compare, isExact } = this.#order;
    const bound = this.#last;
    const moved = [];
    const kept = this.entries.filter((entry) => {
      const row = changes.get(entry.key);
      if (row === undefined) return true;
      const next = entryOf(entry.key, row);
      if (row === null) this.byKey.delete(entry.key);
      else if (row === TOO_LARGE || compare(entry, next) === 0) {
        Object.assign(entry, next); // in its place
        return true;
      } else moved.push(next);
      return false;
    });
    for (const [key, row] of changes) if (row !== null && !this.byKey.has(key)) moved.push(entryOf(key, row));
    const entered = moved.filter((entry) => !bound || compare(entry, bound) <= 0);
    for (const { key } of moved) this.byKey.delete(key);
    for (const entry of entered) this.byKey.set(entry.key, entry);
    this.entries = entered.length ? merged(kept, entered.sort(compare), compare) : kept;
    this.#bound();
    if (moved.length && !isExact) this.#guessed();
  }

  /** Keeps the rows within the page's limits. */
  #bound() {
    const { kept, isFull } = within(this.entries);
    this.isFull = isFull;
    if (kept === this.entries.length) return;
    for (const { key } of this.entries.splice(kept)) this.byKey.delete(key);
    this.#goOn(undefined, this.entries.at(-1));
  }

  /** Loads the rows again after a while, since only the database knows the order of texts. */
  #guessed() {
    this.isUncertain = true;
    if (this.entries.length <= MAX_REORDER) this.#later('reorder', REORDER_AFTER, () => this.#reorder());
  }

  async #reorder() {
    if (this.isLoadingMore) return this.#guessed(); // two loads would not know what events did meanwhile
    this.isLoadingMore = true;
    const { signal } = this.#run;
    const wanted = Math.max(this.entries.length, PAGE);
    this.#touch();
    try {
      let page = await this.#page(null, signal, Math.min(wanted, 500));
      const all = page;
      while (page.next !== null && all.keys.length < wanted) {
        page = await this.#page(page.next, signal, Math.min(wanted - all.keys.length, 500));
        all.keys.push(...page.keys);
        all.rows.push(...page.rows);
        all.next = page.next;
      }
      if (signal.aborted) return;
      this.isLoadingMore = false;
      const touched = this.#touched;
      this.#touched = null;
      this.#replace(unique(all));
      this.#merge(touched);
      this.#handlers.changed(new Map());
    } catch (error) {
      if (signal.aborted) return;
      this.isLoadingMore = false;
      this.#touched = null;
      this.#handlers.lost(error); // the rows stay, marked as uncertain
    }
  }

  /** Counts the rows that match. A table that takes too long to count has no number. */
  async #countRows(signal) {
    try {
      const { count } = await load(`api/collections/${encodeURIComponent(this.#collection.name)}?${new URLSearchParams([...this.#filter, ['limit', 1], ['count', 'exact']])}`, signal);
      if (signal.aborted) return;
      this.count = { rows: count, isExact: true };
    } catch {
      if (signal.aborted) return;
      this.count = null;
    }
    this.#handlers.state();
  }

  /** Calls an action after a time, unless it waits already. */
  #later(name, ms, action) {
    if (this.#timers.has(name)) return;
    this.#timers.set(name, setTimeout(() => {
      this.#timers.delete(name);
      action();
    }, ms));
  }
}
