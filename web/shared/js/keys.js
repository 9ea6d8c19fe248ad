// Handles keyboard shortcuts, and lists them in a dialog, where the user can switch off those of one character.

import { byID, h } from './dom.js';

const STORED = 'pgherald.keys';
let areOn = read();

function read() {
  try {
    return localStorage.getItem(STORED) !== 'off';
  } catch {
    return true; // storage is blocked
  }
}

/** Reports whether keys of one character act: speech input would type them by accident. */
export const singleKeys = () => areOn;

function switchKeys(on) {
  areOn = on;
  try {
    localStorage.setItem(STORED, on ? 'on' : 'off');
  } catch { /* storage is blocked: the choice is lost with the page */ }
}

/** `keys` has an entry for each key: [key, description, function]. */
export function startKeys(keys) {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!areOn || event.target.closest('input, textarea, select, dialog, [popover]')) return;
    const found = keys.find(([key]) => key === event.key);
    if (!found) return;
    event.preventDefault();
    found[2]();
  });
  const dialog = byID('help-dialog');
  byID('help').addEventListener('click', () => {
    const rows = [...keys.map(([key, what]) => [key, what]), ['↑ ↓ Home End', 'from row to row'], ['PgUp PgDn', 'from page to page'], ['Enter', 'open the activity or event'], ['Esc', 'close it']];
    dialog.replaceChildren(h('h2', { id: 'help-title', text: 'Keyboard' }),
      h('dl', { class: 'facts keys' }, rows.flatMap(([key, what]) => [h('dt', {}, ...key.split(' ').map((one) => h('kbd', { text: one }))), h('dd', { text: what })])),
      h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: areOn, on: { change: (event) => switchKeys(event.target.checked) } }), h('span', { text: 'Keys of one character' })),
      h('form', { method: 'dialog', class: 'actions' }, h('button', { class: 'button primary', text: 'Close' })));
    dialog.showModal();
  });
}
