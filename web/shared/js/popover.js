// Places popovers under the button that opened them, inside the window.

const MARGIN = 8;

/** Places an open popover under an element. */
export function place(card, under) {
  const from = under.getBoundingClientRect();
  const width = card.offsetWidth;
  const left = Math.min(Math.max(MARGIN, from.left), innerWidth - width - MARGIN);
  const below = from.bottom + 6;
  const top = below + card.offsetHeight > innerHeight - MARGIN ? Math.max(MARGIN, innerHeight - MARGIN - card.offsetHeight) : below;
  card.style.left = `${Math.max(MARGIN, left)}px`;
  card.style.top = `${top}px`;
}

/** Places the popover of each button when it opens. */
export function startPopovers() {
  for (const button of document.querySelectorAll('[popovertarget]')) {
    const card = document.getElementById(button.getAttribute('popovertarget'));
    card.addEventListener('toggle', (event) => event.newState === 'open' && place(card, button));
  }
}
