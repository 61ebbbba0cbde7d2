// @ts-check
// Light, dark, or the system's choice: set before anything is drawn, or the page would flash. So this is no module,
// which would be loaded later.

(() => {
  try {
    document.documentElement.dataset.theme = localStorage.getItem('theme') ?? 'system';
  } catch {
    // Without storage the system decides.
  }
})();
