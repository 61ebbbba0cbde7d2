// @ts-check
// Where somebody stands in a saga, as an address that can be shown to others.

import { scenarioOf } from './scenarios.js';

/** @typedef {{scenario: string, presses: string, live: boolean, order: string}} Place */

const letters = /^[nfxidlcrs]{0,60}$/;

/** @param {string} search the part of an address after the question mark @returns {Place} */
export function read(search) {
  const asked = new URLSearchParams(search);
  const scenario = scenarioOf(asked.get('scenario'));
  const own = asked.get('presses');
  const step = Math.max(0, Number.parseInt(asked.get('step') ?? '0', 10) || 0);
  const presses = own !== null && letters.test(own) ? own : scenario.plays.slice(0, step);
  return { scenario: scenario.id, presses, live: asked.get('mode') === 'live', order: asked.get('order') ?? '' };
}

/** @param {Place} place @returns {string} the address, shorter as long as the presses are those of the scenario */
export function write({ scenario, presses, live, order }) {
  const query = new URLSearchParams({ scenario });
  if (live) {
    query.set('mode', 'live');
    if (order) query.set('order', order);
  } else if (scenarioOf(scenario).plays.startsWith(presses)) {
    query.set('step', String(presses.length));
  } else {
    query.set('presses', presses);
  }
  return `?${query}`;
}
