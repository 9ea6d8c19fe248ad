// Takes pictures of a page, and compares their layout with a golden one: decision 111 in docs/decisions.md says why not their pixels.

import { readFile, writeFile } from 'node:fs/promises';
import { artefacts } from './kit.mjs';

/** By how much an edge of a box may differ: a share of the box, between two lengths in pixels. Fonts and versions of Chromium differ by less. */
const TOLERANCE = { least: 14, share: 0.1, most: 48 };

/** Waits until no animation or transition runs, and until the page has drawn. */
export const settled = (page) => page.evaluate(async () => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  await document.fonts.ready;
  await frame();
  for (const animation of document.getAnimations()) {
    if (animation.effect.getComputedTiming().iterations !== Infinity) animation.finish();
  }
  await frame();
  await frame();
});

/**
 * Runs in the page. Returns the boxes of its visible regions by id, the ids of its visible controls, and faults: labels
 * that are cut, controls that overlap, and a page that scrolls sideways.
 */
function measure() {
  const visible = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && element.getBoundingClientRect().width > 1 && element.getBoundingClientRect().height > 1;
  const all = (selector) => [...document.querySelectorAll(selector)].filter(visible);
  const name = (element) => element.id || element.getAttribute('aria-label') || `${element.localName} “${element.textContent.trim().slice(0, 30)}”`;
  const hasName = ({ id }) => id && !/\d/.test(id);
  const regions = all('header, nav, main, section, article, .side, form, dialog, [popover], [role="grid"], [role="listbox"], [role="table"], canvas').filter(hasName);
  const controls = all('button, input, select, textarea, a[href]').filter(hasName);
  const faults = [];
  if (document.documentElement.scrollWidth > innerWidth) faults.push(`the page is ${document.documentElement.scrollWidth - innerWidth} px too wide`);
  // Values of users may be cut if their title, or an element around them with one, shows them in full.
  const isValue = (element) => element.closest('[title]:not([title=""]), [data-value]') !== null;
  const labels = all('h1, h2, h3, button, label, summary, input, select, output, [role="columnheader"], dt, .figure');
  for (const label of labels.filter((element) => !isValue(element) && (element.textContent.trim() || element.matches('input')))) {
    for (const part of [label, ...label.querySelectorAll('*')].filter(visible)) {
      if (!part.matches('input') && getComputedStyle(part).overflowX !== 'visible' && part.scrollWidth > part.clientWidth + 1 && !isValue(part)) faults.push(`${name(label)} is cut`);
    }
    const box = label.getBoundingClientRect();
    let left = 0;
    let right = innerWidth;
    for (let around = label.parentElement; around; around = around.parentElement) {
      if (getComputedStyle(around).overflowX === 'visible') continue;
      const edge = around.getBoundingClientRect();
      left = Math.max(left, edge.left);
      right = Math.min(right, edge.right);
    }
    if (box.right > right + 1 && box.left < right - 1) faults.push(`${name(label)} leaves its region at the right`);
    if (box.left < left - 1 && box.right > left + 1) faults.push(`${name(label)} leaves its region at the left`);
  }
  const placed = all('button, input, select, textarea, h1, h2, h3, output, label');
  for (const [i, one] of placed.entries()) {
    for (const other of placed.slice(i + 1)) {
      if (one.parentElement !== other.parentElement) continue;
      const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2) faults.push(`${name(one)} and ${name(other)} overlap`);
    }
  }
  const box = (element) => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return [x, y, width, height].map(Math.round);
  };
  return { boxes: Object.fromEntries(regions.map((region) => [region.id, box(region)])), controls: controls.map(({ id }) => id).sort(), faults };
}

export const layout = (page) => page.evaluate(measure);

/** Golden layouts in a file, by the name of the picture. With PGHERALD_GOLDENS=write, save() stores those of this run. */
export class Goldens {
  #path;
  #golden = {};
  #measured = {};
  #prefix;

  static async read(name) {
    const goldens = new Goldens();
    goldens.#prefix = name;
    goldens.#path = new URL(`goldens/${name}.json`, import.meta.url).pathname;
    goldens.#golden = JSON.parse(await readFile(goldens.#path, 'utf8').catch(() => '{}'));
    return goldens;
  }

  /** Takes a picture into the artefacts, and returns its faults and how its layout differs from the golden one. */
  async differences(page, name) {
    await settled(page);
    await page.screenshot({ path: `${artefacts}${this.#prefix}-${name.replaceAll(' ', '-')}.png` });
    const { faults, ...measured } = await layout(page);
    this.#measured[name] = measured;
    if (process.env.PGHERALD_GOLDENS === 'write') return faults;
    return [...faults, ...compare(this.#golden[name], measured)];
  }

  async save() {
    if (process.env.PGHERALD_GOLDENS !== 'write') return;
    const lines = Object.entries({ ...this.#golden, ...this.#measured }).sort().map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
    await writeFile(this.#path, `{\n${lines.join(',\n')}\n}\n`);
  }
}

/** Returns how a measured layout differs from a golden one, beyond the tolerance. */
export function compare(golden, measured) {
  if (!golden) return ['there is no golden layout: look at the picture, then run with PGHERALD_GOLDENS=write'];
  const differences = [];
  for (const id of new Set([...Object.keys(golden.boxes), ...Object.keys(measured.boxes)])) {
    const [wanted, got] = [golden.boxes[id], measured.boxes[id]];
    if (!wanted || !got) differences.push(`${id} ${got ? 'is shown' : 'is not shown'}`);
    else if (edges(wanted).some((edge, i) => Math.abs(edge - edges(got)[i]) > tolerance(wanted[2 + (i % 2)]))) differences.push(`${id} is at ${got}, not ${wanted}`);
  }
  const missing = golden.controls.filter((id) => !measured.controls.includes(id));
  const added = measured.controls.filter((id) => !golden.controls.includes(id));
  if (missing.length) differences.push(`the controls ${missing} are not shown`);
  if (added.length) differences.push(`the controls ${added} are shown`);
  return differences;
}

const tolerance = (length) => Math.min(TOLERANCE.most, Math.max(TOLERANCE.least, TOLERANCE.share * length));

const edges = ([x, y, width, height]) => [x, y, x + width, y + height];
