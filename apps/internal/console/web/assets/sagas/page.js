// @ts-check
// All sagas, live: what each order has come to, newest first.

import { el } from '../simulator/dom.js';
import { listen, shapes, span, stuck, ended } from './news.js';
import { Rows, views } from './rows.js';

/** @typedef {import('./news.js').Row} Row @typedef {import('./news.js').News} News */

/** A row's height in pixels, as in sagas.css: only the rows in sight are made. */
const HEIGHT = 64;

/** @param {HTMLElement} root */
export async function mount(root) {
  new List(root).open();
}

class List {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    const asked = new URLSearchParams(location.search);
    this.view = asked.get('show') ?? 'all';
    this.words = asked.get('q') ?? '';
    this.rows = new Rows();
    this.known = false; // something was told, if only that there is nothing
    this.connected = true;
    this.reading = true;
    /** @type {News[] | null} what came while the list stands still */ this.waiting = null;
    this.drawing = false;
  }

  open() {
    this.counts = el('nav.counts', { 'aria-label': 'Show' });
    this.search = /** @type {HTMLInputElement} */ (el('input', { type: 'search', placeholder: 'order, goods, step', value: this.words, oninput: () => this.ask(this.view, this.search.value) }));
    this.stop = el('button', { type: 'button', 'data-does': 'pause', 'aria-pressed': 'false', onclick: () => this.pause() }, 'Pause');
    this.note = el('p.note', { role: 'status' });
    this.items = el('ul', { 'aria-label': 'Sagas, newest first' });
    this.window = el('div.window', { tabindex: '0', role: 'region', 'aria-label': 'List of sagas', onscroll: () => this.draw() }, this.items);
    this.root.replaceChildren(el('div.sagas', {}, el('h1', {}, 'Live sagas'), this.counts,
      el('div.tools', {}, el('label', {}, 'Search ', this.search), this.stop), this.note, this.window));
    addEventListener('popstate', () => location.reload());
    listen('', (news) => this.hear(news), (connected) => { this.connected = connected; this.draw(); });
    setInterval(() => document.hidden || this.draw(), 1000); // ages grow, and what stands still becomes stuck
    this.draw();
  }

  /** @param {News} news */
  hear(news) {
    this.reading = news.reading;
    this.known ||= news.reading && !news.more;
    if (this.waiting && !news.reset) this.waiting.push(news);
    else this.rows.add(news);
    this.draw();
  }

  pause() {
    for (const news of this.waiting ?? []) this.rows.add(news);
    this.waiting = this.waiting ? null : [];
    this.draw();
  }

  /** @param {string} view @param {string} words */
  ask(view, words) {
    [this.view, this.words] = [view, words];
    history.replaceState(null, '', this.address(view, words));
    this.window.scrollTop = 0;
    this.draw();
  }

  /** @param {string} view @param {string} words */
  address(view, words) {
    const asked = new URLSearchParams([['show', view], ['q', words]].filter(([, v]) => v && v !== 'all'));
    return asked.size ? `/?${asked}` : '/';
  }

  /** Draws once a frame, however much has changed. */
  draw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => { this.drawing = false; this.drawNow(); });
  }

  drawNow() {
    if (this.items.matches(':active')) return; // the row that is being pressed must stay
    const now = Date.now();
    const chosen = this.rows.chosen(this.view, this.words, now);
    this.drawCounts(this.rows.counts(now));
    this.note.textContent = this.says(chosen.length);
    const fresh = new Set(this.waiting?.flatMap((news) => news.sagas.map((s) => s.order)).filter((order) => !this.rows.byOrder.has(order))).size;
    this.stop.textContent = this.waiting ? `Go on, ${fresh} new` : 'Pause';
    this.stop.setAttribute('aria-pressed', String(Boolean(this.waiting)));
    this.items.style.height = `${chosen.length * HEIGHT}px`;
    const from = Math.max(0, Math.floor(this.window.scrollTop / HEIGHT) - 5);
    const shown = chosen.slice(from, from + Math.ceil(this.window.clientHeight / HEIGHT) + 10);
    const focused = document.activeElement?.getAttribute('href');
    this.items.replaceChildren(...shown.map((row, n) => this.item(row, from + n, chosen.length, now)));
    if (focused) /** @type {HTMLElement | null} */ (this.items.querySelector(`a[href="${CSS.escape(focused)}"]`))?.focus({ preventScroll: true });
  }

  /** Says why there is nothing, or that what is there may be old. @param {number} shown */
  says(shown) {
    if (!this.connected) return 'The console does not answer. The list is as it was; it goes on by itself when the console is back.';
    if (!this.known) return 'Reading what has happened so far. If this lasts, the broker does not answer.';
    if (!this.reading) return 'The broker does not answer. The list is as it was; events are kept in the outboxes and come when it is back.';
    if (!this.rows.list.length) return 'No orders yet. Place one: bin/sagactl order place';
    if (!shown) return 'Nothing matches. Choose All and clear the search to see everything.';
    return `${shown} of ${this.rows.list.length} sagas${this.waiting ? ', standing still' : ''}`;
  }

  /** @param {Record<string, number>} counts */
  drawCounts(counts) {
    this.counts.replaceChildren(...Object.entries(views).map(([name, { title }]) => el('a', {
      href: this.address(name, this.words), 'aria-current': name === this.view ? 'true' : null, 'data-view': name,
      onclick: (/** @type {MouseEvent} */ e) => { e.preventDefault(); this.ask(name, this.words); },
    }, el('b', {}, String(counts[name])), ` ${title}`)));
  }

  /** @param {Row} row @param {number} n @param {number} of @param {number} now */
  item(row, n, of, now) {
    const [shape, colour] = shapes[row.state];
    const age = ended(row) ? `took ${span(Date.parse(row.at) - Date.parse(row.began))}` : `for ${span(now - Date.parse(row.began))}`;
    const li = el('li', { 'data-order': row.order, 'data-state': row.state, 'aria-posinset': n + 1, 'aria-setsize': of },
      el(`span.state.${colour}`, {}, `${shape} ${row.state}`),
      el('a', { href: `/order?id=${row.order}` }, el('span.what', {}, row.what), el('span.id', {}, row.order)),
      el('span.step', {}, row.step, row.incidents > 0 && !ended(row) && el('a.badge', { href: '/operate' }, '! needs a person'), stuck(row, now) && el('b.badge', {}, '⏸ stuck')),
      el('span.age', {}, age));
    li.style.transform = `translateY(${n * HEIGHT}px)`;
    return li;
  }
}
