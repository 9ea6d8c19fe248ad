// Tests what a dispatcher does with many activities on the dashboard.

import assert from 'node:assert/strict';
import { until } from './kit.mjs';
import { equal, open, said, shown } from './page.mjs';
import { shared } from './scenario.mjs';

const row = (page, text) => page.locator('#grid-space .row', { hasText: text });
const statuses = async (database) => (await database.sql(`select status || ' ' || count(*) from activities group by status order by 1`)).join(', ');

shared('the status and the assignee are set in the row, and set back', async ({ site, database, context }) => {
  await database.insert(3);
  const page = await open(context, site);
  await row(page, 'No 2').locator('.choose.status').click();
  await page.locator('#pick-card').getByRole('button', { name: 'blocked' }).click();
  await row(page, 'No 2').locator('.status', { hasText: 'blocked' }).waitFor();
  assert.equal(await statuses(database), 'blocked 1, open 2');
  assert.equal(await page.locator('#activity-side').isVisible(), false, 'a click on the status opens nothing');
  await page.locator('.toast', { hasText: '1 activity set to blocked.' }).getByRole('button', { name: 'Undo' }).click();
  await until('it is set back', async () => (await statuses(database)) === 'open 3');
  await row(page, 'No 3').locator('.assignee .choose').click();
  await page.keyboard.type('grace hopper');
  await page.keyboard.press('Enter');
  await row(page, 'No 3').locator('.assignee', { hasText: 'grace hopper' }).waitFor();
  await equal(page, database);
});

shared('one action for several, whose undo keeps what others changed meanwhile', async ({ site, database, context }) => {
  await database.insert(6);
  await database.sql(`update activities set status = 'resolved' where subcategory = 'No 1'`);
  const page = await open(context, site);
  await page.keyboard.press('t');
  await page.keyboard.press('x');
  await page.keyboard.press('Shift+End');
  await page.getByText('6 selected').waitFor();
  await page.locator('#select-status').click();
  await page.locator('#pick-card').getByRole('button', { name: 'in progress' }).click();
  await said(page, '6 activities set to in progress.');
  assert.equal(await statuses(database), 'in_progress 6');
  await database.sql(`update activities set status = 'closed' where subcategory = 'No 5'; delete from activities where subcategory = 'No 6'`);
  await page.locator('#selected', { hasText: '5 selected' }).waitFor();
  await row(page, 'No 5').locator('.status', { hasText: 'closed' }).waitFor();
  await page.locator('#select-none').click();
  await page.keyboard.press('u');
  await said(page, '4 activities set back; 2 changed or deleted meanwhile.');
  assert.equal(await statuses(database), 'closed 1, open 3, resolved 1');
  await equal(page, database);
});

shared('a filter that hides selected activities deselects them: no action changes them unseen', async ({ site, database, context }) => {
  await database.insert(6);
  const page = await open(context, site);
  await page.locator('#select-all').check();
  await page.getByText('6 selected').waitFor();
  await page.locator('#search').fill('No 3');
  await page.locator('#selected', { hasText: '1 selected' }).waitFor();
  await page.locator('#select-status').click();
  await page.locator('#pick-card').getByRole('button', { name: 'closed' }).click();
  await said(page, '1 activity set to closed.');
  assert.equal(await statuses(database), 'closed 1, open 5');
});

