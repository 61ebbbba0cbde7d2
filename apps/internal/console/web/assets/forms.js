// @ts-check
// Fields of forms, and the question before something is destroyed.

import { el } from './dom.js';

/** Asks the person before something is destroyed. @param {string} what @param {string} verb @returns {Promise<boolean>} */
export function sure(what, verb) {
  const dialog = /** @type {HTMLDialogElement} */ (el('dialog', { 'aria-labelledby': 'sure' },
    el('h2', { id: 'sure' }, `${verb}?`), el('p', {}, what),
    el('form', { method: 'dialog' }, el('button', { value: 'no', autofocus: true }, 'Cancel'), ' ', el('button', { value: 'yes', 'data-does': 'sure' }, verb))));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener('close', () => { dialog.remove(); resolve(dialog.returnValue === 'yes'); }));
}

/** A form that the page handles itself. @param {() => void} submit @param {...(Node | null | false)} children */
export const form = (submit, ...children) => /** @type {HTMLFormElement} */ (el('form', { novalidate: true, onsubmit: (/** @type {Event} */ e) => { e.preventDefault(); submit(); } }, ...children));

/** A field with its name, and room for what is wrong with it. @param {string} name @param {string} title @param {HTMLElement} input @param {string} [hint] */
export function field(name, title, input, hint) {
  input.setAttribute('name', name);
  return el('label.field', { 'data-field': name }, el('span', {}, title), input, hint && el('span.hint', {}, hint), el('span.problem', { role: 'alert' }));
}

/** @param {Record<string, string> | [string, string][]} options value and text @param {Record<string, any>} [attributes] */
export function choice(options, attributes) {
  return /** @type {HTMLSelectElement} */ (el('select', attributes, ...(Array.isArray(options) ? options : Object.entries(options)).map(([value, text]) => el('option', { value }, text))));
}

/** @param {Record<string, any>} [attributes] */
export const text = (attributes) => /** @type {HTMLInputElement} */ (el('input', { type: 'text', autocomplete: 'off', ...attributes }));

/** @param {number} value @param {Record<string, any>} [attributes] */
export const number = (value, attributes) => /** @type {HTMLInputElement} */ (el('input', { type: 'number', value, inputmode: 'numeric', ...attributes }));
