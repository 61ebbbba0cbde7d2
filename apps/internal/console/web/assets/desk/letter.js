// @ts-check
// A dead letter: a message that could not be handled, which may be put right and handled again, or dropped.

import { el } from '../simulator/dom.js';
import { Case, moment, stands } from './case.js';

/**
 * @typedef {{id: string, event_id: string, order_id: string, type: string, subject: string, reason: string, attempts: number, first_at: string, last_at: string,
 *   closed_at: string | null, closed_as: string | null, payload: object | null, payload_base64?: string, actions: import('./case.js').Done[]}} Details
 */

export class Letter extends Case {
  /** @param {string} name service/id @param {() => void} changed */
  constructor(name, changed) { super('dead-letters', name, changed); }

  /** @param {Details} d */
  draw(d) {
    const { event_id, order_id, subject } = d;
    const readable = d.payload === null ? d.payload_base64 ?? '' : JSON.stringify(d.payload, null, 2);
    const editor = el('label.field', {}, 'The message as it shall be handled; as it is, when it is left alone',
      el('textarea', { name: 'payload', rows: Math.min(24, readable.split('\n').length + 1), spellcheck: 'false', autocomplete: 'off' }, readable));
    this.fill(d.type || 'A message of no type',
      el('p', {}, el('b', { 'data-is': 'reason' }, d.reason), ` · attempt ${d.attempts}, the last at ${moment(d.last_at)} · parked since ${moment(d.first_at)}`,
        d.closed_at && el('b', { 'data-is': 'resolved' }, ` · ✔ ${d.closed_as} at ${moment(d.closed_at)}`)),
      stands({ event_id, order_id, subject }), this.history(d.actions),
      d.closed_at ? el('pre', { tabindex: '0', 'aria-label': 'Message' }, readable) : this.form([
        { does: 'redrive', means: 'the message is handled again, in one transaction with its record', fields: d.payload === null ? [] : [editor] },
        { does: 'discard', means: 'it shall never take effect; it is kept, and closed' },
      ], (does, said) => ({ action: does, wish: { expected_attempts: d.attempts, ...edited(readable, said.payload) } })),
      d.payload === null && !d.closed_at && el('pre', { tabindex: '0', 'aria-label': 'Message, in base64' }, readable));
  }
}

/** What was changed of the message. Nonsense is thrown, in words. @param {string} was @param {string | undefined} is */
function edited(was, is) {
  if (is === undefined || is.replaceAll('\r\n', '\n') === was) return {};
  try {
    return { payload: JSON.parse(is) };
  } catch (error) {
    throw new Error(`The message is no JSON: ${/** @type {Error} */ (error).message}`);
  }
}
