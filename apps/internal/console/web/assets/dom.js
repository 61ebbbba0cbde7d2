// @ts-check
// Elements in one line each.

/**
 * @param {string} name a tag, with classes after dots
 * @param {Record<string, any>} [attributes] those that are null, undefined or false are left out; on… are listeners
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElement}
 */
export function el(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split('.');
  return fill(document.createElement(tag), classes, attributes, children);
}

/** The same for drawings. @param {string} name @param {Record<string, any>} [attributes] @param {...(Node | string | null | undefined | false)} children */
export function svg(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split('.');
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), classes, attributes, children);
}

/** @template {Element} E @param {E} element @param {string[]} classes @param {Record<string, any>} attributes @param {any[]} children @returns {E} */
function fill(element, classes, attributes, children) {
  if (classes.length) element.classList.add(...classes);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return element;
}

/** Whether something in the element is being pressed: drawn anew now, the press would be lost. @param {HTMLElement} place */
export const pressed = (place) => place.matches(':active');

/** Draws anew, and keeps the focus on the element with the same data-does or address. @param {Element} place @param {...(Node | string | null | false)} children */
export function redraw(place, ...children) {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const [name, value] = ['data-does', 'href'].map((n) => [n, focused?.getAttribute(n)]).find(([, v]) => v) ?? [];
  place.replaceChildren(.../** @type {Node[]} */ (children.filter(Boolean)));
  if (value) /** @type {HTMLElement | null} */ (place.querySelector(`[${name}="${CSS.escape(value)}"]:not(:disabled)`))?.focus({ preventScroll: true });
}
