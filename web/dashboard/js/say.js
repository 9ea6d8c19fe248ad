// What the page says by itself: toasts for everybody, and one live region for screen readers, which must not chatter.

import { byID, h } from './dom.js';
import { plural } from './format.js';

/** How often changes are summed up for a screen reader, in milliseconds. */
const EVERY = 15_000;

/** Says something at once: only for what somebody did or must know. */
export function say(text) {
  const region = byID('say');
  region.textContent = '';
  requestAnimationFrame(() => (region.textContent = text));
}

/** Shows a line for a while. A key replaces the toast of the same key; actions are [label, function]. */
export function toast(text, { key = '', lasts = 6000, action = null } = {}) {
  if (key) dismiss(key);
  const element = h('div', { class: 'toast', data: { key } }, h('span', { text }));
  if (action) element.append(h('button', { type: 'button', class: 'button small', text: action[0], on: { click: () => { element.remove(); action[1](); } } }));
  element.append(h('button', { type: 'button', class: 'button small icon', 'aria-label': 'Dismiss', text: '✕', on: { click: () => element.remove() } }));
  byID('notices').append(element);
  while (byID('notices').children.length > 3) byID('notices').firstElementChild.remove();
  if (lasts) setTimeout(() => element.remove(), lasts);
  say(text);
}

export function dismiss(key) {
  for (const old of document.querySelectorAll('.toast')) if (old.dataset.key === key) old.remove();
}

let changes = { fresh: 0, changed: 0, gone: 0 };
let timer = 0;

/** Adds to the sum that is said every now and then, however many events come. */
export function sum({ fresh, changed, gone }) {
  changes = { fresh: changes.fresh + fresh, changed: changes.changed + changed, gone: changes.gone + gone };
  if (timer || !(fresh || changed || gone)) return;
  timer = setTimeout(() => {
    timer = 0;
    const parts = [changes.fresh && `${plural(changes.fresh, 'activity', 'activities')} new`, changes.changed && `${changes.changed} changed`, changes.gone && `${changes.gone} deleted`];
    changes = { fresh: 0, changed: 0, gone: 0 };
    if (!document.hidden) say(parts.filter(Boolean).join(', '));
  }, EVERY);
}
