// Counts the activities by status and by category. A click filters the table.

import { byID, h, setText, statusHue } from '../../shared/js/dom.js';
import { count, words } from '../../shared/js/format.js';
import { counts } from './list.js';

/** How many categories have a bar; the others are only in the filter. */
const BARS = 12;

export class Counts {
  #toggle;
  #stack = new Map();
  #legend = new Map();
  #bars = new Map();

  /** `toggle(name, value)` is called when the user clicks a count. */
  constructor(toggle) {
    this.#toggle = toggle;
  }

  /** Shows the counts; `isKnown` is false until the activities are loaded. */
  show(all, view, isKnown) {
    setText(byID('total'), isKnown ? count(all.length) : '–');
    const statuses = counts(all, 'status');
    keep(byID('status-stack'), this.#stack, statuses, (status) => h('span', { hue: statusHue(status) }), (element, status, n) => (element.style.flexGrow = n));
    keep(byID('status-legend'), this.#legend, statuses, (status) => this.#button('status', status, h('span', { text: words(status), title: words(status) }), h('b')), (element, status, n) => {
      setText(element.querySelector('b'), count(n));
      element.firstElementChild.setAttribute('aria-pressed', view.status.has(status));
    });
    const categories = counts(all, 'category').slice(0, BARS);
    const most = categories[0]?.[1] ?? 1;
    keep(byID('category-bars'), this.#bars, categories, (category) => this.#button('category', category, h('span', { text: category, title: category }), h('i', { 'aria-hidden': 'true' }), h('b')), (element, category, n) => {
      setText(element.querySelector('b'), count(n));
      element.querySelector('i').style.setProperty('--share', `${(100 * n) / most}%`);
      element.firstElementChild.setAttribute('aria-pressed', view.category.has(category));
    });
  }

  #button(name, value, ...children) {
    const hue = name === 'status' ? statusHue(value) : null;
    return h('li', { hue }, h('button', { type: 'button', on: { click: () => this.#toggle(name, value) } }, ...children));
  }
}

/** Creates, fills and orders an element for each value. It moves only elements whose position changed. */
function keep(parent, elements, entries, create, fill) {
  const wanted = new Set(entries.map(([value]) => value));
  for (const [value, element] of elements) {
    if (wanted.has(value)) continue;
    element.remove();
    elements.delete(value);
  }
  let next = parent.firstElementChild;
  for (const [value, n] of entries) {
    let element = elements.get(value);
    if (!element) elements.set(value, (element = create(value)));
    fill(element, value, n);
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
}
