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

// A module that could not be loaded, since the network changed meanwhile, leaves the page without any of them. So the page
// is loaded once more, after a moment; after a second failure it shows what stands in it.
function loadAgain() {
  const key = `again ${location.pathname}`;
  if (Date.now() - Number(sessionStorage.getItem(key)) < 10_000) return;
  sessionStorage.setItem(key, String(Date.now()));
  setTimeout(() => location.reload(), 1000);
}

addEventListener('error', (event) => { if (event.target instanceof HTMLScriptElement) loadAgain(); }, true);
