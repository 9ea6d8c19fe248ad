// What every scenario has: a database, a server and a browser profile of its own.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from './kit.mjs';

/** One PostgreSQL and one browser for all scenarios of a file; there once they run. */
export let world;
before(async () => (world = await start()));
after(() => world?.close());

/** Runs a scenario with a site and a browser profile of its own, and fails if a page threw or broke the policy. */
export function scenario(name, act) {
  test(name, async (t) => {
    const site = await world.site();
    const context = await world.context();
    try {
      await act({ site, database: site.database, context, t });
      assert.deepEqual(context.failures, []);
    } finally {
      await context.close();
      await site.kill();
    }
  });
}
