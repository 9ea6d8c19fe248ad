// Asks for a value in a list under a button: the status or the assignee of one activity or of several.

import { byID, h } from '../../shared/js/dom.js';
import { place } from '../../shared/js/popover.js';

/** How many values are offered at once; what is typed finds the others. */
const MAX_OFFERED = 50;

const LONGEST = 200;

export const isPicking = () => byID('pick-card').matches(':popover-open');

/**
 * Asks for a value. `values` are [value, label, hue]; `current` is the one that is set; with `free` another one can be
 * typed; `pick(value)` is called once.
 */
export function pickFrom(button, { title, values, current, free, pick }) {
  const card = byID('pick-card');
  const take = (value) => {
    card.hidePopover();
    pick(value);
  };
  const list = h('div', { class: 'options', role: 'group', 'aria-label': title });
  const input = free ? h('input', { type: 'search', maxlength: LONGEST, placeholder: free, 'aria-label': free, autocomplete: 'off', spellcheck: 'false' }) : null;
  const fill = () => list.replaceChildren(...offered(values, input?.value.trim() ?? '', current, take));
  input?.addEventListener('input', fill);
  input?.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || input.value.trim() === '') return;
    event.preventDefault();
    take(input.value.trim());
  });
  fill();
  card.replaceChildren(h('h2', { text: title }), ...(input ? [input] : []), list);
  card.setAttribute('aria-label', title);
  card.onkeydown = (event) => move(event, card);
  card.showPopover({ source: button });
  place(card, button);
  (input ?? list.querySelector('[aria-pressed="true"]') ?? list.firstElementChild)?.focus();
}

function offered(values, typed, current, take) {
  const found = values.filter(([, label]) => label.toLowerCase().includes(typed.toLowerCase())).slice(0, MAX_OFFERED);
  const options = found.map(([value, label, hue]) => option(label, hue, value === current, () => take(value)));
  const isNew = typed !== '' && !values.some(([value]) => value === typed);
  return isNew ? [option(`“${typed}”`, null, false, () => take(typed)), ...options] : options;
}

function option(label, hue, isCurrent, take) {
  return h('button', { type: 'button', class: 'pick', hue, 'aria-pressed': String(isCurrent), on: { click: take } }, h('span', { text: label }), h('span', { class: 'tick', 'aria-hidden': 'true', text: isCurrent ? '✓' : '' }));
}

/** Moves the focus with the arrow keys. */
function move(event, card) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const stops = [...card.querySelectorAll('input, .pick')];
  const next = stops[stops.indexOf(document.activeElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
