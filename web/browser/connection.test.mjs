// Tests the page across lost connections, restarted servers and closed tabs, and under a burst of events.

import assert from 'node:assert/strict';
import { artefacts, until } from './kit.mjs';
import { connectionCard, equal, eventNumbers, live, open, said, shown, state } from './page.mjs';
import { openReact } from './react.mjs';
import { scenario, world } from './scenario.mjs';
import { traced } from './trace.mjs';

scenario('ten tabs share one connection, and a closed leader leaves no gap', async ({ site, database, context, t }) => {
  const first = await open(context, site);
  const pages = [first, ...(await Promise.all(Array.from({ length: 9 }, () => open(context, site))))];
  await until('one connection is left', async () => (await site.connections()) === 1);
  const seen = async (page) => (await eventNumbers(page)).length;
  let writing = true;
  const writer = (async () => {
    while (writing) await database.sql(`select pg_sleep(0.1); insert into activities (category, subcategory, location, reporter) values ('Safety', 'Drill', 'HQ', 'psql'), ('Safety', 'Fire', 'HQ', 'psql')`);
  })();
  const left = [...pages];
  try {
    await until('events arrive', async () => (await seen(pages[9])) > 6);
    const leader = await until('a tab has the connection', () => findLeader(pages));
    left.splice(left.indexOf(leader), 1);
    await leader.close();
    const count = await seen(left[0]);
    await until('further events arrive', async () => (await seen(left[0])) > count + 6);
  } finally {
    writing = false;
    await writer;
  }
  const log = await database.events();
  for (const page of left) {
    await page.bringToFront(); // background tabs draw rarely
    let numbers = [];
    await until('the last event has arrived', async () => (numbers = await eventNumbers(page)).at(-1) === log.at(-1));
    assert.deepEqual(numbers, log.slice(-numbers.length));
    assert.ok(numbers.length > 12);
  }
  await until('the tabs have one connection', async () => (await site.connections()) === 1);
  await equal(left[0], database);
  t.diagnostic(`${log.length} events, ${left.length} tabs`);
});

/** Returns the page whose tab has the connection of all tabs. */
async function findLeader(pages) {
  for (const page of pages) if (/this tab has the connection of all tabs/.test(await page.locator('#connection').getAttribute('title'))) return page;
  return null;
}

scenario('the server is killed and restarted while rows are written', async ({ site, database, context }) => {
  await database.insert(20);
  const page = await open(context, site);
  await database.insert(5);
  await site.kill();
  await until('the page shows it', async () => (await state(page)) === 'reconnecting');
  await page.locator('.toast', { hasText: 'The connection was lost' }).waitFor();
  await page.screenshot({ path: `${artefacts}lost.png` });
  await database.insert(30, 'while it was stopped');
  await database.sql(`update activities set status = 'resolved' where subcategory = 'No 3'; delete from activities where subcategory = 'No 4'; insert into assignments (activity_id, assignee_id) select id, 'grace' from activities where subcategory = 'No 5'`);
  await site.start();
  await live(page);
  await database.insert(3, 'after the restart');
  await equal(page, database);
  const log = await database.events();
  const numbers = await eventNumbers(page);
  assert.deepEqual(numbers, log.slice(-numbers.length));
  const card = await connectionCard(page);
  assert.match(card, /Reconnected after .*missed/);
  assert.match(card, /Resets\s+0/);
});

scenario('a reset loads everything again', async ({ site, database, context }) => {
  await database.insert(10);
  const page = await open(context, site);
  await until('they are there', async () => (await shown(page)) === '10');
  const other = await world.database();
  await site.stop();
  await site.start(other); // another log, in which the page's cursor is invalid
  await other.insert(4, 'another database');
  await said(page, 'Reset: the log is another one');
  await equal(page, other);
  await other.insert(2);
  await equal(page, other);
  assert.match(await connectionCard(page), /Resets\s+1/);
});

scenario('offline and back', async ({ site, database, context }) => {
  await database.insert(3);
  const page = await open(context, site);
  await context.setOffline(true); // keeps open connections, so the server is killed too
  await site.kill();
  await until('the page shows it', async () => (await state(page)) === 'offline');
  await site.start();
  await database.insert(7, 'while offline');
  assert.equal(await state(page), 'offline');
  await context.setOffline(false);
  await live(page);
  await equal(page, database);
});

scenario('the page stays responsive in a burst of 5,000 events, and equals the database', async ({ site, database, context, t }) => {
  const page = await open(context, site);
  await page.evaluate(() => {
    window.longest = 0;
    let last = performance.now();
    const frame = (now) => {
      window.longest = Math.max(window.longest, now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  const writer = (async () => {
    for (let i = 0; i < 8; i++) await database.insert(500);
    await database.sql(`update activities set status = 'resolved' where right(id::text, 1) in ('0', '1', '2', '3')`);
  })();
  await page.keyboard.press('n');
  await page.locator('#new-dialog').getByLabel('Category', { exact: true }).fill('typed during the burst');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.mouse.move(0, 0); // over the rows, it would hold them
  await writer;
  assert.ok((await database.events()).length > 4800);
  await page.setViewportSize({ width: 1440, height: 4000 });
  await equal(page, database);
  assert.equal(await page.locator('#total').textContent(), '4,000');
  t.diagnostic(`longest frame ${Math.round(await page.evaluate(() => window.longest))} ms`);
});

scenario('200 events a second', async ({ site, database, context, t }) => {
  await database.insert(2000);
  const page = await open(context, site);
  const pace = await traced(page, () => database.sql(`do $$ begin for i in 1..50 loop
    update activities set status = (array['open', 'in_progress', 'blocked', 'resolved'])[1 + i % 4] where id in (select id from activities order by id offset i * 30 limit 18);
    insert into activities (category, subcategory, location, reporter) values ('Safety', 'New', 'HQ', 'psql'), ('Cleaning', 'New', 'HQ', 'psql');
    commit; perform pg_sleep(0.1); end loop; end $$`));
  await page.setViewportSize({ width: 1440, height: 4000 });
  await equal(page, database);
  assert.ok((await page.locator('#grid-space .row').count()) < 120, 'only visible rows exist');
  t.diagnostic(`1,000 events in ${pace.seconds.toFixed(1)} s; ${pace.text}`);
  assert.ok(pace.tasks > 0);
});

scenario('the React hook under StrictMode', async ({ site, database, context }) => {
  const page = await openReact(context, site);
  await page.getByText('connected', { exact: true }).waitFor();
  await until('StrictMode leaves one connection', async () => (await site.connections()) === 1);
  const shownNumbers = async () => (await page.locator('li').allTextContents()).map(Number).sort((a, b) => a - b);
  await database.insert(5);
  await until('they are there', async () => (await shownNumbers()).length === 5);
  const opens = await page.locator('p').textContent();
  for (let i = 0; i < 3; i++) await page.getByRole('button').click(); // each click passes a new onEvent
  await page.getByRole('button', { name: '3' }).waitFor();
  await site.kill();
  await until('it notices', async () => (await page.locator('output').textContent()) === 'reconnecting');
  await database.insert(5);
  await site.start();
  await database.insert(5);
  const log = await database.events();
  await until('all are there', async () => (await shownNumbers()).length === 15);
  assert.deepEqual(await shownNumbers(), log);
  assert.deepEqual(await page.evaluate(() => window.received), log);
  assert.equal(Number(await page.locator('p').textContent()), Number(opens) + 1);
  await until('it has one connection', async () => (await site.connections()) === 1);
  await page.getByRole('checkbox').uncheck();
  await until('the stream ends with the component', async () => (await site.connections()) === 0);
});
