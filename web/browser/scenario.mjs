// Provides each scenario with its own database, server and browser profile.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from './kit.mjs';

/** The PostgreSQL and the browser of all scenarios of a file. It is set before they run. */
export let world;
before(async () => (world = await start()));
after(() => world?.close());

let site; // of all scenarios of a file that share one
after(() => site?.kill());

/** Runs a scenario with its own browser profile, on a server that other scenarios used before: it begins without activities. */
export function shared(name, act) {
  test(name, async (t) => {
    if (site) await site.database.sql('truncate activities cascade');
    else site = await world.site();
    const context = await world.context();
    try {
      await act({ site, database: site.database, context, t });
      assert.deepEqual(context.failures, []);
    } finally {
      await context.close();
    }
  });
}

/** Runs a scenario with its own site and browser profile. It fails if a page threw or violated its content security policy. */
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
