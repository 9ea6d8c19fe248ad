// Asks for a token: in a form of the page, or in a dialog while a change waits to be sent.

import { h } from './dom.js';
import { denial, session } from './server.js';

/** Returns the elements that ask for a token. `signedIn()` is called after the user entered one. */
export function signInForm(error, signedIn) {
  const input = h('input', { type: 'password', name: 'token', autocomplete: 'off', required: true, 'aria-label': 'Token', placeholder: 'Token' });
  const form = h('form', { class: 'with-button' }, input, h('button', { class: 'button primary', text: 'Sign in' }));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    session.token = input.value.trim();
    signedIn();
  });
  return [h('p', { text: denial(error) ?? '' }), h('p', { class: 'hint', text: 'Enter a token. The page keeps it until you close it, and sends it to this server only.' }), form];
}

let waiting = null; // for the token that all changes need

/** Asks in a dialog, on top of any other, of which there is one. Resolves to whether the user entered a token. */
export function askForToken(error, title = 'Sign in to send your change') {
  waiting ??= new Promise((resolve) => {
    const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': 'sign-in-title' });
    let isSignedIn = false;
    dialog.append(h('h2', { id: 'sign-in-title', text: title }),
      ...signInForm(error, () => {
        isSignedIn = true;
        dialog.close();
      }),
      h('div', { class: 'actions' }, h('button', { type: 'button', class: 'button', text: 'Not now', on: { click: () => dialog.close() } })));
    dialog.addEventListener('close', () => {
      waiting = null;
      dialog.remove();
      resolve(isSignedIn);
    });
    document.body.append(dialog);
    dialog.showModal();
    dialog.querySelector('input').focus();
  });
  return waiting;
}
