// Tests faults that the console had: each scenario failed before the fault was fixed.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { args, open, state } from './console.mjs';
import { apply, start, until } from './kit.mjs';

const run = promisify(execFile);

/** Keys that URLs, shells and pages change easily. */
const KEYS = ['', '.', '..', 'a/b', '%2e%2e/50%', `it's "quoted" \\`, 'a b+c#?&=;,', 'ключ\n😀', 'k'.repeat(10_240)];

const prepare = `create table public.keys (id text primary key, n int not null);
  create table public.names ("constructor" text, "__proto__" text, "toString" int, id int primary key);
  create table public."Mixed Case" (id int primary key);
  create table public.large (id int primary key, t text);
  insert into public.keys select key, i from unnest(array[${KEYS.map((key) => `$key$${key}$key$`)}]) with ordinality k (key, i);
  insert into public.names values ('a', 'x', 1, 1), ('b', 'x', 2, 2), ('a', 'y', null, 3);
  alter table public.large alter t set storage external;
  insert into public.large select i, repeat('x', 1000000) from generate_series(1, 90) i`;

let world;
let site;
let database;
before(async () => {
  world = await start();
  site = await world.site({ prepare, args: [...args, '--trigger-check-interval=1s'] });
  ({ database } = site);
});
after(async () => {
  await site?.kill();
  await world?.close();
});

/** Runs a scenario on the common server, with its own browser profile. It fails if a page threw or violated its content security policy. */
function scenario(name, act, options) {
  test(name, async (t) => {
    const context = await world.context({ viewport: { width: 1280, height: 800 }, ...options });
    try {
      await act(context, t);
      assert.deepEqual(context.failures, []);
    } finally {
      await context.close();
    }
  });
}

const row = (page, key) => page.locator(`#table-space .tr[data-key=${JSON.stringify(key)}]`);
const facts = (page) => page.locator('#side .row-facts dd').allTextContents();

scenario('a row with any key can be opened, linked, followed and copied', async (context) => {
  const page = await open(context, site, '#collections/keys?order=n');
  await until('all are there', async () => (await page.locator('#table-space .tr').count()) === KEYS.length);
  const found = await page.locator('#table-space .tr').evaluateAll((rows) => rows.map((one) => one.dataset.key));
  assert.deepEqual(found, KEYS);
  for (const [i, key] of KEYS.entries()) {
    await page.locator('#table-space .tr').nth(i).click();
    await until(`the row ${JSON.stringify(key.slice(0, 20))} is open`, async () => (await facts(page)).at(-1) === String(i + 1));
    assert.equal(new URLSearchParams(page.url().split('?')[1]).get('row'), key);
    await page.locator('#side-copy').click();
    const [curl] = await page.locator('#copy-card pre').allTextContents();
    const { stdout } = await run('bash', ['--norc', '-c', curl]);
    assert.deepEqual(JSON.parse(stdout), { id: key, n: i + 1 }, curl);
    await page.keyboard.press('Escape');
  }
  for (const key of ['', KEYS.at(-1)]) { // streams and the log take no such key
    await row(page, key).click();
    await page.getByText('This row is as it was when it was loaded, without its events').waitFor();
    await database.sql(`update public.keys set n = n + 100 where id = '${key}'`);
    await page.getByRole('button', { name: 'Load again' }).click();
    await until('it is loaded again', async () => Number((await facts(page)).at(-1)) > 100);
    await database.sql(`update public.keys set n = n - 100 where id = '${key}'`);
  }
  for (const key of ['..', 'a/b']) {
    await page.goto('about:blank');
    await page.goto(`${site.url}#collections/keys?${new URLSearchParams({ row: key })}`);
    await until('the linked row is open', async () => (await facts(page)).at(-1) === String(KEYS.indexOf(key) + 1));
    await database.sql(`update public.keys set n = n + 100 where id = '${key}'`);
    await page.locator('#side .timeline li', { hasText: 'update' }).waitFor();
    await database.sql(`update public.keys set n = n - 100 where id = '${key}'`);
    await until('its timeline has both', async () => (await page.locator('#side .timeline li').count()) === 2);
  }
});

scenario('columns may be called constructor and __proto__', async (context) => {
  const page = await open(context, site, '#collections/names?where.__proto__=x&where.constructor=a');
  await row(page, '1').waitFor();
  assert.equal(await page.locator('#table-space .tr').count(), 1);
  await database.sql(`insert into public.names values ('c', 'x', 4, 4), ('a', 'z', 5, 5), ('a', 'x', null, 6)`);
  await row(page, '6').waitFor();
  assert.equal(await page.locator('#table-space .tr').count(), 2, 'the stream has the filter too');
  await row(page, '6').click();
  await until('its values are shown', async () => JSON.stringify(await facts(page)) === JSON.stringify(['a', 'x', 'null', '6']));
  await database.sql(`update public.names set "constructor" = 'new', "toString" = 7 where id = 6`);
  await page.locator('#side .timeline li', { hasText: 'update' }).waitFor();
  assert.match(await page.locator('#side .timeline li').first().innerText(), /constructor[^]*a → [^]*new[^]*toString[^]*null → [^]*7/);
});

scenario('large rows fill the page up to its limit, and it says so', async (context) => {
  const page = await open(context, site, '#collections/large');
  await until('no more rows are loaded', async () => { // a busy server counts too slowly to say of how many
    await page.locator('#table-scroll').evaluate((scroller) => (scroller.scrollTop = scroller.scrollHeight));
    return /^\d+ (of 90 rows|rows, and more) · the page keeps no more: filter to see others$/.test(await page.locator('#rows-count').textContent());
  });
  const loaded = parseInt(await page.locator('#rows-count').textContent(), 10);
  assert.ok(loaded > 60 && loaded < 75, `${loaded} rows of 1 MB`);
});

