// Applies the stored theme before the first paint. It is a classic script, since modules run later.
(() => {
  try {
    const theme = localStorage.getItem('pgherald.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch { /* storage is blocked: follow the system */ }
})();
