// Tests that a collection in a React page equals the database, for any table.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start, until } from './kit.mjs';
import { openReact } from './react.mjs';

let world;
before(async () => (world = await start()));
after(() => world?.close());

const prepare = `create table public.orders (id bigint generated always as identity primary key, status text not null, total numeric(12, 2) not null);
  insert into public.orders (status, total) select (array['open', 'paid', 'shipped'])[1 + i % 3], i % 97 from generate_series(1, 300) i`;

test('a collection with a filter, an order and a limit equals the database, whatever is written', async () => {
  const site = await world.site({ prepare, args: ['--tables=public.orders'] });
  const context = await world.context();
  const { database } = site;
  try {
    const page = await openReact(context, site, 'collection-app.jsx');
    const equal = (statuses, limit = 20) => until('the page equals the database', async () => {
      const rows = await database.sql(`select id || '|' || status || '|' || total::float8 from public.orders where status in (${statuses}) order by total desc, id desc limit ${limit}`);
      const shown = await page.locator('li').allTextContents();
      const state = await page.locator('output').textContent();
      assert.deepEqual([state, ...shown], ['open', ...rows]);
      return true;
    });
    await equal(`'open', 'paid'`);
    const writers = Array.from({ length: 3 }, async (_, n) => {
      for (let i = 0; i < 12; i++) {
        await database.sql(`begin;
          update public.orders set status = (array['open', 'paid', 'shipped'])[1 + (id + ${i}) % 3] where id % 3 = ${n} and id % 5 = ${i % 5};
          delete from public.orders where id in (select id from public.orders where status <> 'shipped' and id % 3 = ${n} order by total desc, id desc limit 5);
          insert into public.orders (status, total) select 'open', ${i} * 7 from generate_series(1, 3);
          commit`);
      }
    });
    await site.kill(); // while they write, and within transactions on the way to the page
    await site.start(database, ['--tables=public.orders']);
    await Promise.all(writers);
    await equal(`'open', 'paid'`);
    await page.getByRole('button', { name: 'shipped' }).click();
    await equal(`'shipped'`);
    await until('the other stream has ended', async () => (await site.connections()) === 1);
    await database.sql('truncate public.orders');
    await equal(`'shipped'`);
    assert.deepEqual(context.failures, []);
  } finally {
    await context.close();
    await site.kill();
  }
});