scenario('a command that cannot be written says why', async (context) => {
  const page = await open(context, site, '#collections/mixed_case');
  await page.locator('#copy-rows').click();
  const card = page.locator('#copy-card');
  await card.getByText('The name of the table or of a column needs double quotes').waitFor();
  assert.doesNotMatch(await card.innerText(), /A value has characters/);
});

scenario('tables and columns that are added appear, and a table that goes says so', async (context) => {
  const page = await open(context, site, '#collections/names');
  const events = await open(context, site, '#events');
  await row(page, '1').waitFor();
  /** Waits until the page shows something, and returns to its tab meanwhile: it looks at once then, and otherwise every 15 s. */
  const appears = (what) => until(`${what} is there`, async () => {
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    return what.isVisible();
  });
  await database.sql('create table public.later (id int primary key); alter table public.names add column extra text');
  await apply(database, args);
  await appears(page.locator('#collection-list').getByText('later'));
  await page.locator('#table-head').getByText('extra').waitFor();
  await database.sql(`insert into public.later values (1); update public.names set extra = 'now' where id = 1`);
  await page.locator('.td', { hasText: 'now' }).waitFor();
  await events.locator('#event-space .tr', { hasText: 'later' }).waitFor();
  await events.close();
  await page.locator('#collection-list').getByText('later').click();
  await row(page, '1').waitFor();
  await site.stop();
  await site.start(database, ['--tables=public.keys,public.names']);
  await appears(page.getByText('The collection later is gone'));
  assert.deepEqual(await page.locator('#collection-list li').allTextContents(), ['keys', 'names']);
  await site.stop();
  await site.start(database, ['--tables=public.keys,public.names,public.later']); // public.* would be an older spec
  await appears(row(page, '1'));
});

scenario('a server that cannot read the database is not live, and the view keeps the focus and the selection', async (context) => {
  const page = await context.newPage();
  let streams = 1;
  let staleSince = new Date().toISOString();
  await page.route('**/api/operations', async (route) => {
    const response = await route.fetch();
    const found = await response.json();
    Object.assign(found.replicas[0], { staleSince, streams });
    found.triggers = { checkedAt: new Date().toISOString() };
    found.doctor = { checkedAt: new Date().toISOString(), findings: [{ level: 'warn', check: 'one', found: 'is wrong', remedy: 'alter system' }, { level: 'warn', check: 'two', found: 'too', remedy: 'vacuum' }] };
    await route.fulfill({ response, json: found });
  });
  await page.goto(`${site.url}#operations`);
  await until('the page says so', async () => (await state(page)) === 'stale');
  staleSince = undefined;
  const refresh = () => page.evaluate(() => document.getElementById('operations-refresh').click());
  await refresh();
  await until('it is live again', async () => (await state(page)) === 'open');
  await page.locator('.remedy button').nth(1).focus();
  await page.evaluate(() => getSelection().selectAllChildren(document.querySelector('.findings strong')));
  const kept = () => page.evaluate(() => [String(getSelection()), document.activeElement.closest('.remedy')?.textContent]);
  const before = await kept();
  assert.deepEqual(before, ['one: is wrong', 'vacuumCopy']);
  streams = 17;
  await refresh();
  await page.locator('.op-card dd', { hasText: /^17$/ }).waitFor();
  assert.deepEqual(await kept(), before);
});

scenario('the panel of a row keeps the focus and the selection', async (context) => {
  await database.sql(`do $$ begin for i in 1..40 loop update public.keys set n = n + 1 where id = 'a/b'; end loop; end $$`);
  const page = await open(context, site, `#collections/keys?${new URLSearchParams({ row: 'a/b' })}`);
  const earlier = page.getByRole('button', { name: 'Earlier events' });
  await earlier.focus();
  await page.evaluate(() => getSelection().selectAllChildren(document.querySelector('#side .row-facts dd')));
  const kept = () => page.evaluate(() => [String(getSelection()), document.activeElement.textContent]);
  assert.deepEqual(await kept(), ['a/b', 'Earlier events']);
  await database.sql(`update public.keys set n = n + 1000 where id = 'a/b'`);
  await page.locator('#side .row-facts dd', { hasText: /^10\d\d$/ }).waitFor();
  assert.deepEqual(await kept(), ['a/b', 'Earlier events']);
  const count = () => page.locator('#side .timeline li').count();
  const shown = await count();
  await earlier.click();
  await until('they are there', async () => (await count()) > shown);
});

scenario('a tap opens the row under the finger, whatever comes meanwhile', async (context) => {
  const page = await open(context, site, '#collections/names?order=id.desc');
  const first = page.locator('#table-space .tr').first();
  await first.waitFor();
  const key = await first.getAttribute('data-key');
  const { x, y, height } = await first.boundingBox();
  const devtools = await context.newCDPSession(page);
  await devtools.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x: x + 50, y: y + height / 2 }] });
  await database.sql(`insert into public.names (id) values (100)`);
  await page.getByRole('button', { name: 'Held under the pointer' }).waitFor();
  await devtools.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  await page.locator('#side-title', { hasText: `names ${key}` }).waitFor();
  await row(page, '100').waitFor();
}, { hasTouch: true });
