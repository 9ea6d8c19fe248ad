// Compares rows as the database orders a list.

import { own } from '../../shared/js/own.js';
import { textOf } from './exact.js';

/** Parses the parameter `order` into terms: [{field, isDown}]. */
export function parseOrder(order) {
  return (order ?? '').split(',').filter(Boolean).map((term) => {
    const isDown = term.endsWith('.desc');
    return { field: term.replace(/\.(asc|desc)$/, ''), isDown };
  });
}

export const writeOrder = (terms) => terms.map(({ field, isDown }) => field + (isDown ? '.desc' : '')).join(',');

/**
 * Returns `compare(a, b)` of two entries, and whether it is exact: the order of texts is the database's collation, which the
 * page does not know.
 */
export function rowOrder(collection, order) {
  const kinds = new Map(collection.filter.map((field) => [field.name, field]));
  const terms = parseOrder(order).map(({ field, isDown }) => ({ field, sign: isDown ? -1 : 1, compare: comparer(kinds.get(field)) }));
  const keySign = terms.at(-1)?.sign ?? 1;
  const keyTerms = collection.key.map((column) => ({ field: column, sign: keySign, compare: comparer(kinds.get(column)) }));
  const all = [...terms, ...keyTerms];
  const isExact = all.every(({ field }) => kinds.has(field) && kinds.get(field).kind !== 'text');
  return {
    isExact,
    compare(a, b) {
      for (const { field, sign, compare } of all) {
        const order = compare(own(a.row, field), own(b.row, field));
        if (order !== 0) return sign * order;
      }
      return a.key < b.key ? -keySign : a.key > b.key ? keySign : 0;
    },
  };
}

/** A null is greater than any value. */
function comparer(field) {
  const values = compareValues(field);
  return (a, b) => (a === b ? 0 : a == null || b == null ? Number(a == null) - Number(b == null) : values(a, b));
}

const ordered = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

function compareValues(field) {
  switch (field?.kind) {
    case 'integer':
    case 'numeric': return numbers;
    case 'enum': {
      const rank = new Map(field.labels?.map((label, i) => [label, i]));
      return (a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0);
    }
    case 'date':
    case 'timestamp':
    case 'timestamptz': return times;
    case 'text': return new Intl.Collator().compare;
    default: return ordered;
  }
}

const DECIMAL = /^(-?)(\d*)\.?(\d*)$/;

/** Compares numbers with all their digits. NaN is greater than any number. */
function numbers(a, b) {
  const [left, right] = [Number(a), Number(b)];
  if (left !== left || right !== right) return Number(left !== left) - Number(right !== right);
  return ordered(left, right) || ordered(...scaled(textOf(a), textOf(b)));
}

/** Returns two decimals as integers of the same scale, for numbers whose difference a double loses. */
function scaled(a, b) {
  const parts = [a, b].map((text) => DECIMAL.exec(text));
  if (a === b || parts.includes(null)) return [0, 0];
  const digits = Math.max(...parts.map(([, , , fraction]) => fraction.length));
  return parts.map(([, sign, whole, fraction]) => BigInt(`${sign}${whole || '0'}${fraction.padEnd(digits, '0')}`));
}

/** Compares dates and times in the form of PostgreSQL's JSON, in which those of one year are in the order of their characters. */
function times(a, b) {
  return ordered(year(a), year(b)) || ordered(a.slice(a.indexOf('-', 1)), b.slice(b.indexOf('-', 1)));
}

function year(time) {
  if (time.endsWith('infinity')) return time.startsWith('-') ? -Infinity : Infinity;
  return parseInt(time, 10) * (time.endsWith(' BC') ? -1 : 1);
}
