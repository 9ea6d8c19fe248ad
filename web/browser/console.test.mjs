// Tests the console: any table, its rows, its events and its history.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { args, consumers, equal, open, prepare, rows, state } from './console.mjs';
import { start, until } from './kit.mjs';
import { stateRecord } from './page.mjs';
import { jwtServer, token } from './token.mjs';

let world;
let site;
let database;
before(async () => {
  world = await start();
  site = await world.site({ prepare, args });
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

const ALL = 'select id, status, total from public.orders order by id';

scenario('the rows of a collection equal the database, whatever is written', async (context) => {
  const page = await open(context, site);
  await equal(page, database, ALL);
  assert.equal((await rows(page))[0][4], '9007199254740993'); // a double would show …992
  assert.equal((await rows(page))[0][3], '<b>Item 1</b>');
  const numbers = ['12345678901234567890', '12.50', '1.0', '1e5', '123456789.12345671', '123456789.12345672', '0.12345678901234567', '17', '-0.5'];
  assert.deepEqual(await page.evaluate(async (given) => {
    const { parse, textOf } = await import('./console/js/exact.js');
    return given.map((number) => textOf(parse(`{"a":${number}}`).a));
  }, numbers), numbers);
  await database.sql(`begin; update public.orders set total = total + 1 where id % 5 = 0; delete from public.orders where id % 50 = 7; insert into public.orders (total, item) values (1.50, 'new'); commit`);
  await equal(page, database, ALL);
  const filtered = await open(context, site, '#collections/orders?where.status=in.(open,paid)&order=total.desc,id.desc');
  const FILTERED = `select id, status, total from public.orders where status in ('open', 'paid') order by total desc, id desc`;
  await equal(filtered, database, FILTERED);
  await database.sql(`update public.orders set status = 'shipped' where id % 7 = 1; update public.orders set status = 'open', total = 96.50 where id % 7 = 2`);
  await equal(filtered, database, FILTERED);
  await database.sql('truncate public.lines, public.orders; insert into public.orders (total, item) select i, i from generate_series(1, 30) i');
  await equal(filtered, database, FILTERED);
  await equal(page, database, ALL);
});

scenario('a filter is completed, and its error is shown at its condition', async (context) => {
  const page = await open(context, site);
  await page.locator('#table-space .tr').first().waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('stat');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByRole('option', { name: 'paid' }).waitFor();
  await page.keyboard.type('in.(op');
  await page.keyboard.press('Escape');
  await page.keyboard.type(')');
  await page.keyboard.press('Enter');
  await page.locator('#filter-error', { hasText: 'status has the value "op": the field\'s values are open, paid, shipped.' }).waitFor();
  assert.equal(await page.locator('.chip.wrong').count(), 1);
  await page.locator('.chip-text').click();
  await page.locator('#filter-input').fill('status=in.(open)');
  await page.keyboard.press('Enter');
  await equal(page, database, `select id, status, total from public.orders where status = 'open' order by id`);
  assert.match(page.url(), /#collections\/orders\?where\.status=in\.\(open\)$/);
  await page.goBack();
  await page.locator('.chip.wrong').waitFor();
  await page.locator('#filter-clear').click();
  await equal(page, database, ALL);
});

scenario('rows do not move under the pointer', async (context) => {
  const page = await open(context, site, '#collections/orders?order=id.desc');
  const first = page.locator('#table-space .tr').first();
  await first.waitFor();
  const key = await first.getAttribute('data-key');
  await first.hover();
  for (let i = 0; i < 5; i++) await database.sql(`insert into public.orders (total, item) values (${i}, 'pushes')`);
  await page.getByRole('button', { name: 'Held under the pointer: 5 rows have come. Show' }).waitFor();
  await page.mouse.down();
  await page.mouse.up();
  await page.locator('#side-title', { hasText: `orders ${key}` }).waitFor();
  await page.locator('#side').hover();
  await until('they are shown', async () => (await first.getAttribute('data-key')) !== key);
});

scenario('a row shows its history, and follows what changes', async (context) => {
  const [id] = await database.sql(`insert into public.orders (total, item, status) values (5, 'before', 'open') returning id`);
  await database.sql(`update public.orders set item = 'after' where id = ${id}`);
  const page = await open(context, site, `#collections/orders?where.status=open&row=${id}`);
  const timeline = page.locator('.timeline li');
  await until('its history is there', async () => (await timeline.count()) >= 2);
  assert.match(await timeline.first().innerText(), /update[^]*item[^]*before → [^]*after/);
  await database.sql(`update public.orders set status = 'paid' where id = ${id}`); // it leaves the filter
  await timeline.filter({ hasText: 'paid' }).waitFor();
  await until('its row left', async () => (await page.locator(`#table-space .tr[data-key="${id}"]`).count()) === 0);
  await database.sql(`delete from public.orders where id = ${id}`);
  await page.getByText('There is no such row now').waitFor();
  await page.keyboard.press('Escape');
  await until('the panel is closed', () => page.locator('#side').isHidden());
  assert.ok(await page.evaluate(() => document.activeElement.closest('#table')), 'the focus is not in the grid');
});

scenario('the events are full at load, scroll back as far as the log, and go on', async (context) => {
  await database.sql(`begin; update public.orders set total = total + 1 where id in (select id from public.orders order by id limit 3); insert into public.lines values (9, 1, 'x'); commit`);
  const page = await open(context, site, '#events');
  await page.locator('#event-space .tr').first().waitFor();
  const shown = async () => (await rows(page, 'event-scroll')).map((cells) => Number(cells.at(-1)));
  const log = async () => (await database.events()).reverse();
  assert.deepEqual(await shown(), await log());
  assert.deepEqual((await rows(page, 'event-scroll'))[0].slice(1, 4), ['lines', 'insert', '[9, 1]']);
  await database.sql(`insert into public.lines values (10, 1, 'live')`);
  await until('it comes', async () => JSON.stringify(await shown()) === JSON.stringify(await log()));
  await page.locator('#event-table').selectOption('lines');
  await page.getByLabel('insert').uncheck();
  await database.sql(`update public.lines set sku = 'changed' where orders = 10; update public.orders set total = 1 where id = (select min(id) from public.orders)`);
  await until('only the updates of lines are there', async () => JSON.stringify((await rows(page, 'event-scroll')).map((cells) => cells.slice(1, 4).join(' '))) === JSON.stringify(['lines update [10, 1]']));
  await page.locator('#event-space .tr').first().click();
  await page.locator('#side .diff', { hasText: /live.*changed/s }).waitFor(); // although the insert is not in the list
});

/** Waits until the page has loaded so many rows, and not all. */
const loaded = (page, n) => page.locator('#rows-count', { hasText: new RegExp(`^${n} (of|rows)`) }).waitFor();

scenario('a row that leaves and returns at the end of the loaded rows is there', async (context) => {
  await database.sql(`insert into public.orders (total, item, status) select i, 'item ' || i, 'open' from generate_series(1, 300) i`);
  const page = await open(context, site, '#collections/orders?where.status=in.(open,paid)');
  await loaded(page, 200);
  const [last] = await database.sql(`select id from public.orders where status in ('open', 'paid') order by id offset 199 limit 1`);
  await database.sql(`update public.orders set status = 'shipped' where id = ${last}`);
  await loaded(page, 199);
  await database.sql(`update public.orders set status = 'open' where id = ${last}`);
  await loaded(page, 200);
  await equal(page, database, `select id, status, total from public.orders where status in ('open', 'paid') order by id`);
});

scenario('a row that leaves while the rows are loaded again stays away', async (context) => {
  const page = await open(context, site, '#collections/orders?order=item');
  await loaded(page, 200);
  const [fetched, fetch] = signal();
  const [released, release] = signal();
  await page.route(/api\/collections\/orders\?order=item&limit=\d+$/, async (route) => {
    const response = await route.fetch();
    fetch();
    await released;
    await route.fulfill({ response });
  }, { times: 1 });
  await database.sql(`insert into public.orders (total, item) values (1, 'AAA')`); // only the database knows its place
  await fetched;
  const first = await page.locator('#table-space .tr').first().getAttribute('data-key');
  await database.sql(`delete from public.orders where id = ${first}`);
  await until('it left', async () => (await page.locator(`#table-space .tr[data-key="${first}"]`).count()) === 0);
  await page.locator('#table-scroll').evaluate((scroller) => { // asks for the next page
    scroller.scrollTop = scroller.scrollHeight;
    return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  });
  release();
  await equal(page, database, 'select id, status, total from public.orders order by item, id');
});

function signal() {
  let done;
  return [new Promise((resolve) => (done = resolve)), () => done()];
}

scenario('what is not known of the servers is no number', async (context) => {
  const page = await context.newPage();
  await page.route('**/api/operations', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), error: 'read the servers: no connection' } });
  });
  await page.goto(`${site.url}#operations`);
  await page.getByText('read the servers: no connection').waitFor();
  assert.match(await page.locator('.figures').innerText(), /Servers\s+–\s+Streams\s+–/);
});

