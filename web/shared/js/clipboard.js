// Copies text and confirms it.

import { h } from './dom.js';
import { announce, toast } from './announce.js';

/** Returns a button that copies what text() returns. */
export function copyButton(label, text) {
  const click = async ({ currentTarget: button }) => {
    if (!(await copy(text()))) {
      toast('The browser does not allow this page to copy. Select the text and copy it.');
      return;
    }
    button.textContent = 'Copied';
    button.keepsText = true;
    announce('Copied');
    clearTimeout(button.timer);
    button.timer = setTimeout(() => {
      button.textContent = label;
      button.keepsText = false;
    }, 1500);
  };
  return h('button', { type: 'button', class: 'button quiet small', text: label, on: { click } });
}

/** Copies with the clipboard API, or with execCommand outside of a secure context. Returns whether it worked. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h('textarea', { class: 'visually-hidden', 'aria-hidden': 'true', value: text });
    (document.querySelector('dialog[open]') ?? document.querySelector(':popover-open') ?? document.body).append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}
