// Shows a message in place of the table when there is nothing to show.

import { copyButton } from '../../shared/js/clipboard.js';
import { byID, h, icon } from '../../shared/js/dom.js';
import { signInForm } from '../../shared/js/signin.js';
import { forList } from './commands.js';
import { defaultView } from './list.js';

let shown = '';

/**
 * Shows the message of a state; '' hides it. Actions: `retry`, `create`, `clear`, `unlock`. `mayWrite` says whether the user may
 * change activities.
 */
export function showState(name, actions = {}, error = null, mayWrite = true) {
  const key = name && `${name} ${error?.message ?? ''} ${mayWrite}`;
  if (key === shown) return;
  shown = key;
  const box = byID('state');
  const hadFocus = box.contains(document.activeElement);
  box.hidden = !name;
  byID('table').inert = Boolean(name);
  if (name) box.replaceChildren(...STATES[name](actions, error, mayWrite));
  if (hadFocus) ((name && box.querySelector('input, button')) || byID('search')).focus();
}

const button = (text, action, primary = true) => h('button', { type: 'button', class: `button ${primary ? 'primary' : ''}`, text, on: { click: action } });

/** Returns what the page knows about an error of the list. */
function why(error) {
  if (!error?.status) return 'The server does not respond. This page retries by itself.';
  return error.fatal ? `${error.message}.` : `${error.message}. This page retries by itself.`;
}

const STATES = {
  loading: () => [h('div', { class: 'skeleton', 'aria-hidden': 'true' }, ...Array.from({ length: 6 }, () => h('span'))), h('p', { role: 'status', text: 'Loading the activities' })],

  lost: ({ retry }, error) => [icon('lost', 'art'), h('h3', { text: 'The activities could not be loaded' }), h('p', { text: why(error) }), h('div', { class: 'actions' }, button('Try now', retry))],

  empty: ({ create }, error, mayWrite) => {
    const [, line] = forList(defaultView()).at(-1);
    return [icon('inbox', 'art'), h('h3', { text: 'No activities yet' }),
      h('p', { text: mayWrite ? 'Create one here, or insert a row from anywhere: it appears at once.' : 'A row that is inserted from anywhere appears at once.' }),
      h('pre', { class: 'mono', tabindex: '0', text: line }), h('div', { class: 'actions' }, copyButton('Copy', () => line), mayWrite ? button('New activity', create) : null)];
  },

  nothing: ({ clear }) => [icon('search', 'art'), h('h3', { text: 'Nothing matches' }),
    h('p', { text: 'No activity matches the filters. An activity appears here as soon as it matches.' }), h('div', { class: 'actions' }, button('Clear the filters', clear))],

  locked: ({ unlock, retry }, error) => [icon('lock', 'art'), h('h3', { text: error.status === 403 ? 'You may not see this page' : 'This server requires a token' }), ...signInForm(error, unlock),
    h('p', { class: 'hint' }, 'If you signed in elsewhere: ', button('Try again', retry, false))],
};
