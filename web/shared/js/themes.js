// Switches between the themes light, dark and system.

import { byID, icon } from './dom.js';

const KEY = 'pgherald.theme';
const NEXT = { system: 'light', light: 'dark', dark: 'system' };
const LABEL = { system: 'system', light: 'light', dark: 'dark' };

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
    } catch { /* storage is blocked: the theme is lost with the page */ }
    show();
  });
  show();
}
