// @ts-check
// A dead letter: a message that could not be handled. It can be corrected and redriven, or discarded.

import { el } from '../dom.js';
import { moment } from '../text.js';
import { Case, facts } from './case.js';

/**
 * @typedef {{id: string, event_id: string, order_id: string, type: string, subject: string, reason: string, attempts: number, first_at: string, last_at: string,
 *   closed_at: string | null, closed_as: string | null, payload: object | null, payload_base64?: string, actions: import('./case.js').Action[]}} Details
 */

export class DeadLetter extends Case {
  /** @param {string} name service/id @param {() => void} changed */
  constructor(name, changed) { super('dead-letters', name, changed); }

  /** @param {Details} d */
  draw(d) {
    const { event_id, order_id, subject } = d;
    const readable = d.payload === null ? d.payload_base64 ?? '' : JSON.stringify(d.payload, null, 2);
    const editor = el('label.field', {}, 'The message to handle: unchanged, or corrected',
      el('textarea', { name: 'payload', rows: Math.min(24, readable.split('\n').length + 1), spellcheck: 'false', autocomplete: 'off' }, readable));
    this.fill(d.type || 'A message without a type',
      el('p', {}, el('b', { 'data-is': 'reason' }, d.reason), ` · attempt ${d.attempts}, the last at ${moment(d.last_at)} · dead letter since ${moment(d.first_at)}`,
        d.closed_at && el('b', { 'data-is': 'resolved' }, ` · ✔ ${d.closed_as} at ${moment(d.closed_at)}`)),
      facts({ event_id, order_id, subject }), this.history(d.actions),
      d.closed_at ? el('pre', { tabindex: '0', 'aria-label': 'Message' }, readable) : this.form([
        { action: 'redrive', means: 'the message is handled, in one transaction with this record', fields: d.payload === null ? [] : [editor] },
        { action: 'discard', means: 'the message never takes effect; it is kept, and closed' },
      ], (path, fields) => ({ path, body: { expected_attempts: d.attempts, ...edited(readable, fields.payload) } })),
      d.payload === null && !d.closed_at && el('pre', { tabindex: '0', 'aria-label': 'Message, in base64' }, readable));
  }
}

/** The corrected message, if it was changed. Throws when it is no JSON. @param {string} before @param {string | undefined} after */
function edited(before, after) {
  if (after === undefined || after.replaceAll('\r\n', '\n') === before) return {};
  try {
    return { payload: JSON.parse(after) };
  } catch (error) {
    throw new Error(`The message is no JSON: ${/** @type {Error} */ (error).message}`);
  }
}
