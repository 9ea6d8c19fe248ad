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
  if (action) element.append(h('button', { type: 'button', class: 'button small', text: action[0], on: { click: () => { remove(element); action[1](); } } }));
  element.append(h('button', { type: 'button', class: 'button small icon', 'aria-label': 'Dismiss', text: '✕', on: { click: () => remove(element) } }));
  element.addEventListener('focusin', ({ relatedTarget }) => {
    if (!element.contains(relatedTarget)) element.cameFrom = relatedTarget;
  });
  byID('notices').append(element);
  while (byID('notices').children.length > 3) remove(byID('notices').firstElementChild);
  if (lasts) expire(element, lasts);
  announce(text);
}

/** Removes the toast after a time in which neither the pointer nor the focus was on it. */
function expire(element, lasts) {
  const isUsed = () => element.matches(':hover') || element.contains(document.activeElement);
  setTimeout(() => (isUsed() ? expire(element, lasts) : remove(element)), lasts);
}

/** Removes the toast. A focus on it returns to where it came from. */
function remove(element) {
  const hadFocus = element.contains(document.activeElement);
  element.remove();
  if (!hadFocus) return;
  const next = byID('notices').querySelector('button') ?? element.cameFrom;
  if (next?.isConnected) next.focus();
  else document.querySelector('main')?.focus();
}

export function dismiss(key) {
  for (const old of document.querySelectorAll('.toast')) if (old.dataset.key === key) remove(old);
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
