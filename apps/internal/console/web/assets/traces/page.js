// @ts-check
// The traces of recent orders: which failed, which were slow, and how long each step takes.

import { ask } from '../api.js';
import { el } from '../dom.js';
import { since } from '../text.js';
import { took } from './waterfall.js';

/**
 * @typedef {{order_id: string, start: string, duration_ns: number, ended: boolean, spans: number, services: string[], compensated: boolean, error: boolean, partial: boolean}} Listed
 * @typedef {{name: string, service: string, count: number, p50_ns: number, p99_ns: number}} Step
 * @typedef {{off?: string, traces: Listed[], steps: Step[], ring: {bytes: number, budget_bytes: number, traces: number, received_spans: number, dropped_spans: number}}} List
 */

/** How often the page asks, in milliseconds, while it is visible. */
const EVERY = 2000;

const views = { slow: 'Slowest', failed: 'Failed or compensated', all: 'Newest' };

/** @param {HTMLElement} root */
export async function mount(root) {
  await new Traces(root).open();
}

class Traces {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    const asked = new URLSearchParams(location.search);
    this.state = Object.hasOwn(views, asked.get('state') ?? '') ? asked.get('state') ?? '' : 'slow';
    this.search = asked.get('q') ?? '';
    /** @type {List | null} */ this.list = null;
  }

  async open() {
    this.note = el('p.note', { role: 'status' }, 'Reading …');
    this.views = el('nav.counts', { 'aria-label': 'Show' });
    this.input = /** @type {HTMLInputElement} */ (el('input', { type: 'search', placeholder: 'order, step, service', value: this.search, oninput: () => this.choose(this.state, this.input?.value ?? '') }));
    this.orders = el('tbody');
    this.steps = el('tbody');
    this.root.replaceChildren(el('div.sagas.traces', {}, el('h1', {}, 'Traces'), this.views, el('div.tools', {}, el('label', {}, 'Search ', this.input)), this.note,
      el('section', { 'aria-label': 'Orders' }, el('h2', {}, 'Orders'), wide('Orders', ['Order', 'State', 'Took', 'Spans', 'Began', 'Processes'], this.orders)),
      el('section', { 'aria-label': 'Steps' }, el('h2', {}, 'Steps, the slowest first'), el('p.note', {}, 'All spans of the last five to ten minutes.'), wide('Steps', ['Step', 'Service', 'Count', 'p50', 'p99'], this.steps))));
    addEventListener('popstate', () => location.reload());
    await this.read();
    this.watch();
  }

  watch() {
    setTimeout(async () => {
      if (!document.hidden) await this.read();
      this.watch();
    }, EVERY);
  }

  async read() {
    try {
      const { state } = this;
      const list = await ask('GET', `/traces?state=${state}&limit=200`);
      if (state !== this.state) return; // another was chosen meanwhile
      this.list = list;
      this.draw();
    } catch (error) {
      if (this.note) this.note.textContent = /** @type {Error} */ (error).message;
    }
  }

  /** @param {string} state @param {string} search */
  choose(state, search) {
    const other = state !== this.state;
    [this.state, this.search] = [state, search];
    history.replaceState(null, '', this.address(state));
    if (other) this.read();
    this.draw();
  }

  /** @param {string} state */
  address(state) { return `/traces?${new URLSearchParams([['state', state], ['q', this.search]].filter(([, v]) => v))}`; }

  draw() {
    const { list } = this;
    const focused = document.activeElement?.getAttribute('data-view');
    this.views?.replaceChildren(...Object.entries(views).map(([name, title]) => el('a', {
      href: this.address(name), 'data-view': name, 'aria-current': name === this.state ? 'true' : null,
      onclick: (/** @type {MouseEvent} */ e) => { e.preventDefault(); this.choose(name, this.search); },
    }, title)));
    if (focused) /** @type {HTMLElement | null} */ (this.views?.querySelector(`[data-view=${focused}]`))?.focus();
    if (!list || !this.note) return;
    const wanted = this.search.toLowerCase().split(/\s+/).filter(Boolean);
    /** @param {string} text */
    const matches = (text) => wanted.every((w) => text.toLowerCase().includes(w));
    const orders = list.traces.filter((t) => matches(`${t.order_id} ${stateOf(t)} ${t.services.join(' ')}`));
    const steps = list.steps.filter((s) => matches(`${s.name} ${s.service}`));
    const { ring } = list;
    this.note.textContent = list.off ? sentence(list.off) : `${orders.length} orders; the ring holds ${ring.traces} traces in ${(ring.bytes / 2 ** 20).toFixed(1)} of ${ring.budget_bytes / 2 ** 20} MiB${ring.dropped_spans ? `, ${ring.dropped_spans} spans were refused` : ''}`;
    fill(this.orders, orders.map((t) => [el('a', { href: `/order?id=${t.order_id}` }, t.order_id), stateOf(t), took(t.duration_ns), String(t.spans), `${since(t.start)} ago`, t.services.join(', ')]), 'data-order');
    fill(this.steps, steps.map((s) => [s.name, s.service, String(s.count), took(s.p50_ns), took(s.p99_ns)]), 'data-step');
  }
}

/** @param {Listed} t */
function stateOf(t) {
  return [t.ended ? t.compensated ? '✖ compensated' : '✔ confirmed' : t.compensated ? '◀ compensating' : '▶ in progress', t.error && '! an error', t.partial && '… partial'].filter(Boolean).join(', ');
}

/** @param {string} label @param {string[]} heads @param {HTMLElement} body */
const wide = (label, heads, body) => el('div.wide', { tabindex: '0', role: 'region', 'aria-label': `Table of ${label.toLowerCase()}` },
  el('table', {}, el('thead', {}, el('tr', {}, ...heads.map((head) => el('th', { scope: 'col' }, head)))), body));

/** @param {HTMLElement | undefined} body @param {(string | HTMLElement)[][]} rows @param {string} named the attribute with the text of a row's first cell */
function fill(body, rows, named) {
  const focused = body?.contains(document.activeElement) ? document.activeElement?.getAttribute('href') : null;
  body?.replaceChildren(...rows.map(([first, ...rest]) => el('tr', { [named]: typeof first === 'string' ? first : first.textContent },
    el('th', { scope: 'row' }, first), ...rest.map((text) => el('td', {}, text)))));
  if (focused) /** @type {HTMLElement | null} */ (body?.querySelector(`[href="${CSS.escape(focused)}"]`))?.focus({ preventScroll: true });
}

/** @param {string} text */
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;
