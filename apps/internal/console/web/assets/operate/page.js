// @ts-check
// Incidents and dead letters, how far behind the services are, and whether money and stock add up.

import { ask } from '../api.js';
import { el } from '../dom.js';
import { since } from '../text.js';
import { DeadLetter } from './dead-letter.js';
import { Incident } from './incident.js';
import { invariantsLine } from './invariants.js';
import { lagTables } from './lags.js';
import { List } from './list.js';

/** @typedef {import('./list.js').Item} Item */

/** How often the page asks, in milliseconds, while it is visible. */
const EVERY = 2000;

/** @param {HTMLElement} root */
export async function mount(root) {
  await new Operate(root).open();
}

class Operate {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    const asked = new URLSearchParams(location.search);
    const all = asked.get('show') === 'all';
    const changed = () => this.readLists();
    this.shown = asked.has('letter') ? new DeadLetter(asked.get('letter') ?? '', changed) : new Incident(asked.get('incident') ?? '', changed);
    this.place = el('div.case', {}, this.shown.place);
    const chosen = () => this.shown.name;
    this.incidents = new List({ path: 'incidents', parameter: 'incident', title: 'Incidents', noneOpen: 'No incident is open.', none: 'There was no incident yet.',
      open: (i) => !i.resolved_at, cells: incident, show: (name) => this.show(new Incident(name, changed)) }, all, chosen);
    this.deadLetters = new List({ path: 'dead-letters', parameter: 'letter', title: 'Dead letters', noneOpen: 'No dead letter is open.', none: 'There was no dead letter yet.',
      open: (i) => !i.closed_at, cells: deadLetter, show: (name) => this.show(new DeadLetter(name, changed)) }, all, chosen);
  }

  async open() {
    this.invariants = el('p.invariants', { role: 'status', 'data-is': 'invariants' }, 'Checking whether money and stock add up …');
    this.note = el('p.note', { role: 'status' });
    this.lags = el('div.lags');
    this.root.replaceChildren(el('div.operate', {}, el('h1', {}, 'Operate'), this.invariants, this.note, this.incidents.place, this.deadLetters.place, this.place,
      el('section', { 'aria-label': 'How far behind' }, el('h2', {}, 'How far behind'), this.lags)));
    addEventListener('popstate', () => location.reload());
    await this.read();
    this.watch();
  }

  /** Reads everything again and again, one time after the other. */
  watch() {
    setTimeout(async () => {
      if (!document.hidden) await this.read();
      this.watch();
    }, EVERY);
  }

  /** Reads everything; a part that does not answer leaves the others. */
  async read() {
    await Promise.all([this.readLists(), this.shown.read(),
      ask('GET', '/operate/invariants').then((found) => this.invariants.replaceWith(this.invariants = invariantsLine(found)), () => {}),
      ask('GET', '/operate/lags').then((lags) => this.lags.replaceChildren(...lagTables(lags)), () => {})]);
  }

  async readLists() {
    const lists = await Promise.allSettled([this.incidents.read(), this.deadLetters.read()]);
    const away = lists.some((l) => l.status === 'rejected');
    this.note.textContent = away ? 'The console does not answer. What is shown may be old; it continues by itself when the console is back.' : '';
  }

  /** @param {Incident | DeadLetter} one */
  show(one) {
    this.shown = one;
    this.place.replaceChildren(one.place);
    this.incidents.draw();
    this.deadLetters.draw();
  }
}

/** @param {Item} i */
const incident = (i) => [el('b', {}, i.kind),
  el('span.waits', {}, i.resolved_at ? `✔ resolved: ${i.resolution}` : `! waiting for ${since(i.opened_at)}`), el('span.reason', {}, i.reason)];

/** @param {Item} i */
const deadLetter = (i) => [el('b', {}, i.type || 'a message without a type'),
  el('span.waits', {}, i.closed_at ? `✔ ${i.closed_as}` : `! waiting for ${since(i.first_at)}`), el('span.reason', {}, `${i.reason} (attempt ${i.attempts})`)];
