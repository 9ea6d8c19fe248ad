// Switches between rows with notes, and rows that are close together.

import { byID } from '../../shared/js/dom.js';

const KEY = 'pgherald.density';

export function startDensity() {
  const button = byID('density');
  const set = (isCompact) => {
    document.documentElement.dataset.density = isCompact ? 'compact' : 'roomy';
    button.setAttribute('aria-pressed', isCompact);
    window.dispatchEvent(new Event('resize')); // lists measure their rows again
  };
  button.addEventListener('click', () => {
    const isCompact = button.getAttribute('aria-pressed') !== 'true';
    set(isCompact);
    try {
      localStorage.setItem(KEY, isCompact ? 'compact' : 'roomy');
    } catch { /* storage is blocked: the choice is lost with the page */ }
  });
  set(read() === 'compact');
}

function read() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage is blocked
  }
}
