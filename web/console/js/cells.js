// Shows values of columns.

import { h, hue } from '../../shared/js/dom.js';
import { shorten } from '../../shared/js/format.js';
import { own } from '../../shared/js/own.js';
import { textOf } from './exact.js';

/** The longest text of a cell, in characters. */
const LONGEST = 300;

const WIDTHS = [
  [/^(smallint|integer)/, '5.5rem'], [/^bigint/, '9.5rem'], [/^(numeric|real|double)/, '7.5rem'], [/^boolean/, '5.5rem'], [/^uuid/, '11rem'], [/^date/, '7rem'],
  [/^timestamp/, '11rem'], [/^time/, '7rem'], [/^json/, 'minmax(12rem, 2fr)'], [/\[\]$/, 'minmax(10rem, 1.5fr)'],
];

/** Returns the columns of a collection: {name, type, kind, width, isNumber, isSortable}. Those of the key are first. */
export function columnsOf({ fields, filter, key }) {
  const kinds = new Map(filter.map((field) => [field.name, field.kind]));
  return fields.map(({ name, type }) => ({
    name,
    type,
    kind: kinds.get(name) ?? '',
    isKey: key.includes(name),
    isNumber: /^(smallint|integer|bigint|numeric|real|double)/.test(type),
    isSortable: kinds.has(name),
    width: widthOf(name, kinds.get(name) === 'enum' ? '8.5rem' : WIDTHS.find(([pattern]) => pattern.test(type))?.[1] ?? 'minmax(10rem, 1.6fr)'),
  }));
}

/** Returns a width that has room for the column's name. */
function widthOf(name, width) {
  if (width.startsWith('minmax')) return width;
  return `${Math.max(parseFloat(width), Math.min(16, name.length * 0.52 + 1.6))}rem`;
}

/** The least and the greatest width of a column of numbers, the width of a digit, all in rem, and for how many further digits there is room. */
const NUMBERS = { least: 3.5, most: 12, digit: 0.6, spare: 2 };

/** Returns the columns with widths that fit the numbers of rows: an id of three digits needs less room than a bigint may have. */
export function fitted(columns, rows) {
  return columns.map((column) => {
    if (!column.isNumber) return column;
    const digits = rows.reduce((most, row) => Math.max(most, lineOf(own(row, column.name)).length), 0);
    const width = Math.max(NUMBERS.least, Math.min(NUMBERS.most, (digits + NUMBERS.spare) * NUMBERS.digit));
    return { ...column, width: widthOf(column.name, `${width}rem`) };
  });
}

/** Returns the least width of columns in rem. */
export const leastWidth = (columns) => columns.reduce((sum, { width }) => sum + parseFloat(width.replace('minmax(', '')) + 0.75, 2);

/** Returns a value as one line. */
export function lineOf(value, type = '') {
  const text = textOf(value);
  if (type.startsWith('timestamp')) return text.replace('T', ' ').replace(/(\.\d+)?([+-]\d\d:\d\d|Z)?$/, '');
  return shorten(text.length > LONGEST ? text.slice(0, LONGEST + 1) : text, LONGEST);
}

/** Writes a value into a cell. */
export function fillCell(cell, value, column) {
  const isNull = value === null || value === undefined;
  const isTag = !isNull && (column.kind === 'enum' || typeof value === 'boolean');
  cell.classList.toggle('null', isNull);
  if (isTag) {
    cell.replaceChildren(h('span', { class: 'tag', hue: typeof value === 'boolean' ? (value ? 'var(--good)' : 'var(--quiet)') : hue(value), text: String(value) }));
    cell.title = '';
    return;
  }
  const line = isNull ? (value === null ? 'null' : '–') : lineOf(value, column.type);
  if (cell.firstElementChild || cell.textContent !== line) cell.textContent = line;
  const full = isNull ? '' : textOf(value);
  cell.title = full === line || full.length > 2000 ? '' : full;
}