scenario('the consumers show what they have not seen and what is wrong with them', async (context) => {
  await database.sql(`insert into pgherald.events (type, data) select 'note', '1' from generate_series(1, 1200)`);
  await database.sql(consumers);
  const page = await context.newPage();
  await page.goto(`${site.url}#operations`);
  await page.locator('.consumers tbody').nth(2).waitFor();
  const cells = await page.locator('.consumers tbody').evaluateAll((found) => found.map((of) => [...of.querySelectorAll('th, td')].map((cell) => [...cell.children].map((part) => part.textContent).join(' | ') || cell.textContent)));
  const [billing, mailer, search] = cells;
  assert.equal(billing[0], 'billing');
  assert.match(billing[4], /^to nats:\/\/nats\.internal:4222\?subject=orders \| No process of pgherald forward runs\. \| Nothing was acknowledged since .*: publish: no stream has the subject$/);
  assert.match(billing[1], /^\d+ (min|h) ago$/);
  assert.match(billing[2], /^\d.* \| 1,000\+ events$/);
  assert.equal(billing[3], '2');
  assert.deepEqual(mailer, ['mailer <b>x</b>', 'never', '–', '0', 'by pgherald.consume | The log no longer reaches back to it: it has to load everything again.']);
  assert.deepEqual([search[0], search[4]], ['search', 'by pgherald.consume']);
  assert.equal(await page.locator('.op-card.bad h3').last().innerText(), 'Consumers');
  await page.route('**/api/operations', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), consumers: { list: [], error: 'look at the consumers: no right' } } });
  });
  await page.locator('#operations-refresh').click();
  await page.getByText('look at the consumers: no right').waitFor();
});

