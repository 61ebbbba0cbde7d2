// @ts-check
// One line about whether money and stock add up.

import { el } from '../dom.js';
import { since } from '../text.js';

/**
 * @typedef {{unable?: string, checking: boolean, holds: boolean, problem?: string, checked: number, orders: number, at?: string,
 *   broken: {id: string, sentence: string, offenders?: {key: string, detail: string}[]}[]}} Invariants
 */

/** @param {Invariants} found */
export function invariantsLine(found) {
  if (found.unable) return line('unknown', `This console cannot check whether money and stock add up: ${found.unable}. bin/sagactl verify does it.`);
  if (found.problem) return line('unknown', `? It is not known now whether money and stock add up: ${found.problem}.`);
  if (found.checking) return line('unknown', 'Checking whether money and stock add up …');
  const checked = `${found.checked} invariants checked over ${found.orders} orders, ${since(found.at ?? '')} ago`;
  if (found.holds) return line('holds', `✔ Money and stock add up: ${checked}`);
  return line('broken', `✖ This does not add up: ${checked}`, el('span', {}, ...found.broken.map((b) => el('span.invariant', {}, `${b.id}: “${b.sentence}” does not hold for `,
    ...(b.offenders ?? []).map((o) => el('span', {}, el('code', {}, o.key), ` (${o.detail}) `))))));
}

/** @param {string} state @param {string} text @param {...Node} more */
const line = (state, text, ...more) => el('p.invariants', { role: 'status', 'data-is': 'invariants', 'data-state': state }, text, ...more);
