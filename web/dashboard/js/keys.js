// Handles keyboard shortcuts, and lists them in a dialog.

import { byID, h } from './dom.js';

/** `keys` has an entry for each key: [key, description, function]. */
export function startKeys(keys) {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest('input, textarea, select, dialog, [popover]')) {
      if (event.key === 'Escape' && event.target.id === 'search') event.target.blur();
      return;
    }
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
      h('form', { method: 'dialog', class: 'actions' }, h('button', { class: 'button primary', text: 'Close' })));
    dialog.showModal();
  });
}
