// @ts-check
// The first line of the first page: what this is, and three things to do.

import { ask } from '../api.js';
import { el } from '../dom.js';

export function landing() {
  const note = el('p.result', { role: 'status' });
  /** @param {() => Promise<string | void>} what */
  const does = (what) => async () => {
    delete note.dataset.is;
    try {
      note.textContent = await what() ?? '';
    } catch (error) {
      note.dataset.is = 'wrong';
      note.textContent = /** @type {Error} */ (error).message;
    }
  };
  return el('section.landing', { 'aria-label': 'Begin here' },
    el('p', {}, 'A shop without a coordinator: each order is a saga of local transactions in four services. Kill any of them in the middle; no order is lost, and no card is charged twice.'),
    el('button.main', { type: 'button', 'data-does': 'place', onclick: does(place) }, 'Place an order'),
    el('button.danger', { type: 'button', 'data-does': 'kill-payment', onclick: does(kill) }, 'Kill payment now'),
    el('a', { href: '/simulator', 'data-does': 'simulator' }, 'Step through a saga'), note);
}

/** Places one order, and shows it. */
async function place() {
  const { order_id: id } = await ask('POST', '/place/orders', { sku: 'widget', quantity: 1, card: 'tok_visa', country: 'DE', email: '' });
  location.assign(`/order?id=${id}`);
}

/** Kills payment, which stays away long enough to watch: it is started again at once otherwise. */
async function kill() {
  await ask('POST', '/break/processes/payment/kill', { for: '10s' });
  return 'Payment was killed, and stays away for 10 seconds. Place orders now: they wait, and end when it is back.';
}
