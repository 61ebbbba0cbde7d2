// @ts-check
// Place orders: one by a form, as a customer does, or many at a rate.

import { ask, choice, field, number } from '../hands/ask.js';
import { ended, listen, shapes } from '../sagas/news.js';
import { el } from '../simulator/dom.js';
import { LoadPanel } from './load.js';

/** @typedef {{sku: string, available: number}} Stock @typedef {{name: string, sentence: string}} Card */

/** Which field the order service speaks of. @type {[RegExp, string][]} */
const speaksOf = [[/quantity/i, 'quantity'], [/sku/i, 'sku'], [/payment_method|token|card/i, 'card'], [/country/i, 'country'], [/contact_email/i, 'email'], [/costs|expected_total/i, 'total']];

/** @param {HTMLElement} root */
export async function mount(root) {
  const { stock, cards } = await ask('GET', '/api/place');
  const form = new OrderForm(stock, cards), load = new LoadPanel();
  root.replaceChildren(el('div.hands', {}, el('h1', {}, 'Place orders'), el('p.about', {}, 'As a customer does, over the order service’s public API, version 1. Prices come from the shop.'),
    el('div.columns', {}, form.element, load.element)));
  load.open();
}

class OrderForm {
  /** @param {Stock[]} stock @param {Card[]} cards */
  constructor(stock, cards) {
    this.cards = cards;
    this.sku = choice([...stock.map((s) => /** @type {[string, string]} */ ([s.sku, `${s.sku}: ${s.available} available`])), ['phlogiston', 'phlogiston: nobody has ever sold it']]);
    this.quantity = number(1);
    this.card = choice(cards.map((c) => [c.name, c.name]), { onchange: () => this.explain() });
    this.country = /** @type {HTMLInputElement} */ (el('input', { type: 'text', value: 'DE', size: 4, autocomplete: 'off' }));
    this.email = /** @type {HTMLInputElement} */ (el('input', { type: 'text', inputmode: 'email', autocomplete: 'off', placeholder: 'ada@customers.example' }));
    this.total = /** @type {HTMLInputElement} */ (el('input', { type: 'text', inputmode: 'numeric', autocomplete: 'off', size: 8 }));
    this.sentence = el('p.hint', { 'data-is': 'card', 'aria-live': 'polite' });
    this.note = el('p.note', { role: 'status', 'data-is': 'result' });
    this.element = el('section', {}, el('h2', {}, 'One order'), el('form', { novalidate: true, onsubmit: (/** @type {Event} */ e) => { e.preventDefault(); this.place(); } },
      el('div.row', {}, field('sku', 'What', this.sku), field('quantity', 'How many', this.quantity)),
      field('card', 'Test card', this.card), this.sentence,
      el('div.row', {}, field('country', 'Shipped to', this.country, 'Two letters. Nobody ships to AQ, Antarctica: the order is undone.'),
        field('total', 'I expect to pay', this.total, 'In US cents; empty: whatever it costs.')),
      field('email', 'Mails go to', this.email, 'Empty: nowhere.'),
      el('button.main', { 'data-does': 'place' }, 'Place the order')), this.note);
    this.explain();
  }

  explain() {
    this.sentence.textContent = this.cards.find((c) => c.name === this.card.value)?.sentence.replaceAll('`', '') ?? '';
  }

  async place() {
    const total = this.total.value.trim();
    const wish = { sku: this.sku.value, quantity: Number(this.quantity.value), card: this.card.value, country: this.country.value.trim(), email: this.email.value.trim(),
      ...(total ? { total: { amount: Number(total), currency: 'USD' } } : {}) };
    this.wrong('');
    this.note.replaceChildren('Placing …');
    try {
      this.follow(await ask('POST', '/api/place/orders', wish));
    } catch (error) {
      this.note.replaceChildren();
      this.wrong(/** @type {Error} */ (error).message);
    }
  }

  /** Says beside the field what the order service says about it, or below the form. @param {string} problem */
  wrong(problem) {
    const name = speaksOf.find(([words]) => words.test(problem))?.[1];
    for (const place of /** @type {NodeListOf<HTMLElement>} */ (this.element.querySelectorAll('.field'))) {
      const here = problem !== '' && place.dataset.field === name;
      place.toggleAttribute('data-wrong', here);
      /** @type {HTMLElement} */ (place.querySelector('.problem')).textContent = here ? problem : '';
      place.querySelector('input, select')?.setAttribute('aria-invalid', String(here));
    }
    if (problem && !name) this.note.replaceChildren(el('span.problem', {}, problem));
  }

  /** Follows the order to its end. @param {{order_id: string, total: {amount: number, currency: string}}} placed */
  follow({ order_id: id, total }) {
    this.leave?.();
    const state = el('span.state.forth', { 'data-is': 'state' }, '▶ In Progress');
    this.note.replaceChildren('Order ', el('a', { href: `/order?id=${id}`, 'data-is': 'order' }, id), ` for ${(total.amount / 100).toFixed(2)} ${total.currency}: `, state);
    this.leave = listen(id, (news) => {
      for (const row of news.sagas) {
        state.textContent = `${shapes[row.state][0]} ${row.state}`;
        state.className = `state ${shapes[row.state][1]}`;
        if (ended(row)) this.leave?.();
      }
    }, () => {});
  }
}
