// The consumers of the log, as a table: jobs that call pgherald.consume, and receivers of pgherald forward.

import { h } from '../../shared/js/dom.js';
import { ago, count, dateTime, plural, span } from '../../shared/js/format.js';

/** The age of the oldest event that it has not seen above which a consumer is late, in milliseconds. */
const LATE = 300_000;

/** Up to these numbers the server counts. */
const MOST_BEHIND = 1000;
const MOST_PARKED = 10_000;

const upTo = (n, most) => `${count(n)}${n >= most ? '+' : ''}`;

const since = (at) => (ago(at) === 'now' ? 'now' : `${ago(at)} ago`);

/** Returns the mood of the card. */
export function moodOf(consumers) {
  if (consumers.error || consumers.list.some(({ lost, lagMs }) => lost || lagMs > LATE)) return 'bad';
  return consumers.list.some(({ state, parked, failure }) => state === 'stopped' || parked || failure) ? 'warn' : 'good';
}

/** Returns the content of the card. */
export function consumerTable({ list, more, error }) {
  if (error) return [h('p', { class: 'problem', text: error })];
  if (list.length === 0) return [h('p', { text: 'There are none.' })];
  const head = ['Consumer', 'Last move', 'Lag', 'Parked'].map((text) => h('th', { scope: 'col', text }));
  return [h('table', { class: 'consumers' }, h('thead', {}, h('tr', {}, head)), list.map(rows)), more ? h('p', { class: 'hint', text: 'There are others.' }) : null];
}

/** Returns the rows of a consumer: figures, and below them texts over the whole width. */
function rows({ name, state, target, movedAt, lagMs, behind, parked, lost, failingSince, failure }) {
  const wrong = [
    lost ? 'The log no longer reaches back to it: it has to load everything again.' : '',
    state === 'stopped' ? 'No process of pgherald forward runs.' : '',
    failure ? `Nothing was acknowledged${failingSince ? ` since ${dateTime(failingSince)}` : ''}: ${failure}` : '',
  ].filter(Boolean);
  const figures = h('tr', {}, h('th', { scope: 'row', text: name }),
    h('td', {}, movedAt ? h('span', { title: dateTime(movedAt), text: since(movedAt) }) : 'never'),
    h('td', {}, h('span', { class: lagMs > LATE ? 'mood bad' : '', text: behind ? span(lagMs) : '–' }), behind ? h('span', { class: 'hint', text: behind >= MOST_BEHIND ? `${upTo(behind, MOST_BEHIND)} events` : plural(behind, 'event') }) : null),
    h('td', {}, h('span', { class: parked ? 'mood bad' : '', text: upTo(parked, MOST_PARKED) })));
  const texts = h('td', { colspan: '4' }, h('span', { class: 'hint', text: state === 'job' ? 'by pgherald.consume' : `to ${target}` }), wrong.map((text) => h('span', { class: 'problem', text })));
  return h('tbody', { data: { key: name } }, figures, h('tr', {}, texts));
}
