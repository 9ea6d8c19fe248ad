// Light, dark, or as the system has it.

import { byID, icon } from './dom.js';

const KEY = 'pgherald.theme';
const NEXT = { system: 'light', light: 'dark', dark: 'system' };
const LABEL = { system: 'as the system has it', light: 'light', dark: 'dark' };

export function startThemes() {
  const root = document.documentElement;
  const button = byID('theme');
  const show = () => {
    const theme = root.dataset.theme ?? 'system';
    button.replaceChildren(icon(theme));
    button.setAttribute('aria-label', `Theme: ${LABEL[theme]}`);
    button.title = `Theme: ${LABEL[theme]}`;
  };
  button.addEventListener('click', () => {
    const theme = NEXT[root.dataset.theme ?? 'system'];
    if (theme === 'system') delete root.dataset.theme;
    else root.dataset.theme = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch { /* then it lasts as long as the page */ }
    show();
  });
  show();
}
