// @ts-check
// The buttons. Each shows what it would do now, and is off when it would do nothing.

import { el, redraw } from '../dom.js';
import { REDELIVER, CANCEL, CRASH, FAIL, LATE, NEXT, RETRY, SETTLE, SLOW, possible } from './play.js';
import { scenarioOf, scenarios } from './scenarios.js';
import { title } from '../text.js';

/** What goes beyond failing: each with its name. @type {[string, string][]} */
const more = [[REDELIVER, 'Redeliver'], [LATE, 'Delay it'], [CRASH, 'Crash after the commit'], [SLOW, 'Slow gateway'], [CANCEL, 'Cancel the order'],
  [RETRY, 'Retry the refund'], [SETTLE, 'Settle by hand']];

/** @param {HTMLElement} into @param {any} page the simulator */
export function controls(into, page) {
  const { live } = page.place;
  redraw(into, el('div.source', {}, sources(page), choice(page)), live ? liveButtons(page) : modelButtons(page), ...(live ? [notes(page)] : []));
}

/** @param {any} page */
function sources(page) {
  const source = (/** @type {boolean} */ live, /** @type {string} */ name) => el('button', { type: 'button', 'aria-pressed': String(page.place.live === live), 'data-does': name,
    disabled: live && !page.able.live, title: live && !page.able.live ? page.able.why : null, onclick: () => page.go({ live }) }, name);
  return el('div.switch', { role: 'group', 'aria-label': 'Source' }, source(false, 'Model'), source(true, 'Live order'));
}

/** @param {any} page */
function choice(page) {
  const offered = scenarios.filter((s) => !page.place.live || s.live !== undefined);
  const select = /** @type {HTMLSelectElement} */ (el('select', { 'data-does': 'scenario', disabled: page.place.live && page.live.order !== '',
    onchange: () => page.go({ scenario: select.value, presses: '' }) }, ...offered.map((s) => el('option', { value: s.id, selected: s.id === page.place.scenario }, s.title))));
  return el('label', {}, 'Scenario ', select);
}

/** @param {string} name @param {string} does @param {string | undefined} what it would do; undefined: nothing now @param {() => void} act @param {string} [look] */
function button(name, does, what, act, look = '') {
  return el('button', { type: 'button', class: look, 'data-does': does, disabled: what === undefined, onclick: act }, el('span.name', {}, name), what && el('span.what', {}, what));
}

/** @param {any} page */
function modelButtons(page) {
  const saga = page.saga;
  const can = possible(page.flow, saga);
  const planned = page.planned && page.planned in can ? page.planned : NEXT;
  const preview = planned === FAIL ? `${can[NEXT]}: ${can[FAIL]}` : can[planned];
  return el('div.buttons', {},
    el('div.main', {},
      button('Next step', 'next', preview, () => page.next(), 'primary'),
      button('Inject failure', 'fail', can[FAIL], () => page.fail(), 'danger'),
      button('Step back', 'back', page.place.presses ? '' : undefined, () => page.back()),
      button('Reset', 'reset', page.place.presses ? '' : undefined, () => page.reset())),
    el('div.more', { role: 'group', 'aria-label': 'Beyond failing' }, ...more.map(([press, name]) =>
      el('button', { type: 'button', 'data-does': press, disabled: !(press in can), title: can[press] ?? null, onclick: () => page.press(press) }, name))));
}

/** @param {any} page */
function liveButtons(page) {
  const { live, busy } = page;
  const turn = live.turn && `${title(live.turn)} is held; release it`;
  const next = busy ? undefined : live.order ? turn ?? undefined : 'Places a real order, held at every step';
  const failures = { crash: `${live.turn} crashes before it can publish`, declined: 'card declined, with a new order', stock: 'out of stock, with a new order', address: 'cannot be shipped there, with a new order', refund: 'refund refused, with a new order' };
  const failure = busy || !live.failure ? undefined : failures[/** @type {keyof typeof failures} */ (live.failure)];
  return el('div.buttons', {},
    el('div.main', {},
      button('Next step', 'next', next, () => page.next(), 'primary'),
      button('Inject failure', 'fail', failure, () => page.fail(), 'danger'),
      button('Reset', 'reset', live.order && !busy ? 'releases the order' : undefined, () => page.reset())),
    el('div.more', { role: 'group', 'aria-label': 'Beyond failing' },
      el('button', { type: 'button', 'data-does': CRASH, disabled: busy || !live.publishes, onclick: () => page.run(() => live.step(true)) }, 'Crash after the commit'),
      el('button', { type: 'button', 'data-does': CANCEL, disabled: busy || live.saga.rows.order !== 'PENDING', onclick: () => page.run(() => live.cancel()) }, 'Cancel the order')));
}

/** What happens in live mode. @param {any} page */
function notes(page) {
  const { live } = page;
  return el('div.notes', {},
    el('p', {}, live.order ? el('span', {}, 'Order ', el('code', {}, live.order), '. ') : scenarioOf(page.place.scenario).about,
      live.note && el('strong', {}, ` ${live.note}`)),
    el('p.fine', {}, 'Every service waits at a fault of the kind hold when the order’s event arrives, and other orders wait behind it. Whether a card is declined, an address is served or the stock suffices is decided when an order is placed: to inject such a failure, a new order that will fail there is placed and stepped to the same point; the old one is released. The order’s deadline runs meanwhile, and after 15 minutes the order is released.'));
}
