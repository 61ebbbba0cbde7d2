// @ts-check
// One line that says whether money and stock add up.

import { el } from '../simulator/dom.js';
import { span } from '../sagas/news.js';

/**
 * @typedef {{able: boolean, why?: string, checking: boolean, holds: boolean, problem?: string, promises: number, orders: number, at?: string,
 *   broken: {id: string, sentence: string, offenders?: {key: string, detail: string}[]}[]}} Books
 */

/** @param {Books} books */
export function booksLine(books) {
  if (!books.able) return line('unknown', `Whether money and stock add up is not checked here: ${books.why}. bin/sagactl verify does it.`);
  if (books.problem) return line('unknown', `? Whether money and stock add up is not known now: ${books.problem}.`);
  if (books.checking) return line('unknown', 'Checking whether money and stock add up …');
  const looked = `${books.promises} promises checked over ${books.orders} orders, ${span(Date.now() - Date.parse(books.at ?? ''))} ago`;
  if (books.holds) return line('holds', `✔ Money and stock add up: ${looked}`);
  return line('broken', `✖ This does not add up: ${looked}`, el('span', {}, ...books.broken.map((b) => el('span.promise', {}, `${b.id}: “${b.sentence}” does not hold for `,
    ...(b.offenders ?? []).map((o) => el('span', {}, el('code', {}, o.key), ` (${o.detail}) `))))));
}

/** @param {string} state @param {string} words @param {...Node} more */
function line(state, words, ...more) {
  return el('p.books', { role: 'status', 'data-is': 'books', 'data-state': state }, words, ...more);
}
