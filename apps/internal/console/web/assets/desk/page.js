// @ts-check
// What needs a person, and whether money and stock add up.

import { el } from '../simulator/dom.js';
import { span } from '../sagas/news.js';
import { ask } from './ask.js';
import { booksLine } from './books.js';
import { Incident } from './incident.js';
import { lagTables } from './lags.js';
import { Letter } from './letter.js';
import { Things } from './things.js';

/** @typedef {import('./things.js').Thing} Thing */

/** How often the page asks, in milliseconds, while it is looked at. */
const EVERY = 2000;

/** @param {HTMLElement} root */
export async function mount(root) {
  await new Desk(root).open();
}

class Desk {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    const asked = new URLSearchParams(location.search);
    const all = asked.get('show') === 'all';
    const changed = () => this.readThings();
    this.shown = asked.has('letter') ? new Letter(asked.get('letter') ?? '', changed) : new Incident(asked.get('incident') ?? '', changed);
    this.place = el('div.case', {}, this.shown.place);
    const chosen = () => this.shown.name;
    this.incidents = new Things({ things: 'incidents', one: 'incident', title: 'Incidents', none: 'No service needs a person.', never: 'There never was an incident.',
      open: (t) => !t.resolved_at, is: incident, show: (name) => this.show(new Incident(name, changed)) }, all, chosen);
    this.letters = new Things({ things: 'dead-letters', one: 'letter', title: 'Dead letters', none: 'No message is parked.', never: 'No message ever was parked.',
      open: (t) => !t.closed_at, is: letter, show: (name) => this.show(new Letter(name, changed)) }, all, chosen);
  }

  async open() {
    this.books = el('p.books', { role: 'status', 'data-is': 'books' }, 'Checking whether money and stock add up …');
    this.note = el('p.note', { role: 'status' });
    this.lags = el('div.lags');
    this.root.replaceChildren(el('div.desk', {}, el('h1', {}, 'Operate'), this.books, this.note, this.incidents.place, this.letters.place, this.place,
      el('section', { 'aria-label': 'How far behind' }, el('h2', {}, 'How far behind'), this.lags)));
    addEventListener('popstate', () => location.reload());
    await this.read();
    setInterval(() => document.hidden || this.read(), EVERY);
  }

  /** Reads everything; a part that does not answer keeps the others from nothing. */
  async read() {
    await Promise.all([this.readThings(), this.shown.read(),
      ask('/api/operate/books').then((books) => this.books.replaceWith(this.books = booksLine(books)), () => {}),
      ask('/api/operate/lags').then((lags) => this.lags.replaceChildren(...lagTables(lags)), () => {})]);
  }

  async readThings() {
    const asked = await Promise.allSettled([this.incidents.read(), this.letters.read()]);
    const away = asked.some((a) => a.status === 'rejected');
    this.note.textContent = away ? 'The console does not answer. What is shown may be old; it goes on by itself when the console is back.' : '';
  }

  /** @param {Incident | Letter} one */
  show(one) {
    this.shown = one;
    this.place.replaceChildren(one.place);
    this.incidents.again();
    this.letters.again();
  }
}

/** @param {Thing} t */
const incident = (t) => [el('b', {}, t.kind),
  el('span.waits', {}, t.resolved_at ? `✔ resolved: ${t.resolution}` : `! waiting for ${span(Date.now() - Date.parse(t.opened_at))}`), el('span.reason', {}, t.reason)];

/** @param {Thing} t */
const letter = (t) => [el('b', {}, t.type || 'a message of no type'),
  el('span.waits', {}, t.closed_at ? `✔ ${t.closed_as}` : `! waiting for ${span(Date.now() - Date.parse(t.first_at))}`), el('span.reason', {}, `${t.reason} (attempt ${t.attempts})`)];
