// @ts-check
// A list of the incidents, or of the dead letters, of all services.

import { ask } from '../api.js';
import { el, pressed, redraw } from '../dom.js';

/**
 * @typedef {Record<string, any> & {service: string, id: string, order_id: string}} Item
 * @typedef {{path: string, title: string, noneOpen: string, none: string, parameter: string, open: (i: Item) => boolean, cells: (i: Item) => Node[], show: (name: string) => void}} Kind
 */

export class List {
  /** @param {Kind} kind @param {boolean} all the closed ones, too @param {() => string} chosen the one that is shown, as service/id */
  constructor(kind, all, chosen) {
    this.kind = kind;
    this.all = all;
    this.chosen = chosen;
    this.choice = el('nav.choice', { 'aria-label': `Show ${kind.title}` });
    this.note = el('p.note', { role: 'status' });
    this.list = el('ul.items', { 'aria-label': `${kind.title}, newest first` });
    this.more = el('button', { type: 'button', hidden: true, onclick: () => this.older() }, 'Show older ones');
    this.place = el('section', { 'aria-label': kind.title, 'data-items': kind.path }, el('h2', {}, kind.title), this.choice, this.note, this.list, this.more);
    this.pages = 1;
    /** @type {Item[]} */ this.items = [];
    /** @type {{service: string, problem: string}[]} */ this.unavailable = [];
  }

  async read() {
    /** @type {Item[]} */ const read = [];
    let next = '';
    for (let page = 0; page < this.pages && next !== null; page++) {
      const list = await ask('GET', `/operate/${this.kind.path}?all=${this.all}&after=${encodeURIComponent(next)}`);
      read.push(...list.items.map((/** @type {{service: string, details: object}} */ i) => ({ service: i.service, ...i.details })));
      this.unavailable = list.unavailable;
      next = list.next;
    }
    this.items = read;
    this.more.hidden = next === null;
    this.draw();
  }

  /** Reads one page more, from now on each time. */
  async older() {
    this.pages++;
    await this.read();
  }

  draw() {
    if (pressed(this.place)) return;
    const { title, noneOpen, none, open } = this.kind;
    redraw(this.choice, this.link('/operate', `${this.items.filter(open).length}${this.more.hidden ? '' : ' or more'} open`, !this.all), this.link('/operate?show=all', 'All, also closed ones', this.all));
    this.note.textContent = [this.items.length ? '' : this.all ? none : noneOpen, ...this.unavailable.map((s) => `${title} of ${s.service} are not known: ${s.problem}.`)].join(' ').trim();
    redraw(this.list, ...this.items.map((i) => this.item(i)));
  }

  /** @param {string} href @param {string} label @param {boolean} current */
  link(href, label, current) {
    return el('a', { href, 'aria-current': current ? 'true' : null }, label);
  }

  /** @param {Item} i */
  item(i) {
    const name = `${i.service}/${i.id}`;
    const [what, ...more] = this.kind.cells(i);
    const choose = (/** @type {MouseEvent} */ e) => {
      e.preventDefault();
      history.replaceState(null, '', /** @type {HTMLAnchorElement} */ (e.currentTarget).href);
      this.kind.show(name);
    };
    return el('li', { 'data-item': i.id, 'data-open': String(this.kind.open(i)) },
      el('a.which', { href: `/operate?${this.all ? 'show=all&' : ''}${this.kind.parameter}=${name}`, 'aria-current': name === this.chosen() ? 'true' : null, onclick: choose }, what, ` in ${i.service}`),
      ...more, i.order_id ? el('a', { href: `/order?id=${encodeURIComponent(i.order_id)}` }, `order …${i.order_id.slice(-8)}`) : el('span', {}, 'no order'));
  }
}
