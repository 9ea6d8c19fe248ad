// The dashboard in a real browser, on a real server and a real PostgreSQL. README.md says how to run it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { artefacts, start, until } from './kit.mjs';
import { activities, connectionCard, equal, eventNumbers, live, open, shown, state } from './page.mjs';
import { openReact } from './react.mjs';

let world;
before(async () => (world = await start()));
after(() => world?.close());

/** Runs a scenario with a site and a browser profile of its own, and fails if a page threw or broke the policy. */
function scenario(name, act, options) {
  test(name, async (t) => {
    const site = await world.site();
    const context = await world.context(options);
    try {
      await act({ site, database: site.database, context, t });
      assert.deepEqual(context.failures, []);
    } finally {
      await context.close();
      await site.kill();
    }
  });
}

scenario('a row inserted by psql appears', async ({ site, database, context }) => {
  const page = await open(context, site);
  await page.getByText('No activities yet').waitFor();
  await database.sql(`insert into activities (category, subcategory, location, reporter) values ('<b>Safety</b>', 'Fire', 'HQ', 'psql')`);
  await page.locator('.row', { hasText: '<b>Safety</b> / Fire' }).waitFor();
  await page.locator('.event', { hasText: 'activity_created' }).waitFor();
  await equal(page, database);
});

scenario('people create, change, assign, note and delete', async ({ site, database, context }) => {
  const page = await open(context, site);
  await page.keyboard.press('n');
  await page.locator('#new-dialog').getByLabel('Category', { exact: true }).fill('Safety');
  await page.locator('#new-dialog').getByLabel('Subcategory').fill('Drill');
  await page.locator('#new-dialog').getByLabel('Location').fill('Lab');
  await page.locator('#new-dialog').getByLabel('Reporter').fill('ada');
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await page.locator('#grid-space .row').click();
  const side = page.locator('#activity-side');
  await side.getByLabel('Status').fill('in_progress');
  await side.getByRole('button', { name: 'Save' }).click();
  await page.locator('.row .status', { hasText: 'in progress' }).waitFor();
  await side.getByRole('button', { name: 'Me' }).click(); // whoever reported first is the one
  await page.locator('.row .who', { hasText: 'ada' }).waitFor();
  await side.getByLabel('A note').fill('Two people needed.');
  await side.getByRole('button', { name: 'Add note' }).click();
  await side.locator('.notes li', { hasText: 'Two people needed.' }).waitFor();
  await page.locator('.row .note', { hasText: 'Two people needed.' }).waitFor();
  await equal(page, database);
  await side.getByRole('button', { name: 'Delete' }).click();
  await side.getByRole('button', { name: 'Delete for ever?' }).click();
  await page.getByText('No activities yet').waitFor();
  assert.deepEqual(await database.activities(), []);
});

scenario('what somebody types is not overwritten, and a refusal loses nothing', async ({ site, database, context }) => {
  await database.insert(1);
  const page = await open(context, site);
  await page.locator('#grid-space .row').click();
  const location = page.locator('#activity-side').getByLabel('Location');
  await location.fill('x'.repeat(150));
  await database.sql(`update activities set location = 'Annex', status = 'blocked'`);
  await page.getByText('is now “Annex”').waitFor();
  assert.equal(await location.inputValue(), 'x'.repeat(150));
  await until('an untouched field follows', async () => (await page.locator('#activity-side').getByLabel('Status').inputValue()) === 'blocked');
  await page.locator('#activity-side').getByLabel('Status').fill('');
  await page.locator('#activity-side').getByRole('button', { name: 'Save' }).click();
  await page.locator('#activity-side .field .error').waitFor();
  assert.equal(await location.inputValue(), 'x'.repeat(150));
});

