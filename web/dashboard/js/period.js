// Periods of time in which activities were created, as the view's URL names them: "1h", or "2026-01-02..2026-01-05" with the
// days of this browser's zone, either of which may be missing. Pure functions.

/** Periods up to now. */
export const RECENT = { '1h': ['Last hour', 3600], '24h': ['Last 24 hours', 86_400], '7d': ['Last 7 days', 604_800] };

const DAYS = /^(\d{4}-\d\d-\d\d)?\.\.(\d{4}-\d\d-\d\d)?$/;

/** Returns the period of a text: {from, to} as ISO times, to being exclusive, and {seconds} of a recent one. Null for none. */
export function periodOf(text, now = Date.now()) {
  if (Object.hasOwn(RECENT, text)) {
    const [, seconds] = RECENT[text];
    return { from: new Date(now - seconds * 1000).toISOString(), to: null, seconds };
  }
  const [, from, to] = DAYS.exec(text) ?? [];
  const period = { from: dayStart(from), to: dayStart(to, 1) };
  return period.from || period.to ? period : null;
}

function dayStart(day, later = 0) {
  if (!day) return null;
  const [year, month, date] = day.split('-').map(Number);
  const at = new Date(year, month - 1, date + later);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}

/** Returns the text of the period between two days, each of which may be ''. */
export const between = (from, to) => (from || to ? `${from}..${to}` : '');

/** Returns the days of the text of a period, or '' for those that it does not have. */
export function daysOf(text) {
  const [, from = '', to = ''] = DAYS.exec(text) ?? [];
  return [from, to];
}

export function periodLabel(text) {
  if (Object.hasOwn(RECENT, text)) return RECENT[text][0];
  const [from, to] = daysOf(text);
  if (from === to) return from;
  return from && to ? `${from} to ${to}` : from ? `since ${from}` : `until ${to}`;
}

/** Reports whether a time is in a period. An unknown time is not. Times of the API have a fixed zone, but not always fractions. */
export function isWithin(time, { from, to }) {
  const at = Date.parse(time);
  return (!from || at >= Date.parse(from)) && (!to || at < Date.parse(to)) && !Number.isNaN(at);
}
