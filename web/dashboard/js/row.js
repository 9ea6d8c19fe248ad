// Creates and fills the rows of the table. A row has controls for the status and the assignee, and a box that selects it.

import { avatar, h, setAttribute, setText, statusHue } from '../../shared/js/dom.js';
import { ago, dateTime, words } from '../../shared/js/format.js';
import { created, updated } from './list.js';

/** Creates an empty row. Handlers: `open(id)`, `focused(id)`, `select(id, event)`, `pick(field, id, button)`. */
export function createRow(id, handlers) {
  const stop = (act) => (event) => {
    event.stopPropagation(); // a click on a control does not open the activity
    act(event);
  };
  const choose = (field) => h('button', { type: 'button', class: `choose ${field === 'status' ? 'status' : ''}`, 'aria-haspopup': 'dialog', on: { click: stop(({ currentTarget }) => handlers.pick(field, id, currentTarget)) } });
  return h('div', { class: 'row', role: 'row', on: { click: () => handlers.open(id), focus: () => handlers.focused(id), focusin: () => handlers.focused(id) } },
    h('div', { class: 'cell select-cell', role: 'gridcell', on: { click: stop(() => {}) } }, h('label', { class: 'check' }, h('input', { type: 'checkbox', on: { click: stop((event) => handlers.select(id, event)) } }))),
    h('div', { class: 'cell state-cell', role: 'gridcell', data: { field: 'status' } }, choose('status')),
    h('div', { class: 'cell what', role: 'gridcell', data: { field: 'what' } }, h('div', { class: 'title' }, h('b'), h('i'), h('span')), h('span', { class: 'note' })),
    h('div', { class: 'cell place', role: 'gridcell', data: { field: 'location' } }),
    h('div', { class: 'cell assignee', role: 'gridcell', data: { field: 'assignedTo' } }, choose('assignedTo')),
    h('div', { class: 'cell reporter', role: 'gridcell', data: { field: 'reporter' } }),
    h('div', { class: 'cell end created', role: 'gridcell' }, h('time')),
    h('div', { class: 'cell end updated', role: 'gridcell' }, h('time')));
}

/** Fills a row. `state` has isActive, isOpen, isSelected, isMissing, isLeaving (it no longer matches) and mayWrite. */
export function fillRow(row, activity, index, state) {
  setAttribute(row, 'aria-rowindex', index + 2);
  setAttribute(row, 'tabindex', state.isActive ? 0 : -1);
  setAttribute(row, 'aria-selected', state.isSelected);
  if (state.isOpen) setAttribute(row, 'aria-current', 'true');
  else row.removeAttribute('aria-current');
  row.classList.toggle('missing', state.isMissing);
  row.classList.toggle('leaving', state.isLeaving && !state.isMissing);
  const [select, status, what, place, assignee, reporter, made, changed] = row.children;
  fillControls([select.querySelector('input'), status.firstElementChild, assignee.firstElementChild], state);
  if (row.shows !== activity || row.wasMissing !== state.isMissing) {
    row.shows = activity;
    row.wasMissing = state.isMissing;
    row.dataset.id = activity.id;
    fillStatus(status.firstElementChild, state.isMissing ? 'deleted' : activity.status);
    fillTitle(what, activity);
    fillText(place, activity.location);
    fillAssignee(assignee.firstElementChild, activity.assignedTo);
    fillText(reporter, activity.reporter);
    select.querySelector('input').setAttribute('aria-label', `Select ${activity.category} / ${activity.subcategory}`);
  }
  fillTime(made, created(activity));
  fillTime(changed, updated(activity));
}

/** Only the controls of the active row are reached by the Tab key. */
function fillControls([box, ...buttons], { isActive, isSelected, isMissing, mayWrite }) {
  box.checked = isSelected;
  for (const control of [box, ...buttons]) {
    control.disabled = !mayWrite || isMissing;
    control.tabIndex = isActive ? 0 : -1;
  }
}

function fillStatus(button, status) {
  button.style.setProperty('--hue', statusHue(status));
  if (!button.firstElementChild) button.append(h('span'));
  setText(button.firstElementChild, words(status));
  button.title = words(status);
}

function fillAssignee(button, name) {
  if (button.shows === name) return;
  button.shows = name;
  button.title = name ?? 'Unassigned';
  button.replaceChildren(...(name === null ? [h('span', { class: 'unassigned', text: 'Unassigned' })] : [avatar(name), h('span', { text: name })]));
}

function fillTitle(cell, { category, subcategory, location, latestUpdate }) {
  const [title, note] = cell.children;
  const [first, slash, second] = title.children;
  setText(first, category);
  setText(slash, ' / ');
  setText(second, subcategory);
  cell.title = `${category} / ${subcategory} @ ${location}`;
  setText(note, latestUpdate?.notes ?? '');
}

function fillText(cell, text) {
  setText(cell, text);
  cell.title = text;
}

function fillTime(cell, value) {
  const time = cell.firstElementChild;
  setText(time, ago(value));
  if (time.dateTime === value) return;
  time.dateTime = value;
  time.title = dateTime(value);
}
