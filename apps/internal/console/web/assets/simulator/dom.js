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
