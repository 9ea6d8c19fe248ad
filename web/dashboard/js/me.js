// Keeps the name that the user entered. It is stored in this browser; the server does not check it.

import { avatar, byID, setText } from '../../shared/js/dom.js';

const KEY = 'pgherald.me';
const listeners = new Set();
let name = read();

function read() {
  try {
    return localStorage.getItem(KEY) ?? '';
  } catch {
    return ''; // storage is blocked
  }
}

/** Returns the name, or '' if there is none. */
export const me = () => name;

export const onMe = (listener) => listeners.add(listener);

export function setMe(given) {
  if (given === name) return;
  name = given;
  try {
    if (name) localStorage.setItem(KEY, name);
    else localStorage.removeItem(KEY);
  } catch { /* storage is blocked: the name is lost with the page */ }
  show();
  for (const listener of listeners) listener(name);
}

export function startMe() {
  const card = byID('me-card');
  card.addEventListener('submit', (event) => {
    event.preventDefault();
    setMe(byID('me-input').value.trim());
    card.hidePopover();
  });
  card.addEventListener('toggle', (event) => {
    if (event.newState !== 'open') return;
    byID('me-input').value = name;
    byID('me-input').focus();
  });
  show();
}

function show() {
  setText(byID('me-name'), name || 'Your name');
  byID('me').setAttribute('aria-label', name ? `You are ${name}. Change your name` : 'Enter your name');
  const round = avatar(name || '?');
  round.id = 'me-avatar';
  byID('me-avatar').replaceWith(round);
}
