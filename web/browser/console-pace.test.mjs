// Measures the console while a table changes 200 times a second: the share of a core that the page takes, and its longest task.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { args, open, prepare } from './console.mjs';
import { start, until } from './kit.mjs';
import { traced } from './trace.mjs';

let world;
let site;
before(async () => {
  world = await start();
  site = await world.site({ prepare, args });
});
after(async () => {
  await site?.kill();
  await world?.close();
});

/** Changes and the time between two, in milliseconds: 200 a second. */
const CHANGES = 600;
const EVERY = 5;

/** Writes changes of 20 rows, one a transaction, from a procedure in the database: no client's speed limits it. */
const writer = `do $$ declare at timestamptz := clock_timestamp(); begin
  for i in 1..${CHANGES} loop
    update public.orders set total = i, status = (enum_range(null::public.state))[1 + i % 3] where id = 1 + i % 20;
    commit;
    perform pg_sleep(greatest(0, extract(epoch from at + i * interval '${EVERY} ms' - clock_timestamp())));
  end loop;
end $$`;

for (const [name, hash] of [['rows', '#collections/orders?order=total.desc'], ['events', '#events']]) {
  test(`the ${name} of the console at 200 changes a second`, async (t) => {
    const context = await world.context({ viewport: { width: 1280, height: 800 } });
    try {
      const page = await open(context, site, hash);
      const pace = await traced(page, () => site.database.sql(writer));
      await until('the last change is shown', () => page.evaluate((total) => [...document.querySelectorAll('.td')].some((cell) => cell.textContent.includes(total)), String(CHANGES)));
      t.diagnostic(`${CHANGES} changes in ${pace.seconds.toFixed(1)} s; ${pace.text}`);
      // How long its tasks take depends on the machine, so it only says that.
      assert.ok(pace.tasks > 0, pace.text);
      assert.deepEqual(context.failures, []);
    } finally {
      await context.close();
    }
  });
}
