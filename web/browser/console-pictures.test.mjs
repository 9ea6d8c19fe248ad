// Takes pictures of every state of the console, compares their layouts with golden ones, and searches them for violations of accessibility.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { args, consumers, open, prepare, state } from './console.mjs';
import { artefacts, Goldens, start, until, violations } from './kit.mjs';

let world;
let site;
before(async () => {
  world = await start();
  site = await world.site({ prepare, args });
  await site.database.sql(`update public.orders set item = 'Chair' where id <= 3; insert into public.lines values (7, 1, 'new')`);
  await site.database.sql(consumers);
});
after(async () => {
  await site?.kill();
  await world?.close();
});

const FILTERED = '#collections/orders?where.status=in.(open,paid)&order=total.desc,id';

const catalog = '**/api/collections';
const denied = (route) => route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{"status":401,"code":"token_required","detail":"a token is required"}' });

/** The states: the fragment of the URL, what to do before the picture, and how a request for the collections is answered, if not by the server. */
const STATES = {
  rows: ['#collections/orders', (page) => page.locator('#table-space .tr').first().waitFor()],
  completions: ['#collections/orders', async (page) => {
    await page.locator('#filter-input').fill('status=');
    await page.locator('#filter-options li').first().waitFor();
  }],
  error: ['#collections/orders?where.total=gte.1&where.status=opn', (page) => page.locator('.chip.wrong').waitFor()],
  nothing: ['#collections/orders?where.total=gt.99999', (page) => page.getByText('No row matches').waitFor()],
  row: [`${FILTERED}&row=3`, (page) => page.locator('.timeline li').first().waitFor()],
  columns: [FILTERED, (page) => page.locator('#columns').click()],
  copy: [FILTERED, (page) => page.locator('#copy-rows').click()],
  events: ['#events', (page) => page.locator('#event-space .tr').first().waitFor()],
  event: ['#events', async (page) => {
    await page.locator('#event-space .tr').first().click();
    await page.locator('.envelope').waitFor();
  }],
  operations: ['#operations', (page) => page.locator('.consumers tbody').nth(2).waitFor()],
  consumers: ['#operations', async (page) => {
    await page.locator('.consumers tbody').nth(2).waitFor();
    await page.locator('.op-card', { has: page.locator('.consumers') }).evaluate((card) => card.scrollIntoView());
  }],
  held: ['#collections/orders?order=id.desc', async (page) => {
    await page.locator('#table-space .tr').first().hover();
    await site.database.sql(`insert into public.orders (total, item) values (1, 'Chair')`);
    await page.locator('#held').waitFor();
  }],
  connection: ['#events', async (page) => {
    await page.locator('#event-space .tr').first().waitFor();
    await until('the console is live', async () => (await state(page)) === 'open'); // before, the card is another
    await page.locator('#connection').click();
    await page.locator('.connection-log li').first().waitFor();
  }],
  keys: ['#events', async (page) => {
    await page.locator('#event-space .tr').first().waitFor();
    await page.keyboard.press('?');
    await page.locator('#help-dialog').waitFor();
  }],
  locked: ['#events', (page) => page.locator('dialog[open]').getByRole('textbox', { name: 'Token' }).waitFor(), denied],
  lost: ['#events', async (page) => {
    await page.getByText('The collections could not be loaded').waitFor();
    await page.locator('#connection[data-state="closed"]').waitFor();
  }, (route) => route.abort()],
  missing: ['#collections/missing', async (page) => {
    await page.getByText('There is no collection missing').waitFor();
    await page.locator('#connection[data-state="idle"]').waitFor();
    assert.equal(await page.locator('#place-select option:checked').textContent(), 'missing');
  }],
};

/** The widths that axe searches, light and dark: a phone has other elements than a wide screen. */
const SEARCHED = [360, 1280];

for (const [width, height] of [[360, 760], [768, 900], [1280, 800], [1920, 1080]]) {
  test(`pictures of the console at ${width} px`, async () => {
    const goldens = await Goldens.read('console');
    const found = [];
    const context = await world.context({ viewport: { width, height }, colorScheme: 'light' });
    try {
      const page = await open(context, site, '#events');
      for (const [name, [hash, act, answer]] of Object.entries(STATES)) {
        await page.mouse.move(0, 0);
        await page.goto('about:blank');
        if (answer) await page.route(catalog, answer);
        await page.goto(site.url + hash);
        await act(page);
        found.push(...(await goldens.differences(page, `${name} ${width}`)).map((fault) => `${name}: ${fault}`));
        for (const colorScheme of process.env.PGHERALD_GOLDENS !== 'write' && SEARCHED.includes(width) ? ['light', 'dark'] : []) {
          await page.emulateMedia({ colorScheme });
          found.push(...(await violations(page, { isSecondTheme: colorScheme === 'dark' })).map((fault) => `${name}, ${colorScheme}: ${fault}`));
          if (colorScheme === 'dark') await page.screenshot({ path: `${artefacts}console-${name}-${width}-dark.png` });
        }
        await page.emulateMedia({ colorScheme: 'light' });
        if (answer) await page.unroute(catalog);
      }
      await goldens.save();
      assert.deepEqual([...found, ...context.failures], []);
    } finally {
      await context.close();
    }
  });
}
