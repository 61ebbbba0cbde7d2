// @ts-check
// A list of things of all services that wait, or have waited, for a person.

import { el } from '../simulator/dom.js';
import { ask } from './ask.js';

/**
 * @typedef {Record<string, any> & {service: string, id: string, order_id: string}} Thing
 * @typedef {{things: string, title: string, none: string, never: string, one: string, open: (t: Thing) => boolean, is: (t: Thing) => Node[], show: (name: string) => void}} Kind
 */

export class Things {
  /** @param {Kind} kind @param {boolean} all those that wait no more, too @param {() => string} chosen the one that is shown, as service/id */
  constructor(kind, all, chosen) {
    [this.kind, this.all, this.chosen] = [kind, all, chosen];
    this.choice = el('nav.choice', { 'aria-label': `Show ${kind.title}` });
    this.note = el('p.note', { role: 'status' });
    this.list = el('ul.things', { 'aria-label': `${kind.title}, newest first` });
    this.place = el('section', { 'aria-label': kind.title, 'data-things': kind.things }, el('h2', {}, kind.title), this.choice, this.note, this.list);
  }

  async read() {
    const { things, silent } = await ask(`/api/operate/${this.kind.things}${this.all ? '?all=true' : ''}`);
    this.draw(things.map((/** @type {{service: string, is: object}} */ t) => ({ service: t.service, ...t.is })), silent);
  }

  /** @param {Thing[]} things @param {{service: string, problem: string}[]} silent */
  draw(things, silent) {
    this.drawn = { things, silent };
    if (this.list.matches(':active')) return; // what is being pressed must not go away under the finger
    const { title, none, never, open } = this.kind;
    this.choice.replaceChildren(this.link('/operate', `${things.filter(open).length} open`, !this.all), this.link('/operate?show=all', 'All, with those that are closed', this.all));
    this.note.textContent = [things.length ? '' : this.all ? never : none, ...silent.map((s) => `${title} of ${s.service} are not known: it ${s.problem}.`)].join(' ').trim();
    const focused = document.activeElement?.getAttribute('href');
    this.list.replaceChildren(...things.map((t) => this.item(t)));
    if (focused) /** @type {HTMLElement | null} */ (this.list.querySelector(`a[href="${CSS.escape(focused)}"]`))?.focus({ preventScroll: true });
  }

  /** Draws the same again, when another one is chosen. */
  again() {
    if (this.drawn) this.draw(this.drawn.things, this.drawn.silent);
  }

  /** @param {string} href @param {string} words @param {boolean} current */
  link(href, words, current) {
    return el('a', { href, 'aria-current': current ? 'true' : null }, words);
  }

  /** @param {Thing} t */
  item(t) {
    const name = `${t.service}/${t.id}`;
    const [what, ...more] = this.kind.is(t);
    const choose = (/** @type {MouseEvent} */ e) => {
      e.preventDefault();
      history.replaceState(null, '', /** @type {HTMLAnchorElement} */ (e.currentTarget).href);
      this.kind.show(name);
    };
    return el('li', { 'data-thing': t.id, 'data-open': String(this.kind.open(t)) },
      el('a.which', { href: `/operate?${this.all ? 'show=all&' : ''}${this.kind.one}=${name}`, 'aria-current': name === this.chosen() ? 'true' : null, onclick: choose }, what, ` in ${t.service}`),
      ...more, t.order_id ? el('a', { href: `/order?id=${encodeURIComponent(t.order_id)}` }, `order …${t.order_id.slice(-8)}`) : el('span', {}, 'no order'));
  }
}
