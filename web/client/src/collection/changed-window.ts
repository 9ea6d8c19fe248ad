import { rowOrder } from "./order.js";
import { Window, type Entry } from "./window.js";

/** The rows that changed, by key; null for one that is gone. */
export type Changes<Row> = ReadonlyMap<string, Row | null>;

/** Returns a window whose rows were loaded at several times, in their order. Where only the database knows it, they stay where they are. */
export function orderedWindow<Row>(window: Window<Row>): Window<Row> {
  const { bound, limit, description, order, isUncertain } = window;
  const { compare, isExact } = rowOrder(description, order);
  if (!isExact) return window;
  const entries = window.entries.filter((entry) => bound === null || compare(entry, bound) <= 0).sort(compare);
  return new Window(entries, bound, limit, description, order, isUncertain);
}

/** Returns the window after changes; the same one if nothing that it holds has changed. */
export function changedWindow<Row>(window: Window<Row>, changes: Changes<Row>): Window<Row> {
  if (changes.size === 0) return window;
  const { bound, isUncertain } = window;
  const { compare, isExact } = rowOrder(window.description, window.order);
  const others = new Map(changes); // rows that the window does not hold
  const kept: Entry<Row>[] = [];
  const moved: Entry<Row>[] = [];
  let isChanged = false;
  for (const entry of window.entries) {
    const row = changes.get(entry.key);
    const next = row == null ? null : { key: entry.key, row };
    if (row === undefined) kept.push(entry);
    else isChanged = others.delete(entry.key);
    if (next && compare(entry, next) === 0) kept.push(next);
    else if (next) moved.push(next);
  }
  for (const [key, row] of others) if (row !== null) moved.push({ key, row });
  const entered = moved.filter((entry) => bound === null || compare(entry, bound) <= 0);
  if (!isChanged && entered.length === 0 && (isExact || moved.length === 0)) return window;
  const isGuess = moved.length > 0 && !isExact && (window.order !== "" || bound !== null);
  return holding(window, merge(kept, entered.sort(compare), compare), isGuess || isUncertain);
}

/** Returns a window with these entries, of which it drops the last ones if they have become too many. */
function holding<Row>({ limit, bound, description, order }: Window<Row>, entries: Entry<Row>[], isUncertain: boolean): Window<Row> {
  const size = Window.size(limit);
  const isTooLong = entries.length > size + limit;
  const held = isTooLong ? entries.slice(0, size) : entries;
  return new Window(held, isTooLong ? held.at(-1)! : bound, limit, description, order, isUncertain);
}

/** Merges two sorted lists. */
function merge<T>(a: readonly T[], b: readonly T[], compare: (a: T, b: T) => number): T[] {
  const merged: T[] = [];
  let next = 0;
  for (const item of a) {
    while (next < b.length && compare(b[next]!, item) < 0) merged.push(b[next++]!);
    merged.push(item);
  }
  return merged.concat(b.slice(next));
}
