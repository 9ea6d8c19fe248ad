// What stands in the table's place when there is nothing to show, and why.

import { copyButton } from './clipboard.js';
import { byID, h, icon } from './dom.js';
import { forList } from './commands.js';
import { everything } from './list.js';
import { session } from './server.js';

let shown = '';

/** Shows a state by its name, or none. Actions: `retry`, `create`, `clear`, `unlock`. */
export function showState(name, actions = {}, error = null) {
  const key = name && `${name} ${error?.message ?? ''}`;
  if (key === shown) return;
  shown = key;
  const box = byID('state');
  box.hidden = !name;
  byID('grid-space').inert = Boolean(name);
  if (!name) return;
  box.replaceChildren(...STATES[name](actions, error));
}

const button = (text, action, primary = true) => h('button', { type: 'button', class: `button ${primary ? 'primary' : ''}`, text, on: { click: action } });

const STATES = {
  loading: () => [h('div', { class: 'bones', 'aria-hidden': 'true' }, ...Array.from({ length: 6 }, () => h('span'))), h('p', { role: 'status', text: 'Loading the activities' })],

  lost: ({ retry }, error) => [icon('lost', 'art'), h('h3', { text: 'The server does not answer' }),
    h('p', { text: `${error?.status ? `It said: ${error.message}. ` : ''}This page tries again by itself, and shows everything as soon as the server is back.` }),
    h('div', { class: 'actions' }, button('Try now', retry))],

  empty: ({ create }) => {
    const [, line] = forList(everything()).at(-1);
    return [icon('inbox', 'art'), h('h3', { text: 'No activities yet' }),
      h('p', { text: 'Create one here, or write a row from anywhere: it appears by itself.' }),
      h('pre', { class: 'mono', text: line }), h('div', { class: 'actions' }, copyButton('Copy', () => line), button('New activity', create))];
  },

  nothing: ({ clear }) => [icon('search', 'art'), h('h3', { text: 'Nothing matches' }),
    h('p', { text: 'No activity is as the filters want it. One that becomes so appears by itself.' }), h('div', { class: 'actions' }, button('Clear the filters', clear))],

  locked: ({ unlock }, error) => {
    const input = h('input', { type: 'password', name: 'token', autocomplete: 'off', 'aria-label': 'Token', placeholder: 'Token' });
    const form = h('form', { class: 'with-button' }, input, h('button', { class: 'button primary', text: 'Sign in' }));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      session.token = input.value.trim();
      unlock();
    });
    return [icon('lock', 'art'), h('h3', { text: 'This server wants to know who you are' }), h('p', { text: error?.message ?? '' }),
      h('p', { text: 'Give it a token. It is kept as long as this page is open, and sent nowhere else.' }), form];
  },
};
