// Reads what the dashboard shows: the document only, not the state of its scripts.

import assert from 'node:assert/strict';
import { LIMIT, until } from './kit.mjs';

/** Opens the dashboard, or the page at another path. */
export async function open(context, site, path = 'activities') {
  const page = await context.newPage();
  await page.goto(site.url + path);
  await live(page);
  return page;
}

export const state = (page) => page.locator('#connection').getAttribute('data-state');

export const live = (page) => until('the page is live', async () => (await state(page)) === 'open' && !(await page.locator('#state .skeleton').isVisible()));

/** Records the states of the connection from now on, also those that last for a moment. Returns what reads them. */
export async function stateRecord(page) {
  await page.evaluate(() => {
    const pill = document.getElementById('connection');
    window.states = [pill.dataset.state];
    new MutationObserver(() => window.states.push(pill.dataset.state)).observe(pill, { attributeFilter: ['data-state'] });
  });
  return () => page.evaluate(() => window.states);
}

/** Waits until the page has shown a toast with a text. */
export const said = (page, text) => until(`the page says ${text}`, async () => (await page.evaluate(() => window.toasts)).some((toast) => toast.includes(text)));

export const shown = (page) => page.locator('#shown').textContent();

/** Runs in the page. It scrolls a list from top to bottom, since only visible rows exist, and reads each row. */
async function walk(scroller, row, read) {
  const list = document.querySelector(scroller);
  const before = list.scrollTop;
  const found = new Map();
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  for (let top = 0; ; top += list.clientHeight) {
    list.scrollTop = top;
    await frame();
    for (const element of list.querySelectorAll(row)) found.set(...read(element));
    if (top + list.clientHeight >= list.scrollHeight) break;
  }
  list.scrollTop = before;
  await frame();
  return [...found];
}

function activity(row) {
  const text = (selector) => row.querySelector(selector).textContent;
  return [row.dataset.id, [row.dataset.id, text('.title'), text('.place'), text('.status'), row.querySelector('.assignee .choose').lastElementChild.textContent].join('|')];
}

const event = (row) => [row.id, [Number(row.getAttribute('aria-posinset')), Number(row.dataset.number)]];

/** Returns the activities in the table, in the format of Database.activities. */
export async function activities(page) {
  const rows = await page.evaluate(`(${walk})('#grid-scroll', '.row', ${activity})`);
  return rows.map(([, line]) => line).sort();
}

/** Returns the ids of the events in the list, the newest last. */
export async function eventNumbers(page) {
  const rows = await page.evaluate(`(${walk})('#event-list', '.event', ${event})`);
  return rows.map(([, found]) => found).sort(([a], [b]) => b - a).map(([, number]) => number);
}

/** Waits until the page shows exactly the activities of the database. */
export async function equal(page, database) {
  const wanted = await database.activities();
  await until(`the page shows ${wanted.length} activities`, async () => Number((await shown(page)).replaceAll(',', '')) === wanted.length).catch(() => {});
  let got = [];
  await until('the page is equal to the database', async () => {
    got = await activities(page);
    return JSON.stringify(got) === JSON.stringify(wanted);
  }, LIMIT / 2).catch(() => {});
  assert.deepEqual(got, wanted);
}

/** Reads the connection card. */
export async function connectionCard(page) {
  if (!(await page.locator('#connection-card').isVisible())) await page.locator('#connection').click();
  const text = await page.locator('#connection-card').innerText();
  await page.keyboard.press('Escape');
  return text;
}
