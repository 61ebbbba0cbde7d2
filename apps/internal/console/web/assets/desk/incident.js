// @ts-check
// An incident, and what its service offers to do about it.

import { el } from '../simulator/dom.js';
import { Case, field, moment, stands } from './case.js';

/**
 * @typedef {{id: string, order_id: string, kind: string, reason: string, opened_at: string, resolved_at: string | null, resolution: string | null, state: Record<string, any> | null,
 *   possible: {action: string, outcome?: string, means: string}[], actions: import('./case.js').Done[]}} Details
 */

/** What an outcome says besides. @type {Record<string, () => Node[]>} */
const asks = {
  'resolve refund': () => [field('refund_id', 'The refund that the gateway shows', '')],
  'resolve settlement': () => [field('reference', 'The settlement’s reference, at whoever made it', '')],
};

export class Incident extends Case {
  /** @param {string} name service/id, or '' for none @param {() => void} changed */
  constructor(name, changed) { super('incidents', name, changed); }

  /** @param {Details} d */
  draw(d) {
    const { state } = d;
    const choices = d.possible.map((step) => {
      const does = `${step.action} ${step.outcome ?? ''}`.trim();
      return { does, means: step.means, fields: d.state?.state === 'UNKNOWN' ? [] : asks[does]?.() };
    });
    const wished = (/** @type {string} */ does, /** @type {Record<string, string>} */ said) => {
      const [action, outcome] = does.split(' ');
      return { action, wish: { ...said, ...(outcome && { outcome }), expected_state: state?.state, ...(state?.refund_number && { expected_refund_number: state.refund_number }) } };
    };
    this.fill(d.kind, el('p', {}, d.reason, ' · ', el('a', { href: `/order?id=${d.order_id}` }, 'its order'), ` · open since ${moment(d.opened_at)}`,
      d.resolved_at && el('b', { 'data-is': 'resolved' }, ` · ✔ resolved: ${d.resolution}`)),
    state && stands(state), this.history(d.actions),
    d.possible.length ? this.form(choices, wished) : d.resolved_at ? null : el('p.note', {}, d.kind === 'poison' ? 'It closes when no dead letter of the order is open any more.' : 'Nothing is to be done about it here: it closes by itself.'));
  }
}
