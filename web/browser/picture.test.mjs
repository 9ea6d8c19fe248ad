// Tests that the comparison of layouts and the search for violations find deliberate faults, and nothing on a sound page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { compare, launchBrowser, layout, violations } from './kit.mjs';

const SOUND = `<!doctype html><html lang="en"><title>A page</title><style>
  body { margin: 0; font: 16px sans-serif; } header { display: flex; height: 60px; } #side { width: 300px; height: 200px; overflow: hidden; } button { min-height: 30px; }
</style><header id="top"><h1>Heading</h1></header><main id="board"><section id="side"><button id="save">Save this view</button> <button id="undo">Undo</button></section></main>`;

let browser;
let page;
before(async () => {
  browser = await launchBrowser();
  page = await browser.newPage({ viewport: { width: 800, height: 600 } });
});
after(() => browser?.close());

/** Returns the faults, differences and violations of the sound page with further CSS or other markup. */
async function judge({ css = '', change = (html) => html }) {
  await page.setContent(SOUND);
  const golden = await layout(page);
  await page.setContent(change(SOUND).replace('</style>', `${css}</style>`));
  const { faults, ...measured } = await layout(page);
  return { faults, differences: compare(golden, measured), violations: await violations(page) };
}

test('a sound page has no faults, and neither has one in another font', async () => {
  assert.deepEqual(await judge({}), { faults: [], differences: [], violations: [] });
  assert.deepEqual(await judge({ css: 'body { font-family: monospace; font-size: 15px }' }), { faults: [], differences: [], violations: [] });
});

for (const [what, css, pattern] of [
  ['a region that moved', '#side { margin-left: 100px }', /differences.*side is at 100,60,300,200, not 0,60,300,200/],
  ['a control that vanished', '#undo { display: none }', /differences.*the controls undo are not shown/],
  ['a label that is cut', '#save { width: 60px; overflow: hidden; white-space: nowrap }', /faults.*save is cut/],
  ['a label that leaves its region', '#save { width: 400px }', /faults.*save leaves its region at the right/],
  ['controls that overlap', '#undo { margin-left: -40px }', /faults.*save and undo overlap/],
  ['a page that scrolls sideways', '#board { width: 900px }', /faults.*the page is 100 px too wide/],
  ['text without contrast', 'h1 { color: #bbb }', /violations.*color-contrast/],
]) {
  test(`${what} is found`, async () => assert.match(JSON.stringify(await judge({ css })), pattern));
}

test('a button without a name is found', async () => {
  assert.match(JSON.stringify(await judge({ change: (html) => html.replace('Save this view', '') })), /violations.*button-name/);
});
