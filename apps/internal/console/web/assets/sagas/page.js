// @ts-check
// All sagas, live, newest first.

import * as clock from '../clock.js';
import { el, pressed, redraw } from '../dom.js';
import { span } from '../text.js';
import { ended, follow, look, stuck, why } from './feed.js';
import { landing } from './landing.js';
import { SagaList, views } from './list.js';

/** @typedef {import('./feed.js').Row} Row @typedef {import('./feed.js').Update} Update */

/** A row's height in pixels, as in sagas.css: only the rows in sight are made. */
const HEIGHT = 64;

/** @param {HTMLElement} root */
export async function mount(root) {
  new Page(root).open();
}

class Page {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    const asked = new URLSearchParams(location.search);
    this.view = asked.get('show') ?? 'all';
    this.search = asked.get('q') ?? '';
    this.rows = new SagaList();
    this.known = false; // the whole list has arrived, even when it is empty
    this.connected = true;
    this.current = true;
    /** @type {Update[] | null} what came while the list is paused */ this.waiting = null;
    this.drawing = false;
  }

  open() {
    this.counts = el('nav.counts', { 'aria-label': 'Show' });
    this.input = /** @type {HTMLInputElement} */ (el('input', { type: 'search', placeholder: 'order, goods, step', value: this.search, oninput: () => this.show(this.view, this.input.value) }));
    this.stop = el('button', { type: 'button', 'data-does': 'pause', 'aria-pressed': 'false', onclick: () => this.pause() }, 'Pause');
    this.note = el('p.note', { role: 'status' });
    this.items = el('ul', { 'aria-label': 'Sagas, newest first' });
    this.window = el('div.window', { tabindex: '0', role: 'region', 'aria-label': 'List of sagas', onscroll: () => this.draw() }, this.items);
    this.root.replaceChildren(el('div.sagas', {}, el('h1', {}, 'Live sagas'), landing(), this.counts,
      el('div.tools', {}, el('label', {}, 'Search ', this.input), this.stop), this.note,
      el('div.heads', { 'aria-hidden': 'true' }, ...['State', 'Goods and order', 'Last event, or why', 'Time'].map((head) => el('span', {}, head))), this.window));
    addEventListener('popstate', () => location.reload());
    follow('', (update) => this.receive(update), (connected) => { this.connected = connected; this.draw(); });
    setInterval(() => document.hidden || this.draw(), 1000); // ages grow, and sagas become stuck
    this.draw();
  }

  /** @param {Update} update */
  receive(update) {
    this.current = update.current;
    this.known ||= update.current && !update.more;
    if (this.waiting && !update.reset) this.waiting.push(update);
    else this.rows.add(update);
    this.draw();
  }

  pause() {
    for (const update of this.waiting ?? []) this.rows.add(update);
    this.waiting = this.waiting ? null : [];
    this.draw();
  }

  /** @param {string} view @param {string} search */
  show(view, search) {
    [this.view, this.search] = [view, search];
    history.replaceState(null, '', this.address(view, search));
    this.window.scrollTop = 0;
    this.draw();
  }

  /** @param {string} view @param {string} search */
  address(view, search) {
    const asked = new URLSearchParams([['show', view], ['q', search]].filter(([, v]) => v && v !== 'all'));
    return asked.size ? `/?${asked}` : '/';
  }

  /** Draws once a frame, however much has changed. */
  draw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => { this.drawing = false; this.drawNow(); });
  }

  drawNow() {
    if (pressed(this.items)) return;
    const now = clock.now();
    const chosen = this.rows.chosen(this.view, this.search, now);
    this.drawCounts(this.rows.counts(now));
    this.note.textContent = this.status(chosen.length);
    const fresh = new Set(this.waiting?.flatMap((update) => update.sagas.map((s) => s.order)).filter((order) => !this.rows.byOrder.has(order))).size;
    this.stop.textContent = this.waiting ? `Resume, ${fresh} new` : 'Pause';
    this.stop.setAttribute('aria-pressed', String(Boolean(this.waiting)));
    this.items.style.height = `${chosen.length * HEIGHT}px`;
    const from = Math.max(0, Math.floor(this.window.scrollTop / HEIGHT) - 5);
    const shown = chosen.slice(from, from + Math.ceil(this.window.clientHeight / HEIGHT) + 10);
    redraw(this.items, ...shown.map((row, n) => this.item(row, from + n, chosen.length, now)));
  }

  /** Why the list is empty, or that it may be old. @param {number} shown */
  status(shown) {
    if (!this.connected) return 'The console does not answer. The list is old; it continues by itself when the console is back.';
    if (!this.known) return 'Reading the stream. If this lasts, the broker does not answer.';
    if (!this.current) return 'The broker does not answer. The list is old; the outboxes keep the events and publish them when it is back.';
    if (!this.rows.list.length) return 'No orders yet. Place one with the button above.';
    if (!shown) return 'Nothing matches. Choose All and clear the search to see everything.';
    return `${shown} of ${this.rows.list.length} sagas${this.waiting ? ', paused' : ''}`;
  }

  /** @param {Record<string, number>} counts */
  drawCounts(counts) {
    this.counts.replaceChildren(...Object.entries(views).map(([name, { title }]) => el('a', {
      href: this.address(name, this.search), 'aria-current': name === this.view ? 'true' : null, 'data-view': name,
      onclick: (/** @type {MouseEvent} */ e) => { e.preventDefault(); this.show(name, this.search); },
    }, el('b', {}, String(counts[name])), ` ${title}`)));
  }

  /** @param {Row} row @param {number} n @param {number} of @param {number} now */
  item(row, n, of, now) {
    const [state, colour] = look(row);
    const age = ended(row) ? `took ${span(Date.parse(row.at) - Date.parse(row.began))}` : `for ${span(now - Date.parse(row.began))}`;
    const li = el('li', { 'data-order': row.order, 'data-state': row.state, 'aria-posinset': n + 1, 'aria-setsize': of },
      el(`span.state.${colour}`, {}, state),
      el('a', { href: `/order?id=${row.order}` }, el('span.what', {}, row.what), el('span.id', {}, row.order)),
      el('span.step', { title: why(row) || row.step }, why(row) || row.step, row.incidents > 0 && !ended(row) && el('a.badge', { href: '/operate' }, '! needs a person'), stuck(row, now) && el('b.badge', {}, '⏸ stuck')),
      el('span.age', {}, age));
    li.style.transform = `translateY(${n * HEIGHT}px)`;
    return li;
  }
}
