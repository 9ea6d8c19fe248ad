// Messages of the page: toasts, and one live region for screen readers, which speaks rarely.

import { byID, h } from './dom.js';
import { plural } from './format.js';

/** How often changes are summarized for a screen reader, in milliseconds. */
const SUMMARY_INTERVAL = 15_000;

/** Announces a text to screen readers at once. Use it for actions of the user and for urgent news only. */
export function announce(text) {
  const region = byID('announcement');
  region.textContent = '';
  requestAnimationFrame(() => (region.textContent = text));
}

/** Shows a toast for a time in milliseconds, 0 for no limit. It replaces the toast with the same key. `action` is [label, function]. */
export function toast(text, { key = '', lasts = 6000, action = null } = {}) {
  if (key) dismiss(key);
  const element = h('div', { class: 'toast', data: { key } }, h('span', { text }));
  if (action) element.append(h('button', { type: 'button', class: 'button small', text: action[0], on: { click: () => { element.remove(); action[1](); } } }));
  element.append(h('button', { type: 'button', class: 'button small icon', 'aria-label': 'Dismiss', text: '✕', on: { click: () => element.remove() } }));
  byID('notices').append(element);
  while (byID('notices').children.length > 3) byID('notices').firstElementChild.remove();
  if (lasts) setTimeout(() => element.remove(), lasts);
  announce(text);
}

export function dismiss(key) {
  for (const old of document.querySelectorAll('.toast')) if (old.dataset.key === key) old.remove();
}

let totals = { added: 0, changed: 0, removed: 0 };
let timer = 0;

/** Adds changes to the summary that is announced at intervals, however many events arrive. */
export function summarize({ added, changed, removed }) {
  totals = { added: totals.added + added, changed: totals.changed + changed, removed: totals.removed + removed };
  if (timer || !(added || changed || removed)) return;
  timer = setTimeout(() => {
    timer = 0;
    const parts = [totals.added && `${plural(totals.added, 'activity', 'activities')} new`, totals.changed && `${totals.changed} changed`, totals.removed && `${totals.removed} deleted`];
    totals = { added: 0, changed: 0, removed: 0 };
    if (!document.hidden) announce(parts.filter(Boolean).join(', '));
  }, SUMMARY_INTERVAL);
}
