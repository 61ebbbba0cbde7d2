// @ts-check
// What these pages have in common: a question to the console, one to the person, and a form's fields.

import { el } from '../simulator/dom.js';

/** Asks the console. What is refused is thrown in the words in which it was. @param {string} method @param {string} path @param {object} [body] */
export async function ask(method, path, body) {
  const response = await fetch(path, { method, headers: { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) })
    .catch(() => { throw new Error('The console does not answer. Try again when it is back.'); });
  if (response.status === 204) return null;
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail ?? response.statusText);
  return answer;
}

/** What the console shows again and again, as long as the page is open. @param {string} path @param {(picture: any) => void} see @param {(connected: boolean) => void} connected */
export function watch(path, see, connected) {
  const source = new EventSource(path);
  source.addEventListener('message', (e) => { connected(true); see(JSON.parse(e.data)); });
  source.addEventListener('error', () => connected(false));
  addEventListener('pagehide', () => source.close());
}

/** Asks the person before something is destroyed. @param {string} what @param {string} verb @returns {Promise<boolean>} */
export function sure(what, verb) {
  const dialog = /** @type {HTMLDialogElement} */ (el('dialog', { 'aria-labelledby': 'sure' },
    el('h2', { id: 'sure' }, `${verb}?`), el('p', {}, what),
    el('form', { method: 'dialog' }, el('button', { value: 'no', autofocus: true }, 'Leave it'), ' ', el('button', { value: 'yes', 'data-does': 'sure' }, verb))));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener('close', () => { dialog.remove(); resolve(dialog.returnValue === 'yes'); }));
}

/** A field with its name, and room for what is wrong with it. @param {string} name @param {string} title @param {HTMLElement} input @param {string} [hint] */
export function field(name, title, input, hint) {
  input.setAttribute('name', name);
  return el('label.field', { 'data-field': name }, el('span', {}, title), input, hint && el('span.hint', {}, hint), el('span.problem', { role: 'alert' }));
}

/** @param {Record<string, string> | [string, string][]} options value and words @param {Record<string, any>} [attributes] */
export function choice(options, attributes) {
  return /** @type {HTMLSelectElement} */ (el('select', attributes, ...(Array.isArray(options) ? options : Object.entries(options)).map(([value, says]) => el('option', { value }, says))));
}

/** @param {number} value @param {Record<string, any>} [attributes] */
export const number = (value, attributes) => /** @type {HTMLInputElement} */ (el('input', { type: 'number', value, inputmode: 'numeric', ...attributes }));

/** Draws anew and leaves the focus where it was; not while something in there is being pressed, or the press would be lost. @param {HTMLElement} place @param {...(Node | null | false)} children */
export function redraw(place, ...children) {
  if (place.matches(':active')) return;
  const doing = place.contains(document.activeElement) ? document.activeElement?.getAttribute('data-does') : null;
  place.replaceChildren(.../** @type {Node[]} */ (children.filter(Boolean)));
  if (doing) /** @type {HTMLElement | null} */ (place.querySelector(`[data-does="${CSS.escape(doing)}"]`))?.focus({ preventScroll: true });
}
