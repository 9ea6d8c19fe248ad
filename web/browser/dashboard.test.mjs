// Tests what users do and see on the dashboard.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { artefacts, until } from './kit.mjs';
import { activities, equal, live, open, shown } from './page.mjs';
import { scenario, world } from './scenario.mjs';

const run = promisify(execFile);

/** Signs a JWT with HS256. */
function token(secret, claims) {
  const signed = [{ alg: 'HS256' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

scenario('a row inserted by psql appears', async ({ site, database, context }) => {
  const page = await open(context, site);
  await page.getByText('No activities yet').waitFor();
  await database.sql(`insert into activities (category, subcategory, location, reporter) values ('<b>Safety</b>', 'Fire', 'HQ', 'psql')`);
  await page.locator('.row', { hasText: '<b>Safety</b> / Fire' }).waitFor();
  await page.locator('.event', { hasText: 'activity_created' }).waitFor();
  await equal(page, database);
});

scenario('a user creates, changes, assigns, annotates and deletes', async ({ site, database, context }) => {
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

scenario('an edited field is not overwritten, also after a rejected change', async ({ site, database, context }) => {
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

scenario('a copied command takes a value literally', async ({ site, database, context }) => {
  const category = `it's "$(touch x)" !!; \\ ’ $$`;
  await database.insert(3);
  await database.sql(`update activities set category = $quoted$${category}$quoted$ where subcategory = 'No 2'`);
  const page = await open(context, site, `#${new URLSearchParams({ category })}`);
  await until('it is filtered', async () => (await shown(page)) === '1 of 3');
  await page.getByRole('button', { name: 'Copy as …' }).first().click();
  const line = await page.locator('#copy-card pre').first().textContent();
  const { stdout } = await run('bash', ['--norc', '-ic', line.replace('psql', `'${database.psql}' -At`)], { env: { ...process.env, DATABASE_URL: database.url } });
  assert.equal(stdout.trim().split('\n').length, 1);
  assert.ok(stdout.includes(`|${category}|No 2|`), stdout);
});

scenario('the keyboard reaches everything', async ({ site, database, context }) => {
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

scenario('rows do not move after scrolling', async ({ site, database, context }) => {
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

scenario('an unreachable server, then a reachable one', async ({ site, database, context }) => {
  await database.insert(3);
  const page = await open(context, site);
  await page.route('**/api/activities*', (route) => route.abort());
  await page.reload();
  await page.getByText('The server does not respond').waitFor();
  await page.unroute('**/api/activities*');
  await page.getByRole('button', { name: 'Try now' }).click();
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
  await until('grace is gone', async () => (await page.locator('#people').getAttribute('title')) === 'ada', 30_000);
});

test('a server that watches other tables shows their events, at any width', async () => {
  const spec = `${artefacts}orders.yaml`;
  await writeFile(spec, 'tables:\n  - name: public.orders\n    on: { insert: order_created }\n');
  const site = await world.site({ prepare: 'create table orders (id int primary key)', args: [`--spec=${spec}`] });
  try {
    for (const width of [360, 1200, 1920]) {
      const context = await world.context({ viewport: { width, height: 800 } });
      const missing = [];
      context.on('response', (response) => response.status() === 404 && missing.push(response.url()));
      const page = await open(context, site);
      await page.getByText('No events since this page was opened').waitFor();
      assert.deepEqual(missing, []);
      assert.equal(await page.locator('#skip').textContent(), 'Skip to the events');
      await site.database.sql(`insert into orders values (${width})`);
      await page.locator('.event', { hasText: 'order_created' }).waitFor();
      assert.deepEqual(context.failures, []);
      await context.close();
    }
  } finally {
    await site.kill();
  }
});

test('a server that requires a token asks for it', async () => {
  const secret = 'a secret of this scenario, 32 bytes';
  const site = await world.site({ args: ['--auth=jwt', `--jwt-secret=${secret}`, '--jwt-issuer=issuer', '--jwt-audience=pgherald'] });
  const context = await world.context({ viewport: { width: 1280, height: 800 } });
  try {
    await site.database.insert(3);
    const page = await context.newPage();
    const signIn = async (seconds) => {
      await page.getByLabel('Token').fill(token(secret, { iss: 'issuer', aud: 'pgherald', sub: 'ada', exp: Math.floor(Date.now() / 1000) + seconds }));
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    };
    const asks = async (sentence) => {
      await page.locator('#state').getByText(sentence).waitFor();
      assert.equal(await page.locator('#connection-text').textContent(), 'Sign in needed');
    };
    await page.goto(site.url);
    await asks('Sign in to see this page.');
    await signIn(-60);
    await asks('Your token has expired.');
    await signIn(3);
    await live(page);
    await equal(page, site.database);
    await asks('Your token has expired.');
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
    for (const [name, width, height] of [['narrow', 360, 760], ['medium', 1280, 800], ['wide', 1440, 900], ['4k', 3840, 2160]]) {
      for (const colorScheme of ['light', 'dark']) {
        const context = await world.context({ viewport: { width, height }, colorScheme });
        const page = await open(context, site);
        await site.database.insert(4, 'Warehouse');
        await until('they are there', async () => (await activities(page)).length === (await site.database.activities()).length);
        await page.screenshot({ path: `${artefacts}${name}-${colorScheme}.png` });
        const tooWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.equal(tooWide, false, `${name} scrolls sideways`);
        const cut = await page.evaluate(() => [...document.querySelectorAll('.side-head, .card header')].filter((header) => header.scrollWidth > header.clientWidth).map((header) => header.textContent));
        assert.deepEqual(cut, [], `${name} cuts headers`);
        await context.close();
      }
    }
  } finally {
    await site.kill();
  }
});
