// @ts-check
// Updates about sagas, while the page is open. After a lost connection the browser names the last update that it got;
// so a page continues with a restarted console.

import { watch } from '../api.js';
import { shapes } from '../text.js';

/**
 * @typedef {{order: string, first: number, last: number, state: string, step: string, what: string, why?: string,
 *   services: Record<string, string>, incidents: number, began: string, at: string}} Row
 * @typedef {{reset: boolean, current: boolean, more: boolean, sagas: Row[], to: number}} Update
 */

/** A saga that has not ended counts as stuck after so many milliseconds without an event. A step takes milliseconds. */
export const STUCK_AFTER = 10_000;

/** The returned function ends it. @param {string} order one order's id, or '' for all @param {(update: Update) => void} receive @param {(connected: boolean) => void} [connected] */
export const follow = (order, receive, connected = () => {}) => watch(`/sagas/watch${order && `?order=${encodeURIComponent(order)}`}`, 'sagas', receive, connected);

/** @param {Row} row */
export const ended = (row) => row.state === 'Succeeded' || row.state === 'Failed';

/** @param {Row} row @param {number} now */
export const stuck = (row, now) => !ended(row) && now - Date.parse(row.at) > STUCK_AFTER;

/** The customer cancelled it: nothing has failed. @param {Row} row */
export const byCustomer = (row) => row.state === 'Failed' && row.why === 'customer';

/** A saga's state with its shape and its colour. @param {Row} row @returns {[string, string]} */
export function look(row) {
  if (byCustomer(row)) return ['⊘ Cancelled', 'undone'];
  const [shape, colour] = shapes[row.state];
  return [`${shape} ${row.state}`, colour];
}

/** Why a saga was cancelled, or needs a person, in words. @param {Row} row */
export const why = (row) => (byCustomer(row) ? 'by the customer' : (row.why ?? '').replaceAll('_', ' '));
