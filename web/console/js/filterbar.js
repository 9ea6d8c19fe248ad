// The filter of a collection: a chip for each condition, and a field with completions for another one.

import { byID, h } from '../../shared/js/dom.js';
import { conditionOf, parseCondition, suggest } from './suggest.js';

export class FilterBar {
  #handlers;
  #fields = [];
  #conditions = []; // [name, value], as parameters of the API
  #options = [];
  #active = -1;
  #replaced = -1; // the index of the condition that is being edited

  /** Handlers: `changed(conditions)`, `seen(field)`, the values of a field in the loaded rows, and `leave()`, which moves the focus to the rows. */
  constructor(handlers) {
    this.#handlers = handlers;
    const input = byID('filter-input');
    byID('filter').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#enter();
    });
    input.addEventListener('input', () => this.#complete());
    input.addEventListener('focus', () => this.#complete());
    input.addEventListener('click', () => this.#complete());
    input.addEventListener('blur', () => this.#hide());
    input.addEventListener('keydown', (event) => this.#key(event));
    byID('filter-options').addEventListener('mousedown', (event) => event.preventDefault()); // keeps the focus in the field
    byID('filter-clear').addEventListener('click', () => {
      this.#handlers.changed([]);
      input.focus();
    });
  }

  /** Shows the conditions of a view. */
  show(fields, conditions) {
    this.#fields = fields;
    this.#conditions = conditions;
    this.#replaced = -1;
    byID('filter-input').disabled = fields.length === 0;
    byID('filter-input').placeholder = fields.length === 0 ? 'This collection has no filter fields' : conditions.length ? 'and …' : `Filter, such as ${example(fields)}`;
    byID('filter-clear').hidden = conditions.length === 0;
    byID('filter-chips').replaceChildren(...conditions.map((condition, i) => this.#chip(condition, i)));
    byID('filter-chips').hidden = conditions.length === 0;
    this.fail(null);
  }

  /** Shows what the server says about the filter, at the condition that is wrong; null for nothing. */
  fail(error) {
    const wrong = new Map((error?.fields ?? []).map(({ field, detail }) => [field, detail]));
    const names = this.#conditions.map(([name]) => name);
    byID('filter-error').textContent = error ? sentence(error, wrong) : '';
    [...byID('filter-chips').children].forEach((chip, i) => {
      const isWrong = wrong.has(names[i]);
      chip.classList.toggle('wrong', isWrong);
      chip.firstElementChild.setAttribute('aria-invalid', isWrong);
    });
  }

  focus() {
    byID('filter-input').focus();
  }

  #chip(condition, index) {
    const text = conditionOf(condition);
    return h('li', { class: 'chip' },
      h('button', { type: 'button', class: 'chip-text', text, title: 'Edit this condition', 'aria-label': `Edit ${text}`, on: { click: () => this.#edit(index) } }),
      h('button', { type: 'button', class: 'chip-remove', text: '✕', 'aria-label': `Remove ${text}`, on: { click: () => this.#remove(index) } }));
  }

  #edit(index) {
    const input = byID('filter-input');
    this.#replaced = index;
    input.value = conditionOf(this.#conditions[index]);
    input.focus();
    this.#complete();
  }

  #remove(index) {
    this.#handlers.changed(this.#conditions.filter((_, i) => i !== index));
    byID('filter-input').focus();
  }

  #enter() {
    const input = byID('filter-input');
    const option = this.#options[this.#active];
    if (option) return this.#take(option);
    const text = input.value;
    const condition = parseCondition(text, this.#fields);
    if (!condition) {
      if (!text.trim()) this.#handlers.leave();
      else byID('filter-error').textContent = `Write a field, an equals sign and a value, such as ${example(this.#fields)}.`;
      return;
    }
    input.value = '';
    this.#hide();
    const conditions = [...this.#conditions];
    if (this.#replaced >= 0) conditions[this.#replaced] = condition;
    else conditions.push(condition);
    this.#replaced = -1;
    this.#handlers.changed(conditions);
  }

  #take(option) {
    const input = byID('filter-input');
    input.value = option.text;
    this.#active = -1;
    if (option.isDone) {
      this.#options = [];
      this.#enter();
    } else this.#complete();
  }

  #complete() {
    const input = byID('filter-input');
    if (document.activeElement !== input) return;
    this.#options = suggest(input.value, this.#fields, this.#handlers.seen).slice(0, 14);
    this.#active = -1;
    this.#draw();
  }

  #draw() {
    const list = byID('filter-options');
    const input = byID('filter-input');
    list.replaceChildren(...this.#options.map((option, i) => h('li', {
      role: 'option', id: `filter-option-${i}`, 'aria-selected': String(i === this.#active), on: { click: () => this.#take(option) },
    }, h('span', { text: option.label }), h('small', { text: option.note }))));
    list.hidden = this.#options.length === 0;
    input.setAttribute('aria-expanded', String(!list.hidden));
    if (this.#active >= 0) {
      input.setAttribute('aria-activedescendant', `filter-option-${this.#active}`);
      list.children[this.#active].scrollIntoView({ block: 'nearest' });
    } else input.removeAttribute('aria-activedescendant');
  }

  #hide() {
    this.#options = [];
    this.#active = -1;
    this.#draw();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const input = byID('filter-input');
    const { length } = this.#options;
    if (event.key === 'ArrowDown' && !length) this.#handlers.leave();
    else if (event.key === 'ArrowDown') this.#active = (this.#active + 1) % length;
    else if (event.key === 'ArrowUp' && length) this.#active = (this.#active <= 0 ? length : this.#active) - 1;
    else if (event.key === 'Tab' && this.#active >= 0) this.#take(this.#options[this.#active]);
    else if (event.key === 'Backspace' && input.value === '' && this.#conditions.length) this.#edit(this.#conditions.length - 1);
    else if (event.key === 'Escape') this.#escape(input);
    else return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key.startsWith('Arrow')) this.#draw();
  }

  /** Closes the completions; then takes back what was typed; then goes to the rows. */
  #escape(input) {
    if (this.#options.length) this.#hide();
    else if (input.value) {
      input.value = '';
      this.#replaced = -1;
    } else this.#handlers.leave();
  }
}

function sentence(error, wrong) {
  const parts = [...wrong].map(([name, detail]) => `${name.replace(/^where\./, '')} ${detail}`);
  const text = parts.length ? parts.join('; ') : error.message;
  return text.endsWith('.') || text.endsWith('…') ? text : `${text}.`;
}

function example(fields) {
  const field = fields.find(({ kind }) => kind === 'enum') ?? fields.find(({ kind }) => kind === 'text') ?? fields[0];
  if (!field) return '';
  return field.kind === 'enum' ? `${field.name}=in.(${(field.labels ?? []).slice(0, 2).join(',')})` : field.kind === 'boolean' ? `${field.name}=true` : field.kind === 'text' ? `${field.name}=eq.…` : `${field.name}=not.is.null`;
}
