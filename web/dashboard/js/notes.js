// Shows the notes of an activity, newest first, and a form for a new one.

import { avatar, h } from '../../shared/js/dom.js';
import { dateTime } from '../../shared/js/format.js';
import { attempt, problem } from './form.js';
import { me, setMe } from './me.js';
import { announce, toast } from '../../shared/js/announce.js';
import { addNote, notesOf } from './requests.js';

/** The database's limit, in characters. */
const LONGEST = 10_000;

/** How long to wait for further events before loading the notes, in milliseconds. */
const WAIT = 150;

export class Notes {
  #id;
  #list = h('ul', { class: 'notes', 'aria-label': 'Notes, newest first' });
  #more = h('button', { type: 'button', class: 'button quiet', text: 'Older notes', hidden: true, on: { click: () => this.#older() } });
  #form = this.#build();
  #next = null;
  #timer = 0;
  #load = null;
  #hasFailed = false;

  constructor(id) {
    this.#id = id;
    this.#fetch();
  }

  get elements() {
    return [this.#form, this.#list, this.#more];
  }

  close() {
    clearTimeout(this.#timer);
    this.#load?.abort();
  }

  /** Loads the notes again if that failed. */
  retry() {
    if (this.#hasFailed) this.#fetch();
  }

  /** Loads the notes again soon, after a new one. */
  refresh() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fetch(), WAIT);
  }

  async #fetch() {
    this.#load?.abort();
    this.#load = new AbortController();
    try {
      const page = await notesOf(this.#id, null, { signal: this.#load.signal });
      this.#hasFailed = false;
      this.#list.replaceChildren(...(page.notes.length ? page.notes.map(row) : [h('li', { class: 'hint', text: 'No notes yet.' })]));
      this.#after(page);
    } catch (error) {
      if (error.name === 'AbortError') return;
      this.#hasFailed = true;
      const again = h('button', { type: 'button', class: 'button small', text: 'Try again', on: { click: () => this.#fetch() } });
      this.#list.replaceChildren(h('li', { class: 'hint failed' }, h('span', { text: `The notes could not be loaded. ${error.message} ` }), again));
      this.#more.hidden = true;
    }
  }

  async #older() {
    const page = await notesOf(this.#id, this.#next).catch((error) => toast(`The older notes could not be loaded. ${error.message}`));
    if (!page) return;
    this.#list.append(...page.notes.map(row));
    this.#after(page);
  }

  #after({ next }) {
    this.#next = next;
    this.#more.hidden = !next;
  }

  #build() {
    const text = h('textarea', { name: 'notes', rows: 2, maxlength: LONGEST, 'aria-label': 'A note', placeholder: 'Write a note' });
    const author = h('input', { name: 'authorId', value: me(), maxlength: 200, 'aria-label': 'Your name', placeholder: 'Your name', autocomplete: 'nickname' });
    const button = h('button', { class: 'button', text: 'Add note' });
    const form = h('form', { class: 'note-form', novalidate: true }, h('div', { class: 'field' }, text), h('div', { class: 'with-button' }, h('div', { class: 'field' }, author), button), problem());
    text.addEventListener('keydown', (event) => (event.ctrlKey || event.metaKey) && event.key === 'Enter' && form.requestSubmit());
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const name = author.value.trim();
      const empty = [text, author].find((input) => !input.value.trim());
      if (empty) {
        empty.focus();
        return;
      }
      if (!(await attempt(form, button, () => addNote(this.#id, text.value.trim(), name)))) return;
      text.value = '';
      if (!me()) setMe(name);
      announce('Note added');
      this.refresh();
    });
    return form;
  }
}

function row({ notes, authorId, updateType, createdAt }) {
  const kind = updateType === 'general' ? '' : `, ${updateType}`;
  return h('li', {}, avatar(authorId), h('span', { class: 'by', text: `${authorId}${kind}, ${dateTime(createdAt)}` }), h('p', { text: notes }));
}
