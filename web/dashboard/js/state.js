// Shows a message in place of the table when there is nothing to show.

import { copyButton } from './clipboard.js';
import { byID, h, icon } from './dom.js';
import { forList } from './commands.js';
import { defaultView } from './list.js';
import { denial, session } from './server.js';

let shown = '';

/** Shows the message of a state; '' hides it. Actions: `retry`, `create`, `clear`, `unlock`. */
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
  loading: () => [h('div', { class: 'skeleton', 'aria-hidden': 'true' }, ...Array.from({ length: 6 }, () => h('span'))), h('p', { role: 'status', text: 'Loading the activities' })],

  lost: ({ retry }, error) => [icon('lost', 'art'), h('h3', { text: 'The activities could not be loaded' }),
    h('p', { text: `${error?.status ? `${error.message}. ` : 'The server does not respond. '}This page retries by itself, and loads as soon as the server is back.` }),
    h('div', { class: 'actions' }, button('Try now', retry))],

  empty: ({ create }) => {
    const [, line] = forList(defaultView()).at(-1);
    return [icon('inbox', 'art'), h('h3', { text: 'No activities yet' }),
      h('p', { text: 'Create one here, or insert a row from anywhere: it appears at once.' }),
      h('pre', { class: 'mono', text: line }), h('div', { class: 'actions' }, copyButton('Copy', () => line), button('New activity', create))];
  },

  nothing: ({ clear }) => [icon('search', 'art'), h('h3', { text: 'Nothing matches' }),
    h('p', { text: 'No activity matches the filters. An activity appears here as soon as it matches.' }), h('div', { class: 'actions' }, button('Clear the filters', clear))],

  locked: ({ unlock }, error) => {
    const input = h('input', { type: 'password', name: 'token', autocomplete: 'off', 'aria-label': 'Token', placeholder: 'Token' });
    const form = h('form', { class: 'with-button' }, input, h('button', { class: 'button primary', text: 'Sign in' }));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      session.token = input.value.trim();
      unlock();
    });
    return [icon('lock', 'art'), h('h3', { text: 'This server requires a token' }), h('p', { text: denial(error) }),
      h('p', { text: 'Enter a token. The page keeps it until you close it, and sends it to this server only.' }), form];
  },
};
