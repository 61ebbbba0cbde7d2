// @ts-check
// An incident, and the actions that its service offers.

import { el } from '../dom.js';
import { moment } from '../text.js';
import { Case, facts, required } from './case.js';

/**
 * @typedef {{id: string, order_id: string, kind: string, reason: string, opened_at: string, resolved_at: string | null, resolution: string | null, state: Record<string, any> | null,
 *   possible: {action: string, outcome?: string, means: string}[], actions: import('./case.js').Action[]}} Details
 */

/** Fields that an action needs. @type {Record<string, () => Node[]>} */
const fieldsOf = {
  'resolve refund': () => [required('refund_id', 'The refund’s id at the gateway', '')],
  'resolve settlement': () => [required('reference', 'The settlement’s reference, at whoever made it', '')],
};

export class Incident extends Case {
  /** @param {string} name service/id, or '' for none @param {() => void} changed */
  constructor(name, changed) { super('incidents', name, changed); }

  /** @param {Details} d */
  draw(d) {
    const { state } = d;
    const choices = d.possible.map((step) => {
      const action = `${step.action} ${step.outcome ?? ''}`.trim();
      return { action, means: step.means, fields: state?.state === 'UNKNOWN' ? [] : fieldsOf[action]?.() };
    });
    const request = (/** @type {string} */ action, /** @type {Record<string, string>} */ fields) => {
      const [path, outcome] = action.split(' ');
      return { path, body: { ...fields, ...(outcome && { outcome }), ...(state?.needs_order && { order_id: d.order_id }), expected_state: state?.state, ...(state?.refund_number && { expected_refund_number: state.refund_number }) } };
    };
    this.fill(d.kind, el('p', {}, d.reason, ' · ', el('a', { href: `/order?id=${d.order_id}` }, 'its order'), ` · open since ${moment(d.opened_at)}`,
      d.resolved_at && el('b', { 'data-is': 'resolved' }, ` · ✔ resolved: ${d.resolution}`)),
    state && facts(state), this.history(d.actions),
    d.possible.length ? this.form(choices, request) : d.resolved_at ? null : el('p.note', {}, d.kind === 'poison' ? 'It closes when the order has no open dead letter.' : 'No action is needed here: it closes by itself.'));
  }
}
