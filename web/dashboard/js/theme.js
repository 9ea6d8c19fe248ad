// Applies the theme that was chosen before anything is drawn. A classic script, since modules run later.
(() => {
  try {
    const theme = localStorage.getItem('pgherald.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch { /* storage is forbidden: as the system has it */ }
})();
