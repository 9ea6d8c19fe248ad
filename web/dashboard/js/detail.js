// Shows an activity with its notes, beside the table, with forms to change, assign, annotate and delete it. Changes by
// others appear at once, except in a field that the user is editing.

import { byID, h, setText } from '../../shared/js/dom.js';
import { dateTime, words } from '../../shared/js/format.js';
import { attempt, choice, field, problem, setValue, statuses, used } from './form.js';
import { created, updated } from './list.js';
import { me } from './me.js';
import { Notes } from './notes.js';
import * as server from './requests.js';
import { announce, toast } from '../../shared/js/announce.js';

const FIELDS = { status: 'Status', category: 'Category', subcategory: 'Subcategory', location: 'Location' };

export class Detail {
  #all;
  #closed;
  #activity = null;
  #form = null;
  #assignment = null;
  #meta = null;
  #notes = null;
  #facts = null; // what a user sees who may not change activities
  #isDeleting = false; // this page deletes it, so its end is no news

  /** `all()` returns the activities, for suggestions; `closed()` is called when the panel closes. */
  constructor({ all, closed }) {
    this.#all = all;
    this.#closed = closed;
    byID('detail-close').addEventListener('click', () => this.close());
    byID('activity-side').addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector(':popover-open')) return;
      event.stopPropagation();
      this.close();
    });
  }

  get activity() {
    return this.#activity;
  }

  open(activity, { focus = true } = {}) {
    if (this.#activity?.id !== activity.id) {
      this.#notes?.close();
      this.#activity = activity;
      this.#build();
    }
    byID('activity-side').hidden = false;
    this.update(activity);
    if (focus) byID('detail-close').focus({ preventScroll: true });
  }

  close() {
    if (!this.#activity) return;
    this.#notes.close();
    this.#activity = this.#notes = null;
    byID('activity-side').hidden = true;
    this.#closed();
  }

  /** Loads the notes, if that failed, once the server can be reached. */
  reconnected() {
    this.#notes?.retry();
  }

  /** Shows the current state of the activity; null if it was deleted. */
  update(activity) {
    if (!this.#activity) return;
    if (!activity) {
      if (!this.#isDeleting) toast(`${this.#activity.category} / ${this.#activity.subcategory} was deleted.`);
      this.close();
      return;
    }
    const before = this.#activity;
    this.#activity = activity;
    setText(byID('detail-title'), `${activity.category} / ${activity.subcategory}`);
    byID('detail-title').title = byID('detail-title').textContent;
    setText(this.#meta.firstElementChild, `by ${activity.reporter}, ${dateTime(created(activity))}`);
    setText(this.#meta.children[1], `changed ${dateTime(updated(activity))}`);
    for (const name in FIELDS) follow(this.#form.elements[name], before[name], activity[name]);
    follow(this.#assignment.elements.assigneeId, before.assignedTo ?? '', activity.assignedTo ?? '');
    this.#facts.replaceChildren(...[...Object.entries(FIELDS), ['assignedTo', 'Assigned to']].flatMap(([name, label]) => [h('dt', { text: label }), h('dd', { text: name === 'status' ? words(activity[name]) : activity[name] ?? 'Unassigned' })]));
    this.#buttons();
    if (before.latestUpdate !== activity.latestUpdate) this.#notes.refresh();
  }

  #build() {
    const { id } = this.#activity;
    this.#meta = h('p', { class: 'meta' }, h('span'), h('span'), h('code', { text: id }));
    this.#form = this.#changeForm();
    this.#assignment = this.#assignForm();
    this.#notes = new Notes(id);
    this.#facts = h('dl', { class: 'facts reads' });
    byID('detail').replaceChildren(this.#meta, this.#form, this.#facts, h('h3', { class: 'writes', text: 'Assigned to' }), this.#assignment, h('h3', { text: 'Notes' }), ...this.#notes.elements, this.#danger());
    byID('detail').scrollTop = 0;
  }

  #suggest(name) {
    return () => used(this.#all(), name);
  }

  #changeForm() {
    const save = h('button', { class: 'button primary', text: 'Save', disabled: true });
    const undo = h('button', { type: 'button', class: 'button quiet', text: 'Undo', disabled: true, on: { click: () => this.#undo() } });
    const form = h('form', { novalidate: true },
      h('div', { class: 'fields' }, Object.entries(FIELDS).map(([name, label]) => (name === 'status'
        ? choice(name, label, statuses(this.#all()), { value: this.#activity[name] })
        : field(name, label, { value: this.#activity[name], suggested: this.#suggest(name) })))),
      problem(), h('div', { class: 'actions' }, undo, save));
    form.addEventListener('input', () => this.#buttons());
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const changes = this.#changes();
      if (Object.keys(changes).length === 0) return;
      const { id } = this.#activity;
      if (await attempt(form, save, () => server.change(id, changes))) this.#saved(form, changes);
      this.#buttons();
    });
    return form;
  }

  /** Counts saved fields as unedited, before the event of the change arrives. */
  #saved(form, changes) {
    announce('Saved');
    for (const name in changes) {
      form.elements[name].dataset.base = changes[name];
      warn(form.elements[name], null);
    }
  }

  #changes() {
    const inputs = Object.keys(FIELDS).map((name) => this.#form.elements[name]);
    return Object.fromEntries(inputs.filter(isEdited).map((input) => [input.name, input.value.trim()]));
  }

  #undo() {
    for (const name in FIELDS) {
      const input = this.#form.elements[name];
      setValue(input, this.#activity[name]);
      input.dataset.base = this.#activity[name];
      warn(input, null);
    }
    this.#buttons();
  }

  #buttons() {
    const none = Object.keys(this.#changes()).length === 0;
    for (const button of this.#form.querySelectorAll('.actions button')) button.disabled = none;
  }

  #assignForm() {
    const button = h('button', { class: 'button', text: 'Assign' });
    const unassign = h('button', { type: 'button', class: 'button', text: 'Unassign', title: 'Remove the assignment', on: { click: () => submit('') } });
    const mine = h('button', { type: 'button', class: 'button', text: 'Me', on: { click: () => (me() ? submit(me()) : byID('me-card').showPopover()) } });
    const form = h('form', { novalidate: true },
      h('div', { class: 'with-button' }, field('assigneeId', 'Assignee', { value: this.#activity.assignedTo ?? '', hint: 'Unassigned', suggested: () => used(this.#all(), 'assignedTo', 'reporter') }),
        h('div', { class: 'actions' }, button, mine, unassign)), problem());
    const submit = async (name) => {
      const { id } = this.#activity;
      const input = form.elements.assigneeId;
      const done = await attempt(form, button, () => (name ? server.assign(id, name, me()) : server.unassign(id)));
      if (!done) return;
      input.value = input.dataset.base = name;
      warn(input, null);
      announce(name ? `Assigned to ${name}` : 'Unassigned');
    };
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      submit(form.elements.assigneeId.value.trim());
    });
    return form;
  }

  /** Builds the delete button, which needs a second click. */
  #danger() {
    const form = h('form', { class: 'danger-zone' }, problem());
    const button = h('button', { class: 'button danger', text: 'Delete' });
    let isConfirmed = false;
    button.addEventListener('blur', () => {
      isConfirmed = false;
      button.textContent = 'Delete';
    });
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (!isConfirmed) {
        isConfirmed = true;
        button.textContent = 'Delete for ever?';
        return;
      }
      const { id } = this.#activity;
      this.#isDeleting = true;
      const done = await attempt(form, button, () => server.remove(id));
      this.#isDeleting = false;
      if (!done) return;
      announce('Deleted');
      if (this.#activity?.id === id) this.close();
    });
    form.append(h('div', { class: 'actions' }, button));
    return form;
  }
}

const isEdited = (input) => input.value.trim() !== (input.dataset.base ?? input.defaultValue);

/** Updates an input when the value changes elsewhere. An edited input keeps its text, and shows the current value beside it. */
function follow(input, before, now) {
  input.dataset.base ??= before;
  if (input.dataset.base === now) return;
  const keepsEdit = isEdited(input);
  input.dataset.base = now;
  if (!keepsEdit) setValue(input, now);
  warn(input, keepsEdit && input.value.trim() !== now ? `is now “${now || 'Unassigned'}”` : null);
}

function warn(input, text) {
  const box = input.closest('.field');
  box.querySelector('.changed-meanwhile')?.remove();
  if (text) box.append(h('span', { class: 'changed-meanwhile', text }));
}