scenario('search, filters and order', async ({ site, database, context }) => {
  await database.insert(30);
  await database.sql(`update activities set status = 'blocked' where category = 'Safety'`);
  const page = await open(context, site, '#q=No+1');
  await until('the fragment is heeded', async () => (await shown(page)) === '12 of 30');
  await page.getByRole('button', { name: 'Clear' }).click();
  await page.locator('#filter-status-button').click();
  await page.locator('#filter-status').getByLabel('blocked').check();
  await until('it is filtered', async () => (await shown(page)) === '10 of 30');
  await page.keyboard.press('Escape');
  await database.sql(`update activities set status = 'open' where subcategory = 'No 3'`);
  await until('a row that does not match any more leaves', async () => (await shown(page)) === '9 of 30');
  assert.match(page.url(), /#status=blocked$/);
  await page.locator('#grid-head').getByRole('button', { name: 'Activity' }).click();
  await until('it is sorted', async () => (await page.locator('#grid-space .row').first().textContent()).includes('No 12'));
  await page.getByRole('button', { name: 'Copy as …' }).first().click();
  const line = await page.locator('#copy-card pre').first().textContent();
  assert.match(line, /where a\.status = 'blocked' order by a\.category, a\.subcategory limit 50"$/);
  assert.equal((await database.sql(line.match(/-c "(.*)"$/)[1])).length, 9);
});

scenario('the keyboard reaches everything', async ({ site, database, context }) => {
  await database.insert(100);
  const page = await open(context, site);
  await page.keyboard.press('t');
  await page.keyboard.press('End');
  await until('the last row has the focus', () => page.evaluate(() => document.activeElement.getAttribute('aria-rowindex') === '101'));
  await page.keyboard.press('ArrowUp');
  await database.insert(50); // comes above, and moves nothing that has the focus
  await until('they are there', async () => (await shown(page)) === '150');
  await until('the focus is on its row', () => page.evaluate(() => document.activeElement.getAttribute('aria-rowindex') === '150'));
  await page.keyboard.press('Enter');
  await page.locator('#activity-side').waitFor();
  await page.keyboard.press('Escape');
  await until('the focus is back', () => page.evaluate(() => document.activeElement.classList.contains('row')));
  await page.keyboard.press('/');
  await page.keyboard.type('No 77');
  await until('it is found', async () => (await shown(page)) === '1 of 150');
});

scenario('nothing moves under somebody who has scrolled', async ({ site, database, context }) => {
  await database.insert(200);
  const page = await open(context, site);
  await page.locator('#grid-scroll').evaluate((list) => (list.scrollTop = 1500));
  const places = () => page.evaluate(() => [...document.querySelectorAll('#grid-space .row')].map((row) => [row.dataset.id, Math.round(row.getBoundingClientRect().top)]).filter(([, top]) => top > 350 && top < 800));
  await until('it is drawn', async () => (await places()).length > 5);
  const before = await places();
  await database.insert(100);
  await until('they are there', async () => (await shown(page)) === '300');
  await page.getByRole('button', { name: '↑ 100 new activities' }).waitFor();
  assert.deepEqual(await places(), before);
});

scenario('ten tabs share one connection, and a leader that goes leaves no gap', async ({ site, database, context, t }) => {
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
    await until('events come', async () => (await seen(pages[9])) > 6);
    const leader = await until('a tab holds the connection', () => holder(pages));
    left.splice(left.indexOf(leader), 1);
    await leader.close();
    const count = await seen(left[0]);
    await until('events go on', async () => (await seen(left[0])) > count + 6);
  } finally {
    writing = false;
    await writer;
  }
  const log = await database.events();
  for (const page of left) {
    await until('the last event has come', async () => (await eventNumbers(page)).at(-1) === log.at(-1));
    const numbers = await eventNumbers(page);
    assert.deepEqual(numbers, log.slice(-numbers.length));
    assert.ok(numbers.length > 12);
  }
  assert.equal(await site.connections(), 1);
  await equal(left[0], database);
  t.diagnostic(`${log.length} events, ${left.length} tabs`);
});

/** Returns the page whose tab holds the connection for all. */
async function holder(pages) {
  for (const page of pages) if (/this tab holds the connection/.test(await page.locator('#connection').getAttribute('title'))) return page;
  return null;
}

scenario('the server is killed and restarted while rows are written', async ({ site, database, context }) => {
  await database.insert(20);
  const page = await open(context, site);
  await database.insert(5);
  await site.kill();
  await until('the page says so', async () => (await state(page)) === 'reconnecting');
  await page.locator('.toast', { hasText: 'The connection was lost' }).waitFor();
  await page.screenshot({ path: `${artefacts}lost.png` });
  await database.insert(30, 'while it was away');
  await database.sql(`update activities set status = 'resolved' where subcategory = 'No 3'; delete from activities where subcategory = 'No 4'; insert into assignments (activity_id, assignee_id) select id, 'grace' from activities where subcategory = 'No 5'`);
  await site.start();
  await live(page);
  await database.insert(3, 'after it came back');
  await equal(page, database);
  const log = await database.events();
  const numbers = await eventNumbers(page);
  assert.deepEqual(numbers, log.slice(-numbers.length));
  const card = await connectionCard(page);
  assert.match(card, /Connected again after .*missed/);
  assert.match(card, /Resets\s+0/);
});

scenario('a reset fetches everything anew', async ({ site, database, context }) => {
  await database.insert(10);
  const page = await open(context, site);
  await until('they are there', async () => (await shown(page)) === '10');
  const other = await world.database();
  await site.stop();
  await site.start(other); // another log: the page's cursor means nothing there
  await other.insert(4, 'another database');
  await page.locator('.toast', { hasText: 'Reset: the database is another one' }).waitFor();
  await equal(page, other);
  await other.insert(2);
  await equal(page, other);
  assert.match(await connectionCard(page), /Resets\s+1/);
});

scenario('a server that is not there, then is', async ({ site, database, context }) => {
  await database.insert(3);
  const page = await open(context, site);
  await page.route('**/api/activities*', (route) => route.abort());
  await page.reload();
  await page.getByText('The server does not answer').waitFor();
  await page.unroute('**/api/activities*');
  await page.getByRole('button', { name: 'Try now' }).click();
  await live(page);
  await equal(page, database);
});

scenario('5,000 events in a burst leave the page responsive, and equal to the database', async ({ site, database, context, t }) => {
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
  await page.locator('#new-dialog').getByLabel('Category', { exact: true }).fill('typed meanwhile');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await writer;
  assert.ok((await database.events()).length > 4800);
  await page.setViewportSize({ width: 1440, height: 4000 });
  await equal(page, database);
  assert.equal(await page.locator('#total').textContent(), '4,000');
  t.diagnostic(`longest frame ${Math.round(await page.evaluate(() => window.longest))} ms`);
});

scenario('offline and back', async ({ site, database, context }) => {
  await database.insert(3);
  const page = await open(context, site);
  await context.setOffline(true); // keeps what is open: the connection itself has to go too
  await site.kill();
  await until('the page says so', async () => (await state(page)) === 'offline');
  await site.start();
  await database.insert(7, 'while offline');
  assert.equal(await state(page), 'offline');
  await context.setOffline(false);
  await live(page);
  await equal(page, database);
});

scenario('who is online', async ({ site, context, t }) => {
  const page = await open(context, site);
  const call = async (someone, name) => {
    await someone.locator('#me').click();
    await someone.getByRole('textbox', { name: 'Your name' }).fill(name);
    await someone.getByRole('button', { name: 'Use it' }).click();
    await live(someone);
  };
  await call(page, 'ada');
  await until('ada is there', async () => (await page.locator('#people').getAttribute('title')) === 'ada');
  const other = await world.context();
  await call(await open(other, site), 'grace');
  await until('grace is there', async () => (await page.locator('#people').getAttribute('title')) === 'ada, grace');
  await page.locator('#people').click();
  await page.locator('.person', { hasText: 'ada (you)' }).waitFor();
  await other.close();
  await until('grace is gone', async () => (await page.locator('#people').getAttribute('title')) === 'ada', 30_000);
});

scenario('the React hook under StrictMode', async ({ site, database, context }) => {
  const page = await openReact(context, site);
  await page.getByText('connected', { exact: true }).waitFor();
  await until('StrictMode leaves one connection', async () => (await site.connections()) === 1);
  const shownNumbers = async () => (await page.locator('li').allTextContents()).map(Number).sort((a, b) => a - b);
  await database.insert(5);
  await until('they are there', async () => (await shownNumbers()).length === 5);
  const opens = await page.locator('p').textContent();
  for (let i = 0; i < 3; i++) await page.getByRole('button').click(); // each brings a new onEvent
  await page.getByRole('button', { name: '3' }).waitFor();
  await site.kill();
  await until('it notices', async () => (await page.locator('output').textContent()) === 'reconnecting');
  await database.insert(5);
  await site.start();
  await database.insert(5);
  const log = await database.events();
  await until('all are there', async () => (await shownNumbers()).length === 15);
  assert.deepEqual(await shownNumbers(), log);
  assert.deepEqual(await page.evaluate(() => window.heard), log);
  assert.equal(Number(await page.locator('p').textContent()), Number(opens) + 1);
  assert.equal(await site.connections(), 1);
  await page.getByRole('checkbox').uncheck();
  await until('the stream ends with the component', async () => (await site.connections()) === 0);
});

test('the pictures', async () => {
  const site = await world.site();
  try {
    await site.database.insert(60);
    await site.database.sql(`update activities set status = (array['open', 'in_progress', 'blocked', 'resolved', 'closed'])[1 + ascii(id::text) % 5]; insert into assignments (activity_id, assignee_id) select id, (array['ada', 'grace', 'ken'])[1 + ascii(id::text) % 3] from activities where id::text < '8'`);
    for (const [name, width, height] of [['narrow', 360, 760], ['wide', 1440, 900], ['4k', 3840, 2160]]) {
      for (const colorScheme of ['light', 'dark']) {
        const context = await world.context({ viewport: { width, height }, colorScheme });
        const page = await open(context, site);
        await site.database.insert(4, 'Warehouse');
        await until('they are there', async () => (await activities(page)).length === (await site.database.activities()).length);
        await page.screenshot({ path: `${artefacts}${name}-${colorScheme}.png` });
        const tooWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.equal(tooWide, false, `${name} scrolls sideways`);
        await context.close();
      }
    }
  } finally {
    await site.kill();
  }
});
