// Copies text, and says that it did.

import { h } from './dom.js';
import { say, toast } from './say.js';

/** Returns a button that copies what text() returns. */
export function copyButton(label, text) {
  const button = h('button', { type: 'button', class: 'button quiet small', text: label });
  let timer = 0;
  button.addEventListener('click', async () => {
    if (!(await copied(text()))) {
      toast('The browser does not let this page copy here. Select the text and copy it.');
      return;
    }
    button.textContent = 'Copied';
    say('Copied');
    clearTimeout(timer);
    timer = setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}

/** The clipboard is there in secure contexts only; the old way works in others. */
async function copied(text) {
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
