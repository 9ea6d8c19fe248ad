// Shows a card with commands to copy.

import { copyButton } from './clipboard.js';
import { byID, h } from './dom.js';
import { place } from './popover.js';

/** Makes a button open the card with the result of commands(): [name, line, hint]. Without a line, the hint says why there is none. */
export function copiesFrom(button, title, commands) {
  const card = byID('copy-card');
  button.setAttribute('popovertarget', card.id);
  button.setAttribute('aria-haspopup', 'dialog');
  button.popoverTargetElement = card;
  button.addEventListener('click', () => {
    card.replaceChildren(h('h2', { text: title }), ...commands().map(([name, line, hint]) => h('section', { class: 'command' },
      h('header', {}, h('h3', { text: name }), line === null ? null : copyButton('Copy', () => line)),
      line === null ? null : h('pre', { class: 'mono', tabindex: '0', text: line }),
      hint || line === null ? h('p', { class: 'hint', text: hint || 'It has characters that not all shells read alike.' }) : null)));
  });
  card.addEventListener('toggle', (event) => event.newState === 'open' && event.source !== null && document.activeElement === button && place(card, button));
}
