// Lists of rows as entries {key, row, size}: bounded, merged and compared. Pure functions.

import { own } from '../../shared/js/own.js';
import { isEqual } from './exact.js';
import { sizeOf } from './size.js';

/** The most rows that the page keeps, and the bytes from which on it loads no more. */
const MAX_ROWS = 50_000;
export const MAX_BYTES = 64 << 20;

/** Rows that events enlarge are dropped, the last ones first, when they take this many bytes. */
const DROP_BYTES = 96 << 20;

/** Returns the entry of a row in a list. */
export const entryOf = (key, row) => ({ key, row, size: key.length + sizeOf(row) });

/** Removes the older ones of rows that came twice, having moved between two pages. */
export function unique({ keys, rows, next }) {
  const last = new Map(keys.map((key, i) => [key, i]));
  const kept = keys.map((key, i) => last.get(key) === i);
  return { keys: keys.filter((key, i) => kept[i]), rows: rows.filter((row, i) => kept[i]), next };
}

/** Returns what the events did to each row that is shown: {op, fields}. */
export function describe(byKey, changes, events) {
  const ops = new Map(events.map(({ key, op }) => [key, op]));
  const what = new Map();
  for (const [key, row] of changes) {
    const old = byKey.get(key)?.row;
    const fields = old && row ? new Set(Object.keys(row).filter((name) => !isEqual(own(old, name), row[name]))) : null;
    what.set(key, { op: row === null ? 'delete' : old ? 'update' : ops.get(key) === 'update' ? 'update' : 'insert', fields });
  }
  return what;
}

/** Merges two sorted lists. */
export function merged(a, b, compare) {
  const all = [];
  let next = 0;
  for (const item of a) {
    while (next < b.length && compare(b[next], item) < 0) all.push(b[next++]);
    all.push(item);
  }
  return all.concat(b.slice(next));
}

/** Returns how many entries the page keeps, from the first one, and whether it loads no more. One stays, however large it is. */
export function within(entries) {
  let bytes = 0;
  let kept = 0;
  for (const { size } of entries) {
    if (kept === MAX_ROWS || (kept > 0 && bytes + size > DROP_BYTES)) break;
    bytes += size;
    kept++;
  }
  return { kept, isFull: kept < entries.length || kept === MAX_ROWS || bytes >= MAX_BYTES };
}
