// Tests that a page with many filters of events, and two tabs with it, have one stream over HTTP/1.1, and miss and repeat nothing.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start, until } from './kit.mjs';
import { openReact } from './react.mjs';

let world;
before(async () => (world = await start()));
after(() => world?.close());

const prepare = 'create table public.orders (id bigint generated always as identity primary key, status text not null)';

/** Returns the numbers of the events that match a condition of SQL. */
const logged = async (database, condition) => (await database.sql(`select id from pgherald.events where type like 'orders%' and ${condition} order by id`)).join();

test('seven filters of events and two collections in two tabs share one stream', async () => {
  const site = await world.site({ prepare, args: ['--tables=public.orders'] });
  const context = await world.context();
  const { database } = site;
  const conditions = {
    created: `type = 'orders_created'`, updated: `type = 'orders_updated'`, deleted: `type = 'orders_deleted'`, one: `key = '1'`,
    open: `data->>'status' = 'open'`, all: 'true',
  };
  const write = () => database.sql(`begin;
    insert into public.orders (status) values ('open'), ('paid'), ('open');
    update public.orders set status = case status when 'open' then 'paid' else 'open' end where id % 2 = 1;
    delete from public.orders where id = (select max(id) from public.orders);
    commit`);
  const text = (page, name) => page.locator(`#${name}`).textContent();
  const areOpen = (page, count) => until(`${count} parts of the page are open`, async () => (await page.locator('[data-status=open]').count()) === count);
  const equal = (page, since = 0) => until('the page has every event once', async () => {
    for (const [name, condition] of Object.entries(conditions)) assert.equal(await text(page, name), await logged(database, `${condition} and id > ${since}`), name);
    for (const status of ['open', 'paid']) assert.equal(await text(page, `orders-${status}`), (await database.sql(`select id from public.orders where status = '${status}' order by id`)).join());
    return true;
  });
  try {
    const first = await openReact(context, site, 'events-app.jsx');
    await areOpen(first, 9);
    assert.equal(await site.connections(), 1);
    await write();
    await equal(first);
    assert.deepEqual(await first.evaluate(async () => (await (await fetch('/api/collections/orders?limit=1')).json()).keys), ['1']); // a connection is left

    const since = Number((await database.sql('select max(id) from pgherald.events'))[0]);
    const second = await openReact(context, site, 'events-app.jsx');
    await areOpen(second, 9);
    await until('both tabs have one stream', async () => (await site.connections()) === 1);
    await write();
    await equal(first);
    await equal(second, since);

    await first.getByRole('button', { name: 'more' }).click();
    await areOpen(first, 10);
    const late = Number((await database.sql('select max(id) from pgherald.events'))[0]);
    await write();
    await equal(first);
    await equal(second, since);
    await until('the filter that came later has what came since', async () => (await text(first, 'late')) === (await logged(database, `type <> 'orders_updated' and id > ${late}`)));
    await until('both tabs have one stream', async () => (await site.connections()) === 1);

    await first.close(); // the leader
    await write();
    await equal(second, since);
    await until('the other tab has the stream', async () => (await site.connections()) === 1);

    await site.kill();
    await write();
    await site.start(database, ['--tables=public.orders']);
    await write();
    await equal(second, since);
    assert.deepEqual(context.failures, []);
  } finally {
    await context.close();
    await site.kill();
  }
});
