// Keeps which activities are selected, and shows a bar with actions for all of them.

import { byID, setText } from '../../shared/js/dom.js';
import { plural } from '../../shared/js/format.js';
import { announce } from '../../shared/js/announce.js';

/** How many activities can be selected: each one is changed by a request. */
export const MAX_SELECTED = 200;

export class Selection {
  #ids = new Set();
  #last = null;
  #changed;
  #said = '';

  /** `changed()` is called when the selection changes; `pick(field, button)` asks for a value for all of them. */
  constructor({ changed, pick, refocus }) {
    this.#changed = changed;
    byID('select-status').addEventListener('click', () => pick('status', byID('select-status')));
    byID('select-assignee').addEventListener('click', () => pick('assignedTo', byID('select-assignee')));
    byID('select-none').addEventListener('click', () => {
      this.clear();
      refocus();
    });
  }

  get size() {
    return this.#ids.size;
  }

  get ids() {
    return [...this.#ids];
  }

  has(id) {
    return this.#ids.has(id);
  }

  /** Selects or deselects an activity; with Shift, also those between it and the last one. */
  click(id, rows, { shiftKey }) {
    const wanted = !this.#ids.has(id);
    const between = shiftKey && this.#last !== null ? rowsBetween(rows, this.#last, id) : [id];
    for (const one of between) this.#set(one, wanted);
    this.#last = id;
    this.#show();
  }

  extend(from, to, rows) {
    for (const id of rowsBetween(rows, from ?? to, to)) this.#set(id, true);
    this.#last = to;
    this.#show();
  }

  /** Selects all rows, up to the limit, or none if any is selected. */
  toggleAll(rows) {
    if (this.#ids.size > 0) return this.clear();
    for (const { id } of rows.slice(0, MAX_SELECTED)) this.#ids.add(id);
    if (rows.length > MAX_SELECTED) announce(`The first ${MAX_SELECTED} are selected`);
    this.#show();
  }

  clear() {
    this.#ids.clear();
    this.#show();
  }

  /** Drops what the table does not show: deleted activities, and those that a filter hides. An action must not change them unseen. */
  prune(isShown) {
    for (const id of this.#ids) if (!isShown(id)) this.#ids.delete(id);
    this.#label();
  }

  #set(id, wanted) {
    if (!wanted) this.#ids.delete(id);
    else if (this.#ids.size < MAX_SELECTED) this.#ids.add(id);
  }

  #show() {
    this.#label();
    if (this.#said !== '') announce(this.#said);
    this.#changed();
  }

  #label() {
    const { size } = this.#ids;
    byID('selection').hidden = size === 0;
    this.#said = size === 0 ? '' : `${plural(size, 'activity', 'activities')} selected`;
    setText(byID('selected'), size === MAX_SELECTED ? `${size} selected, the most` : `${size} selected`);
  }
}

function rowsBetween(rows, from, to) {
  const [a, b] = [from, to].map((id) => rows.findIndex((row) => row.id === id));
  if (a < 0 || b < 0) return [to];
  return rows.slice(Math.min(a, b), Math.max(a, b) + 1).map(({ id }) => id);
}
