// Knows the collections of the server: their columns, keys, filter fields and types of events.

import { own } from '../../shared/js/own.js';
import { isEqual, textOf } from './exact.js';

/** How many types of events without a collection are remembered. */
const MOST_TYPES = 1000;

/** The operations, and how the page names and colours them. */
export const OPS = { insert: 'insert', update: 'update', delete: 'delete', reset: 'reset', other: 'other' };

export class Catalog {
  collections = [];
  #byName = new Map();
  #byType = new Map();
  #names = new Set(); // of all collections that there ever were
  #types = new Set(); // that no collection had when they came
  #unknown;

  /** `unknown()` is called when an event has a type that no collection has: there may be another one. */
  constructor(collections = [], unknown = () => {}) {
    this.#unknown = unknown;
    this.update(collections);
  }

  /** Takes what the server has now. A collection that is as before stays the same object. Returns whether something differs. */
  update(collections) {
    const before = this.collections;
    this.collections = collections.map((one) => {
      const old = this.#byName.get(one.name);
      return isEqual(old, one) ? old : one;
    });
    this.#byName = new Map(this.collections.map((one) => [one.name, one]));
    for (const name of this.#byName.keys()) this.#names.add(name);
    this.#byType = new Map(this.collections.flatMap((one) => Object.entries(one.types).map(([type, op]) => [type, { collection: one, op }])));
    return before.length !== this.collections.length || before.some((one, i) => one !== this.collections[i]);
  }

  get(name) {
    return this.#byName.get(name) ?? null;
  }

  /** Returns whether there was such a collection while the page was open. */
  had(name) {
    return this.#names.has(name);
  }

  /** Returns what an event is about: `table` to show, `collection` or null, `op` and `key`. */
  subject(event) {
    const known = this.#byType.get(event.type);
    if (!known) this.#miss(event.type);
    const collection = this.get(event.collection) ?? known?.collection ?? null;
    const op = event.op ?? known?.op ?? opOf(event.type);
    const key = event.key ?? (collection && event.data ? keyOf(collection.key, event.data) : null) ?? null;
    return { collection, op, key, table: collection?.name ?? event.data?.table ?? '' };
  }

  #miss(type) {
    if (opOf(type) !== 'other' || this.#types.has(type) || this.#types.size === MOST_TYPES) return;
    this.#types.add(type);
    this.#unknown();
  }

  /** Returns the types of events of a collection's operations; of all collections if it is empty. */
  types(name, ops) {
    const collections = name ? [this.get(name)].filter(Boolean) : this.collections;
    return collections.flatMap(({ types }) => Object.entries(types).filter(([, op]) => ops.includes(op)).map(([type]) => type));
  }
}

function opOf(type) {
  return type === 'table_truncated' || type === 'collection_reset' ? 'reset' : 'other';
}

/** Keys of which a part of a path keeps every character: browsers and proxies resolve "..", and some decode slashes. */
const PLAIN = /^[\w-]+$/;

/** Returns where a row can be read: the path, and the parameters. */
export function placeOf(name, key) {
  const path = `api/collections/${encodeURIComponent(name)}`;
  return PLAIN.test(key) ? [`${path}/${key}`, []] : [path, [['key', key]]];
}

/** Returns the key of a row as envelopes have it, or null if the row does not show it. */
export function keyOf(columns, row) {
  const values = columns.map((column) => own(row, column));
  if (values.some((value) => value === undefined || value === null)) return null;
  return values.length === 1 ? textOf(values[0]) : `[${values.map((value) => JSON.stringify(value)).join(', ')}]`;
}
