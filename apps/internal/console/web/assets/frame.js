// @ts-check
// The frame of all pages: the address chooses the page.

import { synchronise } from './clock.js';
import { el } from './dom.js';
import { keyboard } from './keyboard.js';
import { strip } from './strip.js';

/** @type {Record<string, {title: string, about?: string, keys?: import('./keyboard.js').Key[], load?: () => Promise<{mount: (root: HTMLElement) => Promise<void>}>}>} */
const pages = {
  '/': { title: 'Live sagas', load: () => import('./sagas/page.js') },
  '/order': { title: 'An order', keys: [['←', 'the event before'], ['→', 'the next event'], ['↑ ↓', 'another span, in the waterfall']], load: () => import('./sagas/order.js') },
  '/operate': { title: 'Operate', about: 'Incidents and dead letters, how far behind the services are, and whether money and stock add up.', load: () => import('./operate/page.js') },
  '/traces': { title: 'Traces', about: 'Slow and failed orders, and how long each step takes; an order’s page draws its trace.', load: () => import('./traces/page.js') },
  '/place': { title: 'Place orders', about: 'One order by a form, with every test card explained, or many at a rate, with live histograms of their latency.', load: () => import('./place/page.js') },
  '/break': { title: 'Break things', about: 'Arm faults at any point, kill services, pause consumers, let the gateway misbehave, and watch the recovery.', load: () => import('./break/page.js') },
  '/simulator': { title: 'Saga flow simulator', about: 'Step a saga through four services, make any step fail, and follow the compensation: in a model, or with a real order.', keys: [['→', 'takes the next step'], ['←', 'takes a step back, in the model']], load: () => import('./simulator/page.js') },
  '/versioning': { title: 'API versioning explorer', about: 'Compare four ways to version a contract, and find the one that fits your context and priorities.', load: () => import('./versioning/page.js') },
  '/quality': { title: 'Quality scenarios', about: 'What the system has to be good at, in numbers, and how each stands.' }, // comes ready from the console
};

const root = /** @type {HTMLElement} */ (document.getElementById('page'));
const page = pages[location.pathname];
document.title = page ? page.title : 'No such page';
document.querySelector(`nav a[href="${CSS.escape(location.pathname).replaceAll('\\/', '/')}"]`)?.setAttribute('aria-current', 'page');
keyboard(/** @type {HTMLElement} */ (document.querySelector('header')), page?.keys ?? []);
strip(/** @type {HTMLElement} */ (document.querySelector('header')));

try {
  await synchronise().catch(() => {}); // each page shows when the console does not answer
  if (page?.load) await (await page.load()).mount(root);
  else if (!page) root.replaceChildren(el('h1', {}, 'There is no such page'), index());
} catch (error) {
  /** @type {any} */ (globalThis).loadAgain(); // once: see theme.js
  root.replaceChildren(el('h1', {}, 'The page could not be shown'), el('p', {}, `${/** @type {Error} */ (error).message} Is the console still running? Reload the page.`));
}
root.dataset.ready = 'yes';

function index() {
  return el('ul.index', {}, ...Object.entries(pages).filter(([, p]) => p.about).map(([path, p]) => el('li', {}, el('a', { href: path }, p.title), el('p', {}, p.about))));
}
