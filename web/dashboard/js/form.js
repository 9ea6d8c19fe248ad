// Builds fields with suggestions, and shows the server's errors at them.

import { h } from '../../shared/js/dom.js';
import { words } from '../../shared/js/format.js';
import { Refused } from '../../shared/js/server.js';

/** The database's limit for every field but notes, in characters. */
const LONGEST = 200;
const MAX_SUGGESTED = 100;

const STATUSES = ['open', 'in_progress', 'blocked', 'resolved', 'closed'];

let lists = 0;

/** Returns a labelled field. `suggested()` returns the values to offer. The input is element.input. */
export function field(name, label, { value = '', required = false, suggested = null, whole = false, hint = '' } = {}) {
  const id = `field-${++lists}`;
  const list = suggested ? h('datalist', { id }) : null;
  const input = h('input', { name, value, required, maxlength: LONGEST, autocomplete: 'off', spellcheck: 'false', list: suggested ? id : null, placeholder: hint || null });
  input.addEventListener('focus', () => list?.replaceChildren(...suggested().slice(0, MAX_SUGGESTED).map((one) => h('option', { value: one }))));
  const element = h('label', { class: `field ${whole ? 'whole' : ''}` }, h('span', { text: label }), input, list);
  element.input = input;
  return element;
}

/** Returns a labelled list of values, one of which is chosen. The list is element.input. */
export function choice(name, label, values, { value = '' } = {}) {
  const input = h('select', { name }, ...[...new Set([...values, value])].map((one) => h('option', { value: one, text: words(one) })));
  input.value = input.dataset.base = value;
  const element = h('label', { class: 'field' }, h('span', { text: label }), input);
  element.input = input;
  return element;
}

/** Sets the value of a field, and adds it to its list if it is not there. */
export function setValue(input, value) {
  if (input.options && ![...input.options].some((one) => one.value === value)) input.append(h('option', { value, text: words(value) }));
  input.value = value;
}

/** Returns the statuses to offer: the usual ones, and others among the activities. */
export const statuses = (activities) => [...new Set([...STATUSES, ...used(activities, 'status')])].slice(0, MAX_SUGGESTED);

/** Returns the values of fields among the activities, the most frequent first. */
export function used(activities, ...names) {
  const times = new Map();
  for (const activity of activities) {
    for (const name of names) if (activity[name]) times.set(activity[name], (times.get(activity[name]) ?? 0) + 1);
  }
  return [...times].sort((a, b) => b[1] - a[1]).map(([value]) => value);
}

/** Runs the action of a button, one at a time, and shows an error at its field. Returns whether it succeeded. */
export async function attempt(form, button, action) {
  clear(form);
  button.disabled = true;
  try {
    await action();
    return true;
  } catch (error) {
    show(form, error);
    return false;
  } finally {
    button.disabled = false;
  }
}

function clear(form) {
  for (const element of form.querySelectorAll('.error')) element.remove();
  for (const element of form.querySelectorAll('[aria-invalid]')) element.removeAttribute('aria-invalid');
  form.querySelector('.problem').textContent = '';
}

function show(form, error) {
  const unplaced = [];
  for (const { field: name, detail } of error instanceof Refused ? error.fields : []) {
    const input = form.elements[name];
    if (!input?.closest) {
      unplaced.push(`${name} ${detail}`);
      continue;
    }
    input.setAttribute('aria-invalid', 'true');
    input.closest('.field').append(h('span', { class: 'error', text: detail }));
  }
  const summary = form.querySelector('.problem');
  if (unplaced.length || !form.querySelector('.error')) summary.textContent = unplaced.join('; ') || error.message;
  form.querySelector('[aria-invalid]')?.focus();
}

export const problem = () => h('p', { class: 'problem', role: 'alert' });
