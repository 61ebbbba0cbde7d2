// @ts-check
// Place orders: one by a form, as a customer does, or many at a rate.

import { ask } from '../api.js';
import { el } from '../dom.js';
import { choice, field, form, number, text } from '../forms.js';
import { ended, follow, look } from '../sagas/feed.js';
import { LoadPanel } from './load.js';

/** @typedef {{sku: string, available: number}} Stock @typedef {{name: string, sentence: string}} Card */

/** The field that a problem of the order service is about. @type {[RegExp, string][]} */
const fieldOf = [[/quantity/i, 'quantity'], [/sku/i, 'sku'], [/payment_method|token|card/i, 'card'], [/country/i, 'country'], [/contact_email/i, 'email'], [/costs|expected_total/i, 'total']];

/** @param {HTMLElement} root */
export async function mount(root) {
  const { stock, cards } = await ask('GET', '/place');
  const order = new OrderForm(stock, cards), load = new LoadPanel();
  root.replaceChildren(el('div.forms', {}, el('h1', {}, 'Place orders'), el('p.about', {}, 'As a customer does, over the order service’s public API, version 1. Prices come from the shop.'),
    el('div.columns', {}, order.element, load.element)));
  load.open();
}

class OrderForm {
  /** @param {Stock[]} stock @param {Card[]} cards */
  constructor(stock, cards) {
    this.cards = cards;
    this.sku = choice([...stock.map((s) => /** @type {[string, string]} */ ([s.sku, `${s.sku}: ${s.available} available`])), ['phlogiston', 'phlogiston: not sold here']]);
    this.quantity = number(1);
    this.card = choice(cards.map((c) => [c.name, c.name]), { onchange: () => this.explain() });
    this.country = text({ value: 'DE', size: 4 });
    this.email = text({ inputmode: 'email', placeholder: 'ada@customers.example' });
    this.total = text({ inputmode: 'numeric', size: 8 });
    this.sentence = el('p.hint', { 'data-is': 'card', 'aria-live': 'polite' });
    this.note = el('p.note', { role: 'status', 'data-is': 'result' });
    this.element = el('section', {}, el('h2', {}, 'One order'), form(() => this.place(),
      el('div.row', {}, field('sku', 'SKU', this.sku), field('quantity', 'Quantity', this.quantity)),
      field('card', 'Test card', this.card), this.sentence,
      el('div.row', {}, field('country', 'Shipped to', this.country, 'Two letters. AQ, Antarctica, is not served: the order is cancelled.'),
        field('total', 'Expected total', this.total, 'In US cents; empty: any.')),
      field('email', 'Mails go to', this.email, 'Empty: no mails.'),
      el('button.main', { 'data-does': 'place' }, 'Place the order')), this.note);
    this.explain();
  }

  explain() {
    this.sentence.textContent = this.cards.find((c) => c.name === this.card.value)?.sentence.replaceAll('`', '') ?? '';
  }

  async place() {
    const total = this.total.value.trim();
    const order = { sku: this.sku.value, quantity: Number(this.quantity.value), card: this.card.value, country: this.country.value.trim(), email: this.email.value.trim(),
      ...(total ? { total: { amount: Number(total), currency: 'USD' } } : {}) };
    this.wrong('');
    this.note.replaceChildren('Placing …');
    try {
      this.follow(await ask('POST', '/place/orders', order));
    } catch (error) {
      this.note.replaceChildren();
      this.wrong(/** @type {Error} */ (error).message);
    }
  }

  /** Shows the order service's problem beside its field, or below the form. @param {string} problem */
  wrong(problem) {
    const name = fieldOf.find(([pattern]) => pattern.test(problem))?.[1];
    for (const place of /** @type {NodeListOf<HTMLElement>} */ (this.element.querySelectorAll('.field'))) {
      const here = problem !== '' && place.dataset.field === name;
      place.toggleAttribute('data-wrong', here);
      /** @type {HTMLElement} */ (place.querySelector('.problem')).textContent = here ? problem : '';
      place.querySelector('input, select')?.setAttribute('aria-invalid', String(here));
    }
    if (problem && !name) this.note.replaceChildren(el('span.problem', {}, problem));
  }

  /** Follows the order to its end. @param {{order_id: string, total: string}} placed */
  follow({ order_id: id, total }) {
    this.leave?.();
    const state = el('span.state.forth', { 'data-is': 'state' }, '▶ In Progress');
    this.note.replaceChildren('Order ', el('a', { href: `/order?id=${id}`, 'data-is': 'order' }, id), ` for ${total}: `, state);
    this.leave = follow(id, (update) => {
      for (const row of update.sagas) {
        const [text, colour] = look(row);
        state.textContent = text;
        state.className = `state ${colour}`;
        if (ended(row)) this.leave?.();
      }
    }, () => {});
  }
}
