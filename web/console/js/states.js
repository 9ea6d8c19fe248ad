// Shows a message in place of a list when there is nothing to show: loading, starting, empty, refused, unreachable.

import { h, icon } from '../../shared/js/dom.js';
import { denial } from '../../shared/js/server.js';

/** Shows a state in a box: {icon, title, text, actions: [[label, function]]}; null hides it. */
export function showState(box, state) {
  const key = state ? JSON.stringify([state.title, state.text]) : '';
  if (box.shows === key) return;
  box.shows = key;
  box.hidden = !state;
  if (!state) return box.replaceChildren();
  box.replaceChildren(...[
    state.isLoading ? h('div', { class: 'skeleton', 'aria-hidden': 'true' }, Array.from({ length: 6 }, () => h('span'))) : icon(state.icon ?? 'inbox', 'art'),
    h('p', { class: 'state-title', role: state.isLoading ? 'status' : null, text: state.title }),
    state.text ? h('p', { text: state.text }) : null,
    state.actions ? h('div', { class: 'actions' }, state.actions.map(([text, action]) => h('button', { type: 'button', class: 'button', text, on: { click: action } }))) : null,
  ].filter(Boolean));
}

/** Returns the state for an error. `what` names what could not be loaded; `retry()` tries at once, `signIn()` asks for a token. */
export function stateOfError(error, what, { retry, signIn }) {
  const why = denial(error);
  if (why) return { icon: 'lock', title: error.status === 403 ? 'Not permitted' : 'A token is needed', text: why, actions: [['Enter a token', signIn]] };
  if (error.code === 'starting') return { icon: 'again', title: 'The server is starting', text: 'It waits for its database. This page tries again by itself.', actions: [['Try now', retry]] };
  if (error.status >= 400 && error.status < 500) return { icon: 'lost', title: `${what} cannot be loaded`, text: error.message, actions: [['Try again', retry]] };
  return { icon: 'lost', title: `${what} could not be loaded`, text: `${error.message.replace(/\.?$/, '.')} This page tries again by itself.`, actions: [['Try now', retry]] };
}