test('a server that requires a token asks for it, and again when it has expired', async () => {
  const locked = await jwtServer(world, { prepare, args });
  const context = await world.context();
  try {
    const page = await context.newPage();
    const signIn = async (seconds, sentence) => {
      await page.getByText(sentence).first().waitFor();
      await page.getByRole('textbox', { name: 'Token' }).fill(token({ sub: 'ada', exp: Math.floor(Date.now() / 1000) + seconds }));
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    };
    await page.goto(`${locked.url}#collections/orders`);
    await signIn(-60, 'Sign in to see this page.');
    const states = await stateRecord(page);
    await signIn(4, 'Your token has expired.');
    await until('it is live, until the token expires', async () => /open.*locked/.test((await states()).join()));
    await signIn(600, 'Your token has expired.');
    await until('it is live', async () => (await state(page)) === 'open');
    await equal(page, locked.database, ALL);
    const inputs = () => page.evaluate(() => [...document.querySelectorAll('input[type="password"]')].map(({ value }) => value).join(''));
    assert.equal(await inputs(), '', 'the document keeps the token');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('Sign in to see this page.').first().waitFor();
    assert.ok(!(await page.evaluate(() => document.body.textContent.includes('Item 1'))), 'rows stay after the user has signed out');
    assert.deepEqual(context.failures, []);
  } finally {
    await context.close();
    await locked.kill();
  }
});
