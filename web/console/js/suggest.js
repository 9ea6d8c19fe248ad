// Completes conditions in the grammar of streams and lists: status=in.(open,paid), total=gte.100, any=(…).

const NAMES = {
  eq: 'equals', neq: 'differs from', gt: 'above', gte: 'at least', lt: 'below', lte: 'at most', in: 'one of', is: 'is null',
};

const EXAMPLES = {
  integer: '17', numeric: '12.50', uuid: '0f0e1a56-9d07-4d4e-8a6c-0d2b3a4c5e6f', date: '2026-01-31', timestamp: '2026-01-31T12:30:00', timestamptz: '2026-01-31T12:30:00Z',
};

/** A value that begins so would be read as an operator. */
const GRAMMAR = /^(not|eq|neq|gt|gte|lt|lte|in|is)\./;

/** Splits "status=in.(open)" into a parameter of the API, or returns null. */
export function parseCondition(text, fields) {
  const trimmed = text.trim();
  const at = trimmed.indexOf('=');
  if (at <= 0) return null;
  const name = trimmed.slice(0, at).trim().replace(/^where\./, '');
  const value = trimmed.slice(at + 1).trim();
  if (name === 'any' && !fields.some((field) => field.name === 'any')) return ['any', value];
  return [`where.${name}`, value];
}

/** Writes a parameter of the API as a condition. */
export const conditionOf = ([name, value]) => `${name.replace(/^where\./, '')}=${value}`;

/**
 * Returns completions of a text: [{text, label, note, isDone}]; isDone if the condition is complete. `seen(field)` returns
 * values of the field in the rows that are loaded.
 */
export function suggest(text, fields, seen) {
  const at = text.indexOf('=');
  if (at < 0) return suggestFields(text.trim(), fields);
  const name = text.slice(0, at).trim().replace(/^where\./, '');
  const value = text.slice(at + 1);
  if (name === 'any' && !fields.some((field) => field.name === 'any')) return suggestGroup(`${name}=`, value, fields, seen);
  const field = fields.find((one) => one.name === name);
  return field ? suggestComparison(`${name}=`, value, field, seen, true) : [];
}

function suggestFields(text, fields) {
  const low = text.toLowerCase();
  const found = fields.filter(({ name }) => name.toLowerCase().includes(low)).sort((a, b) => Number(!a.name.toLowerCase().startsWith(low)) - Number(!b.name.toLowerCase().startsWith(low)));
  const all = found.map(({ name, kind }) => ({ text: `${name}=`, label: name, note: kind, isDone: false }));
  return 'any'.startsWith(low) ? [...all, { text: 'any=(', label: 'any=(…)', note: 'one of several conditions', isDone: false }] : all;
}

/** Completes "not.in.(open,pa". `isBare` allows a value without an operator, which means eq. */
function suggestComparison(before, value, field, seen, isBare) {
  const [, not, rest] = /^(not\.)?(.*)$/s.exec(value);
  const start = before + (not ?? '');
  const operator = /^(eq|neq|gt|gte|lt|lte|in|is)\.(.*)$/s.exec(rest);
  if (!operator) return suggestOperators(start, rest, field, seen, isBare && !not);
  const [, op, operand] = operator;
  if (op === 'is') return literals(field).filter((one) => one.startsWith(operand)).map((one) => done(`${start}is.${one}`));
  if (op !== 'in') return suggestValues(`${start}${op}.`, operand, field, seen);
  if (!operand.startsWith('(')) return [{ text: `${start}in.(`, label: 'in.(', note: NAMES.in, isDone: false }];
  return suggestList(`${start}in.`, operand, field, seen);
}

const literals = (field) => (field.kind === 'boolean' ? ['null', 'true', 'false'] : ['null']);
const done = (text, label = text.slice(text.indexOf('=') + 1), note = '') => ({ text, label, note, isDone: true });

function suggestOperators(start, typed, field, seen, isBare) {
  const values = isBare ? suggestValues(start, typed, field, seen) : [];
  const operators = field.operators.filter((op) => op.startsWith(typed)).map((op) => (op === 'is'
    ? done(`${start}is.null`, 'is.null', NAMES.is)
    : { text: `${start}${op}.${op === 'in' ? '(' : ''}`, label: op === 'in' ? 'in.(…)' : `${op}.…`, note: NAMES[op], isDone: false }));
  const not = isBare && 'not'.startsWith(typed) ? [{ text: `${start}not.`, label: 'not.…', note: 'the opposite', isDone: false }] : [];
  return typed ? [...operators, ...values, ...not] : [...values, ...operators, ...not];
}

function suggestValues(start, typed, field, seen) {
  const low = typed.toLowerCase();
  const known = valuesOf(field, seen).filter((value) => value.toLowerCase().includes(low) && value !== typed).slice(0, 12);
  const before = (value) => (start.endsWith('=') && GRAMMAR.test(value) ? `${start}eq.` : start);
  if (known.length) return known.map((value) => done(before(value) + value, value, field.kind === 'enum' ? 'label' : 'in these rows'));
  return typed || !EXAMPLES[field.kind] ? [] : [{ text: start, label: EXAMPLES[field.kind], note: `an example of ${field.kind}`, isDone: false }];
}

function valuesOf(field, seen) {
  if (field.kind === 'enum') return field.labels ?? [];
  return field.kind === 'boolean' ? ['true', 'false'] : seen(field.name);
}

/** Completes the last value of "(open,pa". */
function suggestList(start, operand, field, seen) {
  const comma = operand.lastIndexOf(',');
  const head = operand.slice(0, comma < 0 ? 1 : comma + 1);
  const typed = operand.slice(head.length).replace(/\)$/, '');
  const used = new Set(head.slice(1).split(','));
  const more = valuesOf(field, seen).filter((value) => !used.has(value) && value.toLowerCase().includes(typed.toLowerCase())).slice(0, 12)
    .map((value) => ({ text: `${start}${head}${quoted(value)}`, label: value, note: 'and more with ,', isDone: false }));
  const closed = `${start}${head}${typed})`;
  return typed && !operand.endsWith(')') ? [done(closed, closed.slice(closed.indexOf('=') + 1), 'complete'), ...more.filter(({ label }) => label !== typed)] : more;
}

/** Quotes a value where a list or a group needs it. */
export const quoted = (value) => (value !== '' && !/[,()"\\]/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`);

/** Completes the last item of "(status.eq.open,total.". */
function suggestGroup(start, value, fields, seen) {
  if (!value.startsWith('(')) return [{ text: `${start}(`, label: '(', note: 'begins a group', isDone: false }];
  const from = Math.max(value.lastIndexOf(','), value.lastIndexOf('(')) + 1;
  const head = start + value.slice(0, from);
  const item = value.slice(from);
  const dot = item.indexOf('.');
  if (/\bin\.\([^)]*$/.test(value)) return [];
  if (dot < 0) return fields.filter(({ name }) => name.startsWith(item)).map(({ name, kind }) => ({ text: `${head}${name}.`, label: name, note: kind, isDone: false }));
  const field = fields.find(({ name }) => name === item.slice(0, dot));
  if (!field) return [];
  return suggestComparison(`${head}${field.name}.`, item.slice(dot + 1), field, seen, false).map((one) => ({ ...one, label: one.text.slice(head.length), isDone: false }));
}
