// Tests faults that the dashboard had: each scenario failed before the fault was fixed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled, until } from './kit.mjs';
import { live, open, shown, state } from './page.mjs';
import { scenario, shared, world } from './scenario.mjs';
import { jwtServer, token } from './token.mjs';

const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.className || document.activeElement.localName);

shared('a click opens the row under the pointer, however many are created', async ({ site, database, context }) => {
  await database.insert(30);
  const page = await open(context, site);
  await page.locator('#grid-head').getByRole('button', { name: 'Updated' }).click(); // an update moves its row too
  for (let i = 0; i < 12; i++) {
    await page.mouse.move(400 + i, 480);
    const aim = await page.evaluate(([x, y]) => document.elementFromPoint(x, y).closest('.row').dataset.id, [400 + i, 480]);
    await database.sql(`insert into activities (category, subcategory, location, reporter) values ('Safety', 'New', 'HQ', 'psql'); update activities set location = 'Annex ${i}' where id = (select id from activities order by random() limit 1)`);
    await until('a further row is created', async () => (await page.locator('#total').textContent()) === String(31 + i));
    await page.mouse.down();
    await page.mouse.up();
    assert.equal(await page.locator('#grid-space .row[aria-current]').getAttribute('data-id'), aim, `click ${i}`);
  }
  assert.equal(await page.locator('#arrivals').textContent(), '↑ 12 new activities');
  await page.locator('#arrivals').click();
  await until('the new rows are shown', async () => !(await page.locator('#arrivals').isVisible()));
});

shared('a row that is deleted while it is held says so, and opens nothing', async ({ site, database, context }) => {
  await database.insert(3);
  const page = await open(context, site);
  await page.locator('.row', { hasText: 'No 2' }).hover();
  await database.sql(`delete from activities where subcategory = 'No 2'`);
  await page.locator('.row.missing .status', { hasText: 'deleted' }).waitFor();
  assert.equal(await shown(page), '2');
  await page.locator('.row', { hasText: 'No 2' }).click({ position: { x: 250, y: 10 } });
  assert.equal(await page.locator('#activity-side').isVisible(), false);
  await page.mouse.move(5, 5);
  await until('it disappears when the pointer leaves', async () => (await page.locator('.row', { hasText: 'No 2' }).count()) === 0);
});

shared('the events hold still under the pointer', async ({ site, database, context }) => {
  await database.insert(6);
  const page = await open(context, site);
  const event = page.locator('#event-list .event[aria-posinset="3"]');
  await event.hover();
  const id = await event.getAttribute('id');
  const place = () => page.locator(`#${id}`).boundingBox();
  const before = await place();
  await database.insert(4);
  await page.getByRole('button', { name: 'Held under the pointer: 4 new events. Show' }).waitFor();
  assert.deepEqual(await place(), before);
  await page.mouse.down();
  await page.mouse.up();
  await page.locator(`#${id}[aria-selected="true"]`).waitFor();
  await page.mouse.move(5, 5);
  await page.locator(`#${id}[aria-posinset="7"]`).waitFor({ state: 'attached' });
  assert.equal(await page.locator('#event-held').isVisible(), false);
});

shared('a highlight ends with its view, and fades as the rate rises', async ({ site, database, context }) => {
  await database.insert(20);
  const page = await open(context, site);
  await page.setViewportSize({ width: 1000, height: 800 });
  await page.evaluate(() => { // an animation ends before a busy machine looks at it
    window.glows = 0;
    document.addEventListener('animationstart', ({ animationName }) => (window.glows += /settle|wash/.test(animationName)));
  });
  const glows = () => page.evaluate(() => window.glows);
  await database.sql(`update activities set status = 'blocked' where subcategory = 'No 20'`);
  await until('the change is highlighted', async () => (await glows()) > 0);
  await page.getByRole('button', { name: 'Events', exact: false }).first().click();
  await database.sql(`update activities set status = 'resolved' where subcategory = 'No 19'`);
  await until('the page has drawn it', async () => /resolved/.test(await page.locator('#status-legend').textContent()));
  const before = await glows();
  await page.getByRole('navigation').getByRole('button', { name: 'Activities' }).click();
  await page.locator('.row .status', { hasText: 'resolved' }).waitFor();
  await settled(page);
  assert.equal(await glows(), before, 'old changes are not highlighted');
  const strengths = () => page.locator('#grid-space .row').evaluateAll((rows) => rows.map((one) => Number(one.style.getPropertyValue('--strength') || 0)).filter((strength) => strength > 0));
  await until('a change among many is highlighted less', async () => {
    await database.sql(`update activities set status = case status when 'closed' then 'open' else 'closed' end`); // 20 at once
    return Math.min(...(await strengths())) < 0.5;
  });
});

