// Formats times, numbers and names.

const number = new Intl.NumberFormat('en');
const dates = new Intl.DateTimeFormat([], { dateStyle: 'medium', timeStyle: 'medium' });

export const count = (n) => number.format(n);

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** Returns a number in at most five characters: 9999, 20K, 1.5M. */
export const short = (n) => (n < 10_000 ? String(Math.round(n * 10) / 10) : compact.format(n));

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** Returns the time of day in the browser's zone, with milliseconds on request. */
export function clock(ms, millis = false) {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return '–';
  const time = at.toTimeString().slice(0, 8);
  return millis ? `${time}.${String(at.getMilliseconds()).padStart(3, '0')}` : time;
}

export function dateTime(value) {
  const at = new Date(value);
  return Number.isNaN(at.getTime()) ? '–' : dates.format(at);
}

export function iso(value) {
  const at = new Date(value);
  return Number.isNaN(at.getTime()) ? '' : at.toISOString();
}

const UNITS = [[60, 's'], [60, 'min'], [24, 'h'], [365, 'd'], [Infinity, 'y']];

/** Returns the age of a time: "now", "12 s", "3 min". */
export function ago(value, now = Date.now()) {
  let n = (now - new Date(value).getTime()) / 1000;
  if (Number.isNaN(n)) return '–';
  if (n < 5) return 'now';
  for (const [size, unit] of UNITS) {
    if (n < size) return `${Math.floor(n)} ${unit}`;
    n /= size;
  }
  return '–';
}

/** Formats a duration in milliseconds, with two or three significant digits. */
export function span(ms) {
  if (!Number.isFinite(ms)) return '–';
  if (Math.abs(ms) < 10) return `${ms.toFixed(ms < 0 || ms >= 1 ? 0 : 1)} ms`;
  if (Math.abs(ms) < 1000) return `${Math.round(ms)} ms`;
  return Math.abs(ms) < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

/** Returns a status as words: in_progress as "in progress". */
export const words = (status) => String(status).replaceAll('_', ' ');

/** Returns the beginning of a text as a text of its own: a slice keeps the whole one in memory. */
export const beginning = (text, length) => JSON.parse(JSON.stringify(text.slice(0, length)));

export const shorten = (text, length) => (text.length > length ? `${text.slice(0, length)}…` : text);