shared('a change that is partly refused says so, and only the rest is undone', async ({ site, database, context }) => {
  await database.insert(3);
  await database.sql(`create function refuse() returns trigger language plpgsql as $$ begin if new.subcategory = 'No 2' then raise exception 'locked' using errcode = '23514'; end if; return new; end $$;
    create trigger refuse before update on activities for each row execute function refuse()`);
  const page = await open(context, site);
  await page.locator('#select-all').check();
  await page.locator('#select-status').click();
  await page.locator('#pick-card').getByRole('button', { name: 'closed' }).click();
  await said(page, '2 activities set to closed; 1 not: ');
  assert.ok((await page.evaluate(() => window.toasts)).some((toast) => toast.includes('1 not: ') && toast.includes('Undo')), 'the message offers to undo it');
  await page.locator('#select-none').click();
  await row(page, 'No 2').locator('.choose.status').click();
  await page.locator('#pick-card').getByRole('button', { name: 'blocked' }).click();
  await said(page, '0 activities set to blocked; 1 not: ');
  await page.keyboard.press('u'); // the button may be gone before a busy machine finds it
  await until('what was done before is undone', async () => (await statuses(database)) === 'open 3');
  await said(page, '2 activities set back.');
  await page.keyboard.press('u');
  await said(page, 'Nothing to undo.');
  await database.sql('drop function refuse() cascade');
});

shared('filters by reporter and by date, and a saved view, are in the URL', async ({ site, database, context }) => {
  await database.insert(9);
  await database.sql(`update activities set reporter = 'ada' where category = 'Safety'; update activities set created_at = now() - interval '3 days' where subcategory in ('No 3', 'No 4')`);
  const page = await open(context, site);
  await page.locator('#filter-reporter-button').click();
  await page.locator('#filter-reporter').getByLabel('ada').check();
  await page.keyboard.press('Escape');
  await page.locator('#filter-created-button').click();
  await page.locator('#filter-created').getByLabel('Last 24 hours').check();
  await until('both apply', async () => (await shown(page)) === '2 of 9');
  await page.keyboard.press('Escape');
  await page.locator('#views').click();
  await page.getByLabel('Name of the view').fill('Ada today');
  await page.locator('#views-card').getByRole('button', { name: 'Save', exact: true }).click();
  await page.locator('#views-card').getByRole('link', { name: 'Ada today' }).waitFor();
  assert.match(page.url(), /#view=Ada\+today&created=24h&reporter=ada$/);
  await page.keyboard.press('Escape');
  await page.locator('#clear').click();
  await until('all are shown', async () => (await shown(page)) === '9');
  await page.locator('#views').click();
  await page.locator('#views-card').getByRole('link', { name: 'Ada today' }).click();
  await until('the view is back', async () => (await shown(page)) === '2 of 9');
  const other = await open(context, site, page.url().slice(site.url.length)); // as for a user to whom the link was sent
  await until('the view is the same', async () => (await shown(other)) === '2 of 9');
  assert.equal(await other.locator('#views').textContent(), 'Ada today');
  const day = new Date(Date.now() - 3 * 86_400_000).toLocaleDateString('sv');
  const dated = await open(context, site, `activities#created=${day}..${day}`);
  await until('a day is selected', async () => (await shown(dated)) === '2 of 9');
  await dated.locator('#copy-list').click();
  const line = await dated.locator('#copy-card pre').first().textContent();
  assert.equal((await database.sql(line.match(/-c '(.*)'$/)[1])).length, 2);
});

shared('rows close together, which the browser remembers', async ({ site, database, context }) => {
  await database.insert(40);
  const page = await open(context, site);
  const rows = () => page.locator('#grid-space .row').evaluateAll((all) => all.filter((one) => one.getBoundingClientRect().bottom < innerHeight).length);
  const before = await rows();
  const gaps = await page.evaluate(() => {
    document.getElementById('density').click();
    const places = [...document.querySelectorAll('#grid-space .row')].map((row) => row.getBoundingClientRect()).sort((a, b) => a.top - b.top);
    return places.slice(1).map(({ top }, i) => Math.round(top - places[i].bottom));
  });
  assert.ok(gaps.length > 0 && gaps.every((gap) => gap === 0), `gaps between the rows, in pixels: ${gaps}`);
  await until('more rows fit', async () => (await rows()) > before * 1.3);
  await page.reload();
  await until('more rows fit again', async () => (await rows()) > before * 1.3);
});
