// Builds psql and curl commands for what the page shows. Each can be pasted into a shell unchanged; quote.js says into which. A
// command is null if it cannot be written so.

import { base } from '../../shared/js/server.js';
import { FILTERS } from './list.js';
import { periodOf } from './period.js';
import { command, json, literal, shell, url } from '../../shared/js/quote.js';

const psql = (sql) => command('psql "$DATABASE_URL" -c', shell(sql));
const curl = (options, path, params) => command('curl', options, shell(url(base, path, params)));
const send = (method, path, body) => command(curl(`-sS -X ${method} -H 'Content-Type: application/json'`, path), '-d', shell(json(body)));

const SQL_COLUMN = { status: 'a.status', category: 'a.category', location: 'a.location', assignedTo: 's.assignee_id', reporter: 'a.reporter' };
const SQL_ORDER = { status: 'a.status', what: 'a.category, a.subcategory', location: 'a.location', assignedTo: 's.assignee_id', reporter: 'a.reporter', created: 'a.created_at', updated: 'a.updated_at' };

/** Returns commands for the filtered list. */
export function forList(view) {
  const active = Object.keys(FILTERS).filter((name) => view[name].size > 0);
  const params = active.flatMap((name) => [...view[name]].map((value) => [name, value]));
  const q = view.q.trim();
  const period = periodOf(view.created);
  const where = [...active.map((name) => condition(SQL_COLUMN[name], [...view[name]])), ...(period ? sqlOf(period) : [])];
  const order = SQL_ORDER[view.sort].split(', ').map((column) => column + (view.down ? ' desc' : '')).join(', ');
  const select = 'select a.*, s.assignee_id from activities a left join assignments s on s.activity_id = a.id';
  return [
    ['List them with psql', psql(`${select}${where.length ? ` where ${where.join(' and ')}` : ''} order by ${order} limit 50`), q ? 'Without the search, which the API applies to several columns.' : ''],
    ['List them with curl', curl('-sS', 'api/activities', [...params, ...(q ? [['q', q]] : [])]), [/\s/.test(q) && 'The API searches for the words as one phrase.', period && 'Without the period, for which the API has no parameter.'].filter(Boolean).join(' ')],
    ['Follow them with curl', curl('-N', 'api/events', active.flatMap((name) => [...view[name]].map((value) => [`where.${name}`, value]))), active.length ? 'Only events with these values: the change to another value is not sent.' : ''],
    ['Write one with psql', psql(`insert into activities (category, subcategory, location, reporter) values (${['Maintenance', 'HVAC', 'HQ, floor 1', 'psql'].map(literal).join(', ')})`)],
  ];
}

/** Returns the conditions of a period in SQL. A relative period stays relative to the time at which the command runs. */
function sqlOf({ from, to, seconds }) {
  if (seconds) return [`a.created_at > now() - interval ${literal(`${seconds} s`)}`];
  return [from && `a.created_at >= ${literal(from)}`, to && `a.created_at < ${literal(to)}`].filter(Boolean);
}

function condition(column, values) {
  const given = values.filter((value) => value !== '').map(literal);
  const parts = [given.length === 1 ? `${column} = ${given[0]}` : given.length ? `${column} in (${given.join(', ')})` : '', values.includes('') ? `${column} is null` : ''].filter(Boolean);
  return parts.length > 1 ? `(${parts.join(' or ')})` : parts[0];
}

/** Returns commands for one activity. */
export function forActivity({ id, status }, name) {
  const path = `api/activities/${encodeURIComponent(id)}`;
  const user = name || 'you';
  const next = status === 'resolved' ? 'closed' : 'resolved';
  return [
    ['Read it with psql', psql(`select a.*, s.assignee_id from activities a left join assignments s on s.activity_id = a.id where a.id = ${literal(id)}`)],
    ['Read it with curl', curl('-sS', path)],
    ['Change it with psql', psql(`update activities set status = ${literal(next)} where id = ${literal(id)}`)],
    ['Change it with curl', send('PUT', path, { status: next })],
    ['Assign it with psql', psql(`insert into assignments (activity_id, assignee_id) values (${literal(id)}, ${literal(user)}) on conflict (activity_id) do update set assignee_id = excluded.assignee_id`)],
    ['Add a note with curl', send('POST', `${path}/notes`, { notes: 'Ordered', authorId: user })],
    ['Follow it with curl', curl('-N', 'api/events', [['key', id]])],
  ];
}

/** Returns commands for the stream. `cursor` is the page's, `type` its filter. */
export function forStream(cursor, type) {
  const types = type ? [['types', type]] : [];
  return [
    ['Resume at this cursor with curl', curl('-N', 'api/events', [...types, ...(cursor ? [['since', cursor]] : [])])],
    ['Follow new events with curl', curl('-N', 'api/events', types)],
    ['Follow in colours', command('pgherald tail', shell(url(base, '')))],
    ['Read the log with psql', psql(`select id, at, type, key, data from pgherald.events${type ? ` where type = ${literal(type)}` : ''} order by id desc limit 20`)],
    ['Listen to wake-ups in psql', 'listen pgherald;'],
  ];
}