shared('the search box: Escape, Enter and the arrow; keys of one character can be switched off', async ({ site, database, context }) => {
  await database.insert(30);
  const page = await open(context, site);
  await page.locator('#search').fill('No 17');
  await until('it is found', async () => (await shown(page)) === '1 of 30');
  await page.keyboard.press('Escape');
  await until('Escape ends the filter too', async () => (await shown(page)) === '30');
  assert.equal(await focused(page), 'search');
  await page.keyboard.press('ArrowDown');
  assert.match(await focused(page), /^row/);
  await page.keyboard.press('/');
  await page.keyboard.press('Escape');
  assert.match(await focused(page), /^row/);
  await page.locator('#search').fill('No 17');
  await page.evaluate(() => { // the message of the deletion lasts until the pointer is on it, also on a busy machine
    const { setTimeout } = window;
    window.setTimeout = (task, ms, ...rest) => setTimeout(task, ms === 6000 ? 600_000 : ms, ...rest);
  });
  await page.keyboard.press('Enter');
  await page.locator('#detail-title', { hasText: 'No 17' }).waitFor();
  await database.sql(`delete from activities where subcategory = 'No 17'`); // the panel closes, and no row is left to focus
  const toast = page.locator('.toast', { hasText: 'was deleted' }); // there may be one of the connection beside it
  await toast.hover(); // it stays under the pointer
  await page.getByText('Nothing matches').waitFor();
  assert.notEqual(await focused(page), 'body');
  await page.getByRole('button', { name: 'Clear the filters' }).click();
  await until('all are shown', async () => (await shown(page)) === '29');
  assert.notEqual(await focused(page), 'body');
  await toast.getByRole('button', { name: 'Dismiss' }).click();
  assert.notEqual(await focused(page), 'body');
  await page.locator('#help').click();
  await page.getByLabel('Keys of one character').uncheck();
  await page.keyboard.press('Escape');
  await page.keyboard.press('n');
  await page.locator('#help').click();
  await page.getByLabel('Keys of one character').waitFor();
  assert.equal(await page.locator('#new-dialog').isVisible(), false);
});

scenario('an outage: unknown numbers are not 0, and the notes load afterwards', async ({ site, database, context }) => {
  await database.insert(2);
  const page = await context.newPage();
  await page.route('**/api/activities?limit=500*', (route) => route.abort());
  await page.goto(`${site.url}activities`);
  await page.getByText('The activities could not be loaded').waitFor();
  assert.deepEqual([await page.locator('#total').textContent(), await shown(page), (await page.locator('#rate').textContent())[0]], ['–', '–', '–']);
  await page.getByRole('button', { name: 'Try now' }).click(); // it fails again; afterwards the page retries by itself
  await page.unroute('**/api/activities?limit=500*');
  await live(page);
  await database.sql(`insert into activity_updates (activity_id, author_id, notes, update_type) select id, 'ada', 'Ordered.', 'general' from activities`);
  await page.route('**/notes*', (route) => route.abort());
  await page.locator('#grid-space .row').first().click();
  await page.getByText('The notes could not be loaded').waitFor();
  await page.unroute('**/notes*');
  await site.kill();
  await until('the page shows it', async () => (await state(page)) === 'reconnecting');
  assert.equal((await page.locator('#rate').textContent())[0], '–');
  const toast = await page.locator('.toast', { hasText: 'The connection was lost' }).textContent();
  assert.doesNotMatch(toast, /without a gap/, 'the page cannot know that');
  await site.start();
  await live(page);
  await page.locator('.notes li', { hasText: 'Ordered.' }).waitFor();
});

test('a token that has ended or may not write: the page asks for another one, and loses nothing', async () => {
  const site = await jwtServer(world, { args: ['--write-role=dispatcher'] });
  const context = await world.context({ viewport: { width: 1440, height: 900 } });
  try {
    await site.database.insert(3);
    const page = await context.newPage();
    const now = () => Math.floor(Date.now() / 1000);
    let age = 10; // of a token, in seconds: the revocation ends those that were issued before it
    let tokens = 0; // each differs from the others
    const signIn = async (within, ...roles) => {
      await within.getByLabel('Token').fill(token({ sub: 'ada', jti: `ada ${++tokens}`, roles, iat: now() - age, exp: now() + 600 }));
      await within.getByRole('button', { name: 'Sign in', exact: true }).click();
    };
    await page.goto(`${site.url}activities`);
    await signIn(page.locator('#state'));
    await live(page);
    assert.equal(await page.locator('#new').isVisible(), false, 'no form for a user who may not write');
    await page.locator('#grid-space .row').first().click();
    await page.locator('.facts.reads', { hasText: 'HQ' }).waitFor();
    assert.equal(await page.locator('#activity-side form:visible').count(), 0);
    await page.reload();
    await signIn(page.locator('#state'), 'dispatcher');
    await live(page);
    await page.locator('#grid-space .row').first().click();
    await page.locator('#activity-side').getByLabel('Location').fill('Typed before the token ended');
    await site.database.sql(`select pgherald.revoke(user_id => 'ada')`);
    age = -2;
    await page.locator('#state').getByText('The server does not accept this token.').waitFor();
    await page.locator('#activity-side').getByRole('button', { name: 'Save' }).click();
    await signIn(page.locator('dialog[open]'), 'dispatcher');
    await live(page);
    await page.locator('.row .place', { hasText: 'Typed before the token ended' }).waitFor();
    // A list that gets a 401 is not loaded again: the page must not say that it retries.
    let ended; // the header with the token that the list refuses from now on
    await page.route('**/api/activities?limit=500*', (route) => {
      const { authorization } = route.request().headers();
      if (authorization !== (ended ??= authorization)) return route.continue();
      return route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{"status":401,"code":"token_expired","detail":"the token has expired"}' });
    });
    await site.database.sql('truncate activities cascade'); // the page loads its list again
    await page.locator('#state').getByText('Your token has expired.').waitFor();
    await signIn(page.locator('#state'), 'dispatcher');
    await page.getByText('No activities yet').waitFor();
    assert.deepEqual(context.failures, []);
  } finally {
    await context.close();
    await site.kill();
  }
});
