// Builds psql and curl commands for what the page shows. Each can be pasted into a shell unchanged.

import { base } from './server.js';
import { FILTERS } from './list.js';

/** Quotes text for a shell, which then expands nothing in it. */
const single = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;
const double = (text) => `"${String(text).replace(/[\\"$`]/g, '\\$&')}"`;

/** Quotes text for SQL, with standard_conforming_strings on, its default. */
const literal = (text) => (text === null ? 'null' : `'${String(text).replaceAll("'", "''")}'`);

const psql = (sql) => `psql "$DATABASE_URL" -c ${double(sql)}`;
const url = (path, params = []) => single(`${new URL(path, base).href}${params.length ? `?${new URLSearchParams(params)}` : ''}`);
const send = (method, path, body) => `curl -sS -X ${method} ${url(path)} \\\n  -H 'Content-Type: application/json' \\\n  -d ${single(JSON.stringify(body))}`;

const SQL_COLUMN = { status: 'a.status', category: 'a.category', location: 'a.location', assignedTo: 's.assignee_id' };
const SQL_ORDER = { status: 'a.status', what: 'a.category, a.subcategory', location: 'a.location', assignedTo: 's.assignee_id', reporter: 'a.reporter', created: 'a.created_at', updated: 'a.updated_at' };

/** Returns commands for the filtered list. */
export function forList(view) {
  const active = Object.keys(FILTERS).filter((name) => view[name].size > 0);
  const params = active.flatMap((name) => [...view[name]].map((value) => [name, value]));
  const q = view.q.trim();
  const where = active.map((name) => condition(SQL_COLUMN[name], [...view[name]]));
  const order = SQL_ORDER[view.sort].split(', ').map((column) => column + (view.down ? ' desc' : '')).join(', ');
  const select = 'select a.*, s.assignee_id from activities a left join assignments s on s.activity_id = a.id';
  return [
    ['List them with psql', psql(`${select}${where.length ? ` where ${where.join(' and ')}` : ''} order by ${order} limit 50`), q ? 'Without the search, which the API applies to several columns.' : ''],
    ['List them with curl', `curl -sS ${url('api/activities', [...params, ...(q ? [['q', q]] : [])])}`, /\s/.test(q) ? 'The API searches for the words as one phrase.' : ''],
    ['Follow them with curl', `curl -N ${url('api/events', active.flatMap((name) => [...view[name]].map((value) => [`where.${name}`, value])))}`, active.length ? 'Only events with these values: the change to another value is not sent.' : ''],
    ['Write one with psql', psql("insert into activities (category, subcategory, location, reporter) values ('Maintenance', 'HVAC', 'HQ, floor 1', 'psql')")],
  ];
}

function condition(column, values) {
  const given = values.filter((value) => value !== '').map(literal);
  const parts = [given.length === 1 ? `${column} = ${given[0]}` : given.length ? `${column} in (${given.join(', ')})` : '', values.includes('') ? `${column} is null` : ''].filter(Boolean);
  return parts.length > 1 ? `(${parts.join(' or ')})` : parts[0];
}

/** Returns commands for one activity. */
export function forActivity({ id, status }, name) {
  const path = `api/activities/${id}`;
  const user = name || 'you';
  const next = status === 'resolved' ? 'closed' : 'resolved';
  return [
    ['Read it with psql', psql(`select a.*, s.assignee_id from activities a left join assignments s on s.activity_id = a.id where a.id = ${literal(id)}`)],
    ['Read it with curl', `curl -sS ${url(path)}`],
    ['Change it with psql', psql(`update activities set status = ${literal(next)} where id = ${literal(id)}`)],
    ['Change it with curl', send('PUT', path, { status: next })],
    ['Assign it with psql', psql(`insert into assignments (activity_id, assignee_id) values (${literal(id)}, ${literal(user)}) on conflict (activity_id) do update set assignee_id = excluded.assignee_id`)],
    ['Add a note with curl', send('POST', `${path}/notes`, { notes: 'Parts are ordered.', authorId: user })],
    ['Follow it with curl', `curl -N ${url('api/events', [['key', id]])}`],
  ];
}

/** Returns commands for the stream. `cursor` is the page's, `type` its filter. */
export function forStream(cursor, type) {
  const types = type ? [['types', type]] : [];
  return [
    ['Resume at this cursor with curl', `curl -N ${url('api/events', [...types, ...(cursor ? [['since', cursor]] : [])])}`],
    ['Follow new events with curl', `curl -N ${url('api/events', types)}`],
    ['Follow in colours', `pgherald tail ${single(base.href)}`],
    ['Read the log with psql', psql(`select id, at, type, key, data from pgherald.events${type ? ` where type = ${literal(type)}` : ''} order by id desc limit 20`)],
    ['Listen to wake-ups in psql', 'listen pgherald;'],
  ];
}
