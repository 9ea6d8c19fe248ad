// Writes what the page shows as commands and programs to copy.

import { base } from '../../shared/js/server.js';
import { record } from '../../shared/js/own.js';
import { command, literal, shell, url } from '../../shared/js/quote.js';
import { placeOf } from './catalog.js';
import { parseOrder } from './order.js';
import { isFilter } from './rows.js';

const curl = (options, path, params) => command('curl', options, shell(url(base, path, params)));
const psql = (sql) => command('psql "$DATABASE_URL" -c', shell(sql));

/** Writes a string of JavaScript. */
const js = (value) => JSON.stringify(value).replace(/[\u2028\u2029<]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Returns [name, text, hint] for the rows of a view. */
export function forRows(collection, params) {
  const filter = [...params].filter(([name]) => isFilter(name));
  const order = params.get('order') ? [['order', params.get('order')]] : [];
  const path = `api/collections/${encodeURIComponent(collection.name)}`;
  return [
    ['List with curl', curl('-sS', path, [...filter, ...order, ['limit', '50']])],
    ['Follow with curl', curl('-N', 'api/events', [['collection', collection.name], ...filter])],
    readWithPsql(select(collection, clauses(filter, params.get('order'))), filter),
    ['EventSource', eventSource([['collection', collection.name], ...filter]), 'Load the list first, and pass its cursor as since.'],
    ['React', react(collection.name, filter, order), 'With the package pgherald.'],
  ];
}

function readWithPsql(line, filter) {
  if (line === null) return ['Read with psql', null, 'The name of the table or of a column needs double quotes, which not all shells pass on.'];
  return ['Read with psql', line, filter.some(([name]) => name === 'any') ? 'Without the groups (any).' : ''];
}

/** Returns the commands for a row. */
export function forRow(collection, key) {
  const follow = [['collection', collection.name], ['key', key]];
  return [
    ['Read it with curl', curl('-sS', ...placeOf(collection.name, key))],
    ['Follow it with curl', curl('-N', 'api/events', follow)],
    ['Its history with curl', curl('-sS', 'api/log', follow)],
    ...(collection.key.length === 1 && column(collection.key[0]) ? [['Read it with psql', select(collection, ` where ${column(collection.key[0])}::text = ${literal(key)}`)]] : []),
    ['EventSource', eventSource(follow)],
  ];
}

/** Returns the commands for events. */
export function forEvents(params, cursor) {
  return [
    ['Follow with curl', curl('-N', 'api/events', params)],
    ...(cursor ? [['Resume at this cursor with curl', curl('-N', 'api/events', [...params, ['since', cursor]])]] : []),
    ['History with curl', curl('-sS', 'api/log', params)],
    ['Follow in colours', command('pgherald tail', shell(url(base, '')))],
    ['EventSource', eventSource(params)],
    ['Listen to wake-ups in psql', 'psql "$DATABASE_URL" -c \'listen pgherald\' -c \'select pg_sleep(60)\'', 'A wake-up says that events came, and never holds a row.'],
  ];
}

/**
 * Writes a name of SQL, or returns null for one that needs double quotes: old versions of PowerShell lose them. After a dot, keywords are
 * names.
 */
const identifier = (name) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : null);

const column = (name) => (identifier(name) === null ? null : `t.${name}`);

const parts = (names, separator) => (names.includes(null) ? null : names.join(separator));

function select(collection, rest) {
  const from = parts(collection.table.split('.').map(identifier), '.');
  const columns = parts(collection.fields.map(({ name }) => column(name)), ', ');
  return from === null || columns === null || rest === null ? null : psql(`select ${columns} from ${from} t${rest}`);
}

/** Writes the conditions of a filter, but for groups, and the order in SQL. */
function clauses(filter, order) {
  const where = filter.filter(([name]) => name !== 'any').map(([name, value]) => sqlCondition(column(name.slice('where.'.length)), value));
  const terms = parseOrder(order).map(({ field, isDown }) => parts([column(field), isDown ? ' desc' : ''], ''));
  if (where.includes(null) || terms.includes(null)) return null;
  return `${where.length ? ` where ${where.join(' and ')}` : ''}${terms.length ? ` order by ${terms.join(', ')}` : ''} limit 50`;
}

const COMPARISONS = { eq: '=', neq: '<>', gt: '>', gte: '>=', lt: '<', lte: '<=' };

function sqlCondition(name, text) {
  if (name === null) return null;
  const { not, op, operand } = split(text);
  const sql = op === 'is' ? `${name} is ${['null', 'true', 'false'].includes(operand) ? operand : 'null'}`
    : op === 'in' ? among(name, list(operand)) : compared(name, COMPARISONS[op], operand);
  return not ? `not (${sql})` : sql;
}

/** A literal of several parts is a text, to which a column of another type is not compared. */
function compared(name, operator, value) {
  const written = literal(value);
  return `${written.startsWith('(') ? `${name}::text` : name} ${operator} ${written}`;
}

function among(name, values) {
  if (values.length === 0) return 'false';
  const written = values.map(literal);
  return `${written.some((one) => one.startsWith('(')) ? `${name}::text` : name} in (${written.join(', ')})`;
}

function eventSource(params) {
  return `const source = new EventSource(${js(url(base, 'api/events', params))});\nsource.onmessage = ({ data }) => console.log(JSON.parse(data));`;
}

function react(name, filter, order) {
  const where = record();
  for (const [field, value] of filter) if (field !== 'any') (where[field.slice('where.'.length)] ??= []).push(value);
  const options = Object.entries(where).map(([field, values]) => `${field === '__proto__' ? `[${js(field)}]` : js(field)}: ${condition(values[0])}`);
  const parts = [...(options.length ? [`where: { ${options.join(', ')} }`] : []), ...(order.length ? [`order: ${js(order[0][1])}`] : [])];
  const isPartial = filter.some(([field]) => field === 'any') || Object.values(where).some((values) => values.length > 1);
  return `import { useCollection } from "pgherald/react";\n\nconst { data } = useCollection(${js(name)}${parts.length ? `, { ${parts.join(', ')} }` : ''});${isPartial ? '\n// Add the conditions that a field has twice, and groups (any).' : ''}`;
}

/** Splits "not.in.(a,b)". A value without an operator means eq. */
function split(text) {
  const [, not, op = 'eq', operand] = /^(not\.)?(?:(eq|neq|gt|gte|lt|lte|in|is)\.)?(.*)$/s.exec(text);
  return { not: Boolean(not), op, operand };
}

/** Writes "in.(a,b)" as { in: ["a", "b"] }. */
function condition(text) {
  const { not, op, operand } = split(text);
  const isPlain = op === 'eq' || op === 'is';
  const value = op === 'in' ? `[${list(operand).map(js).join(', ')}]` : op === 'is' && operand === 'null' ? 'null' : js(operand);
  if (!not) return isPlain ? value : `{ ${op}: ${value} }`;
  return `{ not: { ${isPlain ? 'eq' : op}: ${value} } }`;
}

function list(operand) {
  return [...operand.replace(/^\(|\)$/g, '').matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/g)].map(([, quoted, bare]) => (quoted === undefined ? bare : quoted.replace(/\\(.)/g, '$1')));
}
