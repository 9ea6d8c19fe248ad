// Tests what users do and see on the dashboard.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { artefacts, until } from './kit.mjs';
import { activities, equal, eventNumbers, live, open, shown, stateRecord } from './page.mjs';
import { scenario, shared, world } from './scenario.mjs';
import { jwtServer, token } from './token.mjs';

const run = promisify(execFile);

shared('a row inserted by psql appears', async ({ site, database, context }) => {
  const page = await open(context, site);
  await page.getByText('No activities yet').waitFor();
  await database.sql(`insert into activities (category, subcategory, location, reporter) values ('<b>Safety</b>', 'Fire', 'HQ', 'psql')`);
  await page.locator('.row', { hasText: '<b>Safety</b> / Fire' }).waitFor();
  await page.locator('.event', { hasText: 'activity_created' }).first().waitFor();
  await equal(page, database);
});

shared('a user creates, changes, assigns, annotates and deletes', async ({ site, database, context }) => {
  const page = await open(context, site);
  await page.keyboard.press('n');
  await page.locator('#new-dialog').getByLabel('Category', { exact: true }).fill('Safety');
  await page.locator('#new-dialog').getByLabel('Subcategory').fill('Drill');
  await page.locator('#new-dialog').getByLabel('Location').fill('Lab');
  await page.locator('#new-dialog').getByLabel('Reporter').fill('ada');
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await page.locator('#grid-space .row').click();
  const side = page.locator('#activity-side');
  await side.getByLabel('Status').selectOption('in_progress');
  await side.getByRole('button', { name: 'Save' }).click();
  await page.locator('.row .status', { hasText: 'in progress' }).waitFor();
  await side.getByRole('button', { name: 'Me' }).click(); // the page took the name from the first report
  await page.locator('.row .assignee', { hasText: 'ada' }).waitFor();
  await side.getByRole('button', { name: 'Unassign' }).click();
  await page.locator('.row .assignee', { hasText: 'Unassigned' }).waitFor();
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

shared('an edited field is not overwritten, also after a rejected change', async ({ site, database, context }) => {
  await database.insert(1);
  const page = await open(context, site);
  await page.locator('#grid-space .row').click();
  const location = page.locator('#activity-side').getByLabel('Location');
  await location.fill('x'.repeat(150));
  await database.sql(`update activities set location = 'Annex', status = 'blocked'`);
  await page.getByText('is now “Annex”').waitFor();
  assert.equal(await location.inputValue(), 'x'.repeat(150));
  await until('an untouched field follows', async () => (await page.locator('#activity-side').getByLabel('Status').inputValue()) === 'blocked');
  await page.locator('#activity-side').getByLabel('Category', { exact: true }).fill('');
  await page.locator('#activity-side').getByRole('button', { name: 'Save' }).click();
  await page.locator('#activity-side .field .error').waitFor();
  assert.equal(await location.inputValue(), 'x'.repeat(150));
});

shared('search, filters and order', async ({ site, database, context }) => {
  await database.insert(30);
  await database.sql(`update activities set status = 'blocked' where category = 'Safety'`);
  const page = await open(context, site, 'activities#q=No+1');
  await until('the fragment is applied', async () => (await shown(page)) === '12 of 30');
  await page.getByRole('button', { name: 'Clear' }).click();
  await page.locator('#filter-status-button').click();
  await page.locator('#filter-status').getByLabel('blocked').check();
  await until('it is filtered', async () => (await shown(page)) === '10 of 30');
  await page.keyboard.press('Escape');
  await database.sql(`update activities set status = 'open' where subcategory = 'No 3'`);
  await until('a row that matches no longer disappears', async () => (await shown(page)) === '9 of 30');
  assert.match(page.url(), /#status=blocked$/);
  await page.locator('#grid-head').getByRole('button', { name: 'Activity' }).click();
  await until('it is sorted', async () => (await page.locator('#grid-space .row').first().textContent()).includes('No 12'));
  await page.getByRole('button', { name: 'Copy as …' }).first().click();
  const line = await page.locator('#copy-card pre').first().textContent();
  assert.match(line, /where a\.status = \$\$blocked\$\$ order by a\.category, a\.subcategory limit 50'$/);
  assert.equal((await database.sql(line.match(/-c '(.*)'$/)[1])).length, 9);
});

shared('a copied command takes a value literally', async ({ site, database, context }) => {
  const category = `it's "$(touch x)" !!; \\ ’ $$`;
  await database.insert(3);
  await database.sql(`update activities set category = $quoted$${category}$quoted$ where subcategory = 'No 2'`);
  const page = await open(context, site, `activities#${new URLSearchParams({ category })}`);
  await until('it is filtered', async () => (await shown(page)) === '1 of 3');
  await page.getByRole('button', { name: 'Copy as …' }).first().click();
  const line = await page.locator('#copy-card pre').first().textContent();
  const { stdout } = await run('bash', ['--norc', '-ic', line.replace('psql', `'${database.psql}' -At`)], { env: { ...process.env, DATABASE_URL: database.url } });
  assert.equal(stdout.trim().split('\n').length, 1);
  assert.ok(stdout.includes(`|${category}|No 2|`), stdout);
});

shared('the keyboard reaches everything', async ({ site, database, context }) => {
  await database.insert(100);
  const page = await open(context, site);
  await page.keyboard.press('t');
  await page.keyboard.press('End');
  await until('the last row has the focus', () => page.evaluate(() => document.activeElement.getAttribute('aria-rowindex') === '101'));
  await page.keyboard.press('ArrowUp');
  await database.insert(50); // new rows above must not move the focus
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

shared('rows do not move after scrolling', async ({ site, database, context }) => {
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

scenario('the events and the rate are full at load, from the log', async ({ site, database, context }) => {
  await database.insert(450);
  const page = await open(context, site);
  await until('the rate counts what was written before', async () => (await page.locator('#rate').textContent()) === '450 now');
  await database.insert(3);
  let numbers = [];
  const log = await database.events();
  await until('scrolling has loaded the whole log, without a gap or a repetition', async () => {
    numbers = await eventNumbers(page);
    return numbers.length === log.length;
  });
  assert.deepEqual(numbers, log);
  await page.locator('#event-list').press('End');
  await page.locator('#inspector').getByText('before this page was opened').waitFor();
  assert.equal(JSON.parse(await page.locator('#inspector pre').textContent()).id, log[0]);
});

shared('an unreachable server, then a reachable one', async ({ site, database, context }) => {
  await database.insert(3);
  const page = await open(context, site);
  await page.route('**/api/activities*', (route) => route.abort());
  await page.reload();
  await page.getByText('The server does not respond').waitFor();
  await page.getByRole('button', { name: 'Try now' }).click(); // it fails again; the page could load by itself before a click after this
  await page.unroute('**/api/activities*');
  await live(page);
  await equal(page, database);
});

scenario('who is online', async ({ site, context, t }) => {
  const page = await open(context, site);
  const setName = async (tab, name) => {
    await tab.locator('#me').click();
    await tab.getByRole('textbox', { name: 'Your name' }).fill(name);
    await tab.getByRole('button', { name: 'Use it' }).click();
    await live(tab);
  };
  await setName(page, 'ada');
  await until('ada is there', async () => (await page.locator('#people').getAttribute('title')) === 'ada');
  const other = await world.context();
  await setName(await open(other, site), 'grace');
  await until('grace is there', async () => (await page.locator('#people').getAttribute('title')) === 'ada, grace');
  await page.locator('#people').click();
  await page.locator('.person', { hasText: 'ada (you)' }).waitFor();
  await other.close();
  await until('grace is gone', async () => (await page.locator('#people').getAttribute('title')) === 'ada');
});

test('a server that requires a token asks for it', async () => {
  const site = await jwtServer(world);
  const context = await world.context({ viewport: { width: 1280, height: 800 } });
  try {
    await site.database.insert(3);
    const page = await context.newPage();
    const signIn = async (seconds) => {
      await page.getByLabel('Token').fill(token({ sub: 'ada', exp: Math.floor(Date.now() / 1000) + seconds }));
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    };
    const asks = async (sentence) => {
      await page.locator('#state').getByText(sentence).waitFor();
      assert.equal(await page.locator('#connection-text').textContent(), 'Sign in needed');
    };
    await page.goto(`${site.url}activities`);
    await asks('Sign in to see this page.');
    await signIn(-60);
    await asks('Your token has expired.');
    const states = await stateRecord(page);
    await signIn(3);
    await until('it is live, until the token expires', async () => /open.*locked/.test((await states()).join()));
    await asks('Your token has expired.');
    await signIn(600);
    await live(page);
    await equal(page, site.database);
    assert.deepEqual(context.failures, []);
  } finally {
    await context.close();
    await site.kill();
  }
});

test('screenshots', async () => {
  const site = await world.site();
  try {
    await site.database.insert(60);
    await site.database.sql(`update activities set status = (array['open', 'in_progress', 'blocked', 'resolved', 'closed'])[1 + ascii(id::text) % 5]; insert into assignments (activity_id, assignee_id) select id, (array['ada', 'grace', 'ken'])[1 + ascii(id::text) % 3] from activities where id::text < '8'`);
    for (const [name, width, height] of [['wide', 1440, 900], ['4k', 3840, 2160]]) {
      const context = await world.context({ viewport: { width, height } });
      const page = await open(context, site);
      await site.database.insert(4, 'Warehouse');
      await until('they are there', async () => (await activities(page)).length === (await site.database.activities()).length);
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        await page.screenshot({ path: `${artefacts}${name}-${colorScheme}.png` });
        const tooWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.equal(tooWide, false, `${name} scrolls sideways`);
        const cut = await page.evaluate(() => [...document.querySelectorAll('.side-head, .card header')].filter((header) => header.scrollWidth > header.clientWidth).map((header) => header.textContent));
        assert.deepEqual(cut, [], `${name} cuts headers`);
      }
      await context.close();
    }
  } finally {
    await site.kill();
  }
});
