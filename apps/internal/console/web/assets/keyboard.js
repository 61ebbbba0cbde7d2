// @ts-check
// On every page: light or dark is chosen, ? shows the keys, and / goes to the search.

import { el } from './dom.js';

/** @typedef {[string, string]} Key */

const themes = { system: 'System', light: 'Light', dark: 'Dark' };

/** @type {Key[]} */
const everywhere = [['?', 'shows these keys'], ['/', 'goes to the search, where there is one'], ['Tab', 'goes to the next control; the first one leads past the navigation'], ['Esc', 'closes a dialog']];

/** @param {HTMLElement} header @param {Key[]} keys those of the page */
export function keyboard(header, keys) {
  const dialog = /** @type {HTMLDialogElement} */ (el('dialog', { 'aria-labelledby': 'keys' },
    el('h2', { id: 'keys' }, 'Keys'),
    el('dl', {}, ...[...keys, ...everywhere].flatMap(([key, does]) => [el('dt', {}, el('kbd', {}, key)), el('dd', {}, does)])),
    el('p', {}, 'No key destroys anything. A button that does asks first.'),
    el('form', { method: 'dialog' }, el('button', {}, 'Close'))));
  header.append(el('div.settings', {}, themeChoice(),
    el('button', { type: 'button', 'data-does': 'keys', 'aria-label': 'Keys', onclick: () => dialog.showModal() }, '?')), dialog);
  document.addEventListener('keydown', (e) => key(e, dialog));
}

/** @param {KeyboardEvent} e @param {HTMLDialogElement} dialog */
function key(e, dialog) {
  const target = /** @type {HTMLElement} */ (e.target);
  if (e.ctrlKey || e.metaKey || e.altKey || dialog.open || target.closest('input, select, textarea')) return;
  if (e.key === '?') dialog.showModal();
  else if (e.key === '/') /** @type {HTMLElement | null} */ (document.querySelector('input[type=search]'))?.focus();
  else return;
  e.preventDefault();
}

function themeChoice() {
  const root = document.documentElement;
  const select = /** @type {HTMLSelectElement} */ (el('select', { 'data-does': 'theme', 'aria-label': 'Light or dark' },
    ...Object.entries(themes).map(([name, label]) => el('option', { value: name, selected: name === root.dataset.theme }, label))));
  select.addEventListener('change', () => {
    root.dataset.theme = select.value;
    try { localStorage.setItem('theme', select.value); } catch { /* it holds for this page alone */ }
  });
  addEventListener('storage', (e) => { // chosen in another tab
    if (e.key === 'theme') root.dataset.theme = select.value = e.newValue ?? 'system';
  });
  return select;
}
