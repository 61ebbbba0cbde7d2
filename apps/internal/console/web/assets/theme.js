// @ts-check
// Light, dark, or what the system says: before anything is drawn, or the page would flash. So this is no module,
// which would come later.

(() => {
  try {
    document.documentElement.dataset.theme = localStorage.getItem('theme') ?? 'system';
  } catch {
    // Where nothing may be remembered, the system decides.
  }
})();
