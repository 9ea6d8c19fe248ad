// Takes a picture of every state of the dashboard at four widths, compares its layout with the golden one, and searches for violations
// of accessibility, in light and dark.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Goldens, violations } from './kit.mjs';
import { live } from './page.mjs';
import { world } from './scenario.mjs';

const SIZES = [[360, 760], [768, 1024], [1280, 800], [1920, 1080]];

/** The widths that are searched for violations, in both themes: a phone has other elements than a wide screen. */
const SEARCHED = [360, 1280];

const list = '**/api/activities?limit=500*';
const probe = '**/api/activities?limit=1';
const escape = (page) => page.keyboard.press('Escape');
const card = (button, id) => ({ show: async (page) => { await page.locator(button).click(); await page.locator(id).waitFor(); }, hide: escape });

/** Opens the page anew, with requests that a route answers. */
const fresh = (pattern, answer, text) => ({
  show: async (page, url) => {
    if (pattern) await page.route(pattern, answer);
    await page.goto('about:blank');
    await page.goto(url);
    await page.getByText(text).waitFor();
  },
  hide: (page) => page.unroute(pattern),
});

const denied = (route) => route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{"status":401,"code":"token_required","detail":"a token is required"}' });
const readOnly = async (route) => {
  const response = await route.fetch();
  await route.fulfill({ response, headers: { ...response.headers(), allow: 'GET, HEAD' } });
};
const openRow = async (page) => {
  await page.locator('#grid-space .row .what').first().click();
  await page.locator('.notes li').first().waitFor();
};
const close = (page) => page.locator('#detail-close').click();
const view = (name, act = async () => {}) => ({
  show: async (page) => {
    if (await page.locator('.views').isVisible()) await page.getByRole('navigation').getByRole('button', { name }).click();
    await act(page);
  },
  hide: async (page) => (await page.locator('.views').isVisible()) && page.getByRole('navigation').getByRole('button', { name: 'Activities' }).click(),
});
/** Opens the filters of a phone before an action. */
const withFilters = ({ show, hide }) => ({
  show: async (page) => {
    if (await page.locator('#more').isVisible()) await page.locator('#more').click();
    await show(page);
  },
  hide: async (page) => {
    await hide(page);
    if (await page.locator('#more').isVisible()) await page.locator('#more').click();
  },
});
const dialog = (button, id) => ({ show: async (page) => { await page.locator(button).click(); await page.locator(id).waitFor(); }, hide: escape });

const STATES = {
  loading: fresh(list, () => {}, 'Loading the activities'),
  lost: fresh(list, (route) => route.abort(), 'The activities could not be loaded'),
  locked: fresh(probe, denied, 'Sign in to see this page.'),
  'read only': { show: async (page, url) => { await page.route(probe, readOnly); await page.goto('about:blank'); await page.goto(url); await live(page); await openRow(page); }, hide: (page) => page.unroute(probe) },
  activities: { show: async (page, url) => { await page.goto('about:blank'); await page.goto(url); await live(page); }, hide: async () => {} },
  nothing: { show: async (page) => { await page.locator('#search').fill('no such activity'); await page.getByText('Nothing matches').waitFor(); }, hide: async (page) => page.getByRole('button', { name: 'Clear the filters' }).click() },
  compact: withFilters({ show: (page) => page.locator('#density').click(), hide: (page) => page.locator('#density').click() }),
  filtered: withFilters({ show: async (page) => { await page.locator('#filter-status-button').click(); await page.locator('#filter-status').getByLabel('blocked').check(); }, hide: async (page) => { await escape(page); await page.locator('#clear').click(); } }),
  period: withFilters(card('#filter-created-button', '#filter-created')),
  views: card('#views', '#views-card'),
  selection: { show: async (page) => { for (const i of [0, 1, 2]) await page.locator('#grid-space .row input').nth(i).check(); }, hide: (page) => page.locator('#select-none').click() },
  status: { show: async (page) => { await page.locator('.choose.status').first().click(); await page.locator('#pick-card').waitFor(); }, hide: escape },
  activity: { show: openRow, hide: close },
  'new activity': { show: async (page) => { await page.locator('#new').click(); await page.getByRole('button', { name: 'Create', exact: true }).click(); await page.getByText('Category is missing.').waitFor(); }, hide: escape },
  connection: card('#connection', '#connection-card'),
  name: card('#me', '#me-card'),
  commands: withFilters(card('#copy-list', '#copy-card')),
  insights: view('Insights'),
  events: view('Events', async (page) => { await page.locator('.event').first().click(); await page.locator('#inspector').waitFor(); }),
};

async function prepare(database) {
  await database.insert(60);
  await database.sql(`update activities set status = (array['open', 'in_progress', 'blocked', 'resolved', 'closed'])[1 + substr(subcategory, 4)::int % 5], category = case when subcategory = 'No 7' then 'A category whose name is as long as names may be, almost' else category end;
    insert into assignments (activity_id, assignee_id) select id, (array['ada', 'grace', 'ken'])[1 + substr(subcategory, 4)::int % 3] from activities where substr(subcategory, 4)::int % 2 = 0;
    insert into activity_updates (activity_id, author_id, notes, update_type) select id, 'ada', 'Ordered, and on its way.', 'general' from activities`);
}

/** Shows each state at a size, and returns what is wrong with it. */
async function search(site, [width, height], goldens) {
  const context = await world.context({ viewport: { width, height }, colorScheme: 'light' });
  const page = await context.newPage();
  const found = [];
  try {
    for (const [name, { show, hide }] of Object.entries(STATES)) {
      await show(page, `${site.url}activities`);
      if (name === 'activities') await site.database.sql(`update activities set location = 'Annex ${width}' where subcategory in ('No 1', 'No 2')`);
      const differences = await goldens.differences(page, `${name} ${width}`);
      found.push(...differences.map((text) => `${name} at ${width}: ${text}`));
      if (name === 'activities' && (await page.getByRole('link', { name: 'Console' }).count()) !== 1) found.push(`${name} at ${width}: not one link to the console`);
      for (const colorScheme of SEARCHED.includes(width) ? ['light', 'dark'] : []) {
        await page.emulateMedia({ colorScheme });
        found.push(...(await violations(page, { isSecondTheme: colorScheme === 'dark' })).map((text) => `${name} at ${width}, ${colorScheme}: ${text}`));
      }
      await page.emulateMedia({ colorScheme: 'light' });
      await hide(page);
    }
    found.push(...context.failures);
  } finally {
    await context.close();
  }
  return found;
}

test('every state: its layout is the golden one, nothing is cut, and it is accessible', async (t) => {
  const site = await world.site();
  try {
    await prepare(site.database);
    const goldens = await Goldens.read('dashboard');
    const found = (await Promise.all(SIZES.map((size) => search(site, size, goldens)))).flat();
    await goldens.save();
    assert.ok(found.length === 0, found.join('\n'));
    t.diagnostic(`${Object.keys(STATES).length} states at ${SIZES.length} widths`);
  } finally {
    await site.kill();
  }
});
