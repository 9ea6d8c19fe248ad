// Creates elements. Text from the database goes into textContent only, so it never becomes markup.

/**
 * Creates an element. In props: `text`, `value`, `hue` (a colour for --hue), `data` (a dataset), `on` (listeners). Every
 * other property is an attribute: true sets it without a value; false, null and undefined omit it.
 */
export function h(name, props = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(props)) set(element, key, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function set(element, key, value) {
  if (value === undefined || value === null || value === false) return;
  switch (key) {
    case 'text': element.textContent = value; break;
    case 'hue': element.style.setProperty('--hue', value); break;
    case 'data': Object.assign(element.dataset, value); break;
    case 'value': element.value = value; break;
    case 'on': listen(element, value); break;
    default: element.setAttribute(key, value === true ? '' : value);
  }
}

/** Adds listeners, which patch() can replace by those of another element. */
function listen(element, listeners) {
  element.listeners = { ...listeners };
  for (const type of Object.keys(listeners)) element.addEventListener(type, (event) => element.listeners[type](event));
}

export const byID = (id) => document.getElementById(id);

/** Sets the text if it differs, since each write causes a layout. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute if it differs: each write makes the browser match styles again. */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

const SVG = 'http://www.w3.org/2000/svg';

const PATHS = {
  system: 'M3 5h18v11H3zM8 20h8M12 16v4',
  light: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5',
  dark: 'M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z',
  inbox: 'M4 4h16l2 10v6H2v-6zM2 14h6l2 3h4l2-3h6',
  lost: 'M3 3l18 18M8.5 16.5a5 5 0 0 1 7 0M5 13a10 10 0 0 1 4-2.4M19 13a10 10 0 0 0-3.3-2.2M2 9.5a15 15 0 0 1 4.5-2.8M22 9.5A15 15 0 0 0 11 5.1M12 20h.01',
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.5 15.5 21 21',
  again: 'M20 11a8 8 0 1 0-2 6.3M20 4v7h-7',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
};

/** Returns an icon, hidden from screen readers. */
export function icon(name, className = '') {
  const svg = document.createElementNS(SVG, 'svg');
  for (const [key, value] of Object.entries({ viewBox: '0 0 24 24', fill: 'none', stroke: 'currentColor', 'stroke-width': '1.7', 'stroke-linecap': 'round', 'stroke-linejoin': 'round', 'aria-hidden': 'true', class: `icon-art ${className}` })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}

/** Returns the initials of a user in a circle of the user's colour. */
export function avatar(name, more = '') {
  return h('span', { class: `avatar ${more}`, hue: hue(name), 'aria-hidden': 'true', text: initials(name) });
}

function initials(name) {
  const words = String(name).split(/[\s._@-]+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)].map((word) => [...word][0]) : [...(words[0] ?? '?')].slice(0, 2);
  return letters.join('').toUpperCase();
}

const STATUS_HUES = { open: 222, in_progress: 38, blocked: 4, resolved: 150 };

/** Returns the colour of a name: always the same, and readable in both themes. */
export function hue(name) {
  let sum = 7;
  for (const char of String(name)) sum = (sum * 31 + char.codePointAt(0)) % 3600;
  return colour(sum / 10);
}

export function statusHue(status) {
  if (status === 'closed') return 'light-dark(hsl(220 9% 42%), hsl(220 12% 68%))';
  return Object.hasOwn(STATUS_HUES, status) ? colour(STATUS_HUES[status]) : hue(status);
}

function colour(angle) {
  return `light-dark(hsl(${angle} 62% 40%), hsl(${angle} 68% 70%))`;
}
