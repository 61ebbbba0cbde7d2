// @ts-check
// The card gateway's faults. It is a third party: payment must tolerate whatever it does.

import { ask } from '../api.js';
import { el } from '../dom.js';
import { choice, field, form, number } from '../forms.js';

/** @typedef {import('./faults.js').Does} Does */

const rates = {
  rate_limited: ['is too busy', '429, nothing done'], error_before: ['fails before', '500, nothing done'], error_after: ['fails after', 'the money moved, then 500'],
  drop_after: ['loses the answer', 'the money moved, then the connection drops'], hang_after: ['never answers', 'the money moved, then silence'],
};
const refusals = { token: 'only those of tok_refund_refused', always: 'all', never: 'none: the gateway has recovered' };

export class GatewayForm {
  /** @param {Does} does */
  constructor(does) {
    this.rates = Object.fromEntries(Object.keys(rates).map((name) => [name, number(0, { min: 0, max: 100 })]));
    this.latency = number(0, { min: 0, max: 10_000 });
    this.refunds = choice(refusals);
    this.badge = el('span.badge', { 'data-is': 'gateway', 'data-count': 0 }, '…');
    this.known = '';
    this.element = el('section', {}, el('h2', {}, 'The card gateway', this.badge), form(() => this.set(does),
      el('p.hint', {}, 'Of 100 requests, in so many it …'),
      el('div.row', {}, ...Object.entries(rates).map(([name, [title, hint]]) => field(name, title, this.rates[name], hint))),
      el('div.row', {}, field('latency_ms', 'Each answer takes longer by', this.latency, 'milliseconds'), field('refund_refusals', 'Refunds that it refuses', this.refunds)),
      el('div.row', {}, el('button.main', { 'data-does': 'gateway' }, 'Set these faults'),
        el('button', { type: 'button', 'data-does': 'gateway-well', onclick: () => { this.fill({}); this.set(does); } }, 'Clear faults'))));
  }

  /** @param {Does} does */
  set(does) {
    const numbers = Object.fromEntries(Object.entries(this.rates).map(([name, input]) => [name, Number(input.value)]));
    does(() => ask('PUT', '/break/gateway', { ...numbers, latency_ms: Number(this.latency.value), refund_refusals: this.refunds.value }), 'The gateway has these faults now.');
  }

  /** @param {Record<string, any>} now */
  fill(now) {
    for (const [name, input] of Object.entries(this.rates)) input.value = String(now[name] ?? 0);
    this.latency.value = String(now.latency_ms ?? 0);
    this.refunds.value = now.refund_refusals || 'token';
  }

  /** The form follows what there is, unless nothing has changed: a person may be writing in it. @param {Record<string, any> | null} now */
  see(now) {
    const text = JSON.stringify(now);
    if (text === this.known) return;
    this.known = text;
    if (now) this.fill(now);
    const bad = now ? Object.entries(now).filter(([name, value]) => (name === 'refund_refusals' ? value === 'always' : value > 0)).length : 1;
    this.badge.dataset.count = String(bad);
    this.badge.textContent = !now ? '✖ does not answer' : bad ? '! misbehaves' : '✔ no faults';
  }
}
