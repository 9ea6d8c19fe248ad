// Compares two states of a row.

import { h } from '../../shared/js/dom.js';
import { shorten } from '../../shared/js/format.js';
import { own } from '../../shared/js/own.js';
import { isEqual, textOf } from './exact.js';

/** Returns [{field, from, to}]: the fields in which two states differ. */
export function changesOf(before, after) {
  const fields = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  return [...fields].filter((field) => !isEqual(own(before, field), own(after, field))).map((field) => ({ field, from: own(before, field), to: own(after, field) }));
}

const short = (value) => (value === undefined ? '–' : value === null ? 'null' : value === '' ? '""' : shorten(textOf(value), 60));

/** Returns what an event did, in one line. */
export function summaryOf(op, before, data) {
  if (!data || typeof data !== 'object') return data === undefined ? 'without its data' : textOf(data);
  if (op === 'update' && before) {
    const changed = changesOf(before, data);
    return changed.length ? changed.map(({ field, from, to }) => `${field}: ${short(from)} → ${short(to)}`).join(', ') : 'nothing changed in its fields';
  }
  return Object.entries(data).filter(([, value]) => value !== null).map(([field, value]) => `${field}: ${short(value)}`).join(', ').slice(0, 400);
}

/** Returns a table of differences for the timeline. */
export function differences(before, after) {
  return h('dl', { class: 'diff' }, changesOf(before, after).flatMap(({ field, from, to }) => [
    h('dt', { text: field }),
    h('dd', {}, h('del', { text: short(from) }), h('span', { 'aria-hidden': 'true', text: ' → ' }), h('span', { class: 'visually-hidden', text: ' becomes ' }), h('ins', { text: short(to) })),
  ]));
}
