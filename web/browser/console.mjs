// Reads what the console shows: the document only, not the state of its scripts.

import assert from 'node:assert/strict';
import { LIMIT, until } from './kit.mjs';

/** The tables of the scenarios: an enum, a numeric, a key of two columns, a large number, and texts of strangers. */
export const prepare = `create type public.state as enum ('open', 'paid', 'shipped');
  create table public.orders (id bigint generated always as identity primary key, status public.state not null default 'open', total numeric(12, 2) not null, item text not null, big bigint, placed timestamptz not null default '2026-01-02 03:04:05+00');
  create table public.lines (orders int, line int, sku text, primary key (orders, line));
  insert into public.orders (status, total, item, big) select (enum_range(null::public.state))[1 + i % 3], i % 97, '<b>Item ' || i || '</b>', 9007199254740993 from generate_series(1, 450) i;
  insert into public.lines select i, 1, 'SKU' from generate_series(1, 5) i`;

export const args = ['--tables=public.*'];

/** Makes consumers: one that is behind, fails and has parked events, one that has to load everything again, and one that is well. */
export const consumers = `insert into pgherald.consumers (name, log, next, holes, forwards_to, consumed_at, failing_since, failure)
  select 'billing', 'x/' || id, (select coalesce(min(xid), pg_current_xact_id()) from pgherald.events), '{}', 'nats://nats.internal:4222?subject=orders', now() - interval '10 minutes', now() - interval '9 minutes', 'publish: no stream has the subject' from pgherald.log;
  insert into pgherald.consumers (name, log, next, holes) values ('mailer <b>x</b>', 'another/0', '9000000000', '{}');
  insert into pgherald.consumers (name, log, next, holes, consumed_at) select 'search', 'x/' || id, '9000000000', '{}', now() from pgherald.log;
  insert into pgherald.parked (consumer, id, lane, type, envelope, bytes, attempts, failure) select 'billing', i, i, 'note', '{}', 2, 8, 'publish: no stream has the subject' from generate_series(1, 2) i`;

export const state = (page) => page.locator('#connection').getAttribute('data-state');

export async function open(context, site, hash = '#collections/orders') {
  const page = await context.newPage();
  await page.goto(site.url + hash);
  await until('the console is live', async () => (await state(page)) === 'open');
  return page;
}

/** Runs in the page. It scrolls the grid from top to bottom until no further rows come, and returns the text of each. */
async function walk(id) {
  const scroller = document.getElementById(id);
  const found = new Map();
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  for (let top = 0, idle = 0, waits = 0; idle < 2 && waits < 500; ) {
    scroller.scrollTop = top;
    await frame();
    for (const row of scroller.querySelectorAll('.tr')) found.set(Number(row.getAttribute('aria-rowindex')), [...row.children].map((cell) => cell.textContent));
    const isEnd = top + scroller.clientHeight >= scroller.scrollHeight;
    if (isEnd && scroller.parentElement.getAttribute('aria-rowcount') === '-1') {
      waits++;
      await new Promise((resolve) => setTimeout(resolve, 20)); // a page is on its way
      continue;
    }
    idle = isEnd ? idle + 1 : 0;
    top += scroller.clientHeight / 2;
  }
  scroller.scrollTop = 0;
  await frame();
  return [...found].sort((a, b) => a[0] - b[0]).map(([, cells]) => cells);
}

/** Returns the cells of all rows of the grid, in order. */
export const rows = (page, id = 'table-scroll') => page.evaluate(`(${walk})(${JSON.stringify(id)})`);

/** Waits until the grid shows exactly the result of a query, as `id|status|total`. */
export async function equal(page, database, query) {
  let wanted = [];
  let got = [];
  await until('the grid equals the database', async () => {
    wanted = await database.sql(query);
    got = (await rows(page)).map((cells) => cells.slice(0, 3).join('|'));
    return JSON.stringify(got) === JSON.stringify(wanted);
  }, LIMIT / 2).catch(() => {});
  assert.deepEqual(got, wanted);
}
