// @ts-check
// One order: its events in a lane for each service, and the rows that the services have stored.

import { ask } from '../api.js';
import { el, redraw } from '../dom.js';
import { shapes, since, span } from '../text.js';
import { OrderTrace } from '../traces/order.js';
import { follow } from './feed.js';
import { Marks, handledBy, markOf, rowTables } from './rows.js';

/**
 * @typedef {{sequence: number, id: string, cause?: string, service: string, name: string, mark: string, detail: string, at: string, repeated: boolean, message: object}} Event
 * @typedef {{service: string, progress: string, state?: string, reason?: string, attempts: number, problem?: string}} Step
 * @typedef {{status: string, state: string, steps: Step[], incidents: {id: string, service: string, kind: string, reason: string}[], expected?: {service: string, events: string[]}, waiting_for?: {step: string, service: string, since: string, attempts: number, why: string}}} Parts
 */

const lanes = ['order', 'inventory', 'payment', 'shipping'];

/** How often the rows are read, in milliseconds, while the order is in progress and afterwards. */
const [MOVING, RESTING] = [1000, 5000];

const AWAY = 'The console does not answer. What is shown may be old; it continues by itself when the console is back.';

/** Marks of events that compensate; see sagaview.Describe. */
const backwards = ['✗', '↩'];

/** @param {HTMLElement} root */
export async function mount(root) {
  new Order(root, new URLSearchParams(location.search)).open();
}

class Order {
  /** @param {HTMLElement} root @param {URLSearchParams} asked */
  constructor(root, asked) {
    this.root = root;
    this.id = asked.get('id') ?? '';
    this.path = `/sagas/${encodeURIComponent(this.id)}`;
    /** @type {Event[]} */ this.events = [];
    /** @type {Parts | null} */ this.parts = null;
    this.problem = '';
    this.away = false;
    /** The event that is shown, as the address names it; '': always the last one. */
    this.at = location.hash.slice(1);
    this.reading = false;
    /** @type {import('./rows.js').Rows[]} */ this.rows = [];
    this.marks = new Marks();
  }

  open() {
    this.place = el('div.order');
    this.tables = el('div');
    this.trace = new OrderTrace(this.id).place;
    this.handled = el('p.note', { 'data-is': 'handled' });
    this.root.replaceChildren(this.place);
    addEventListener('hashchange', () => { this.at = location.hash.slice(1); this.draw(); });
    document.addEventListener('keydown', (e) => {
      if (e.target instanceof HTMLInputElement || e.ctrlKey || e.altKey || e.metaKey) return;
      if (e.key === 'ArrowLeft') this.step(-1);
      if (e.key === 'ArrowRight') this.step(1);
    });
    follow(this.id, (update) => (update.sagas.length || update.reset || !update.current) && this.read());
    this.draw();
    this.watch();
  }

  /** Reads the rows periodically, more often while something may happen. */
  async watch() {
    if (!document.hidden) await Promise.all([this.readRows(), this.readParts()]);
    setTimeout(() => this.watch(), this.ended ? RESTING : MOVING);
  }

  /** Whether nothing more is expected to happen. */
  get ended() { return this.parts !== null && !this.parts.expected && !this.parts.incidents.length; }

  /** What the order waits for changes without an event. */
  async readParts() {
    if (this.ended || this.reading) return;
    const parts = await ask('GET', `${this.path}/parts`).catch(() => null);
    if (JSON.stringify(parts) === JSON.stringify(this.parts) && !parts?.waiting_for) return;
    this.parts = parts;
    this.draw();
  }

  async readRows() {
    const named = [...new Set(this.events.map((e) => e.id))].map((id) => `event=${id}`).join('&');
    try {
      const { rows, at } = await ask('GET', `${this.path}/rows?${named}`);
      this.answered(true);
      if (this.events.length) {
        const before = this.marks.all.size;
        this.marks.see(rows, Date.parse(at), Date.parse(this.events[0].at), this.ended ? Date.parse(this.events[this.events.length - 1].at) : Infinity);
        if (this.marks.all.size > before) this.draw();
      }
      if (JSON.stringify(rows) === JSON.stringify(this.rows)) return; // a person who reads or scrolls is not disturbed
      this.rows = rows;
      this.tables.replaceChildren(el('h2', {}, 'Rows, each from its own database'), rowTables(rows));
      if (this.events.length) this.drawHandled();
    } catch { this.answered(false); }
  }

  /** @param {boolean} answers whether the console has answered */
  answered(answers) {
    if (this.away === !answers) return;
    this.away = !answers;
    this.draw();
  }

  /** Reads the order, and once more when an update came meanwhile. */
  async read() {
    if (this.reading) { this.stale = true; return; }
    this.reading = true;
    do {
      this.stale = false;
      try {
        this.parts = await ask('GET', `${this.path}/parts`).catch(() => null);
        const { events } = await ask('GET', this.path);
        this.events = events;
        this.problem = events.length ? '' : 'The stream has no event of this order: it keeps them for a day.';
        this.readRows();
      } catch (error) {
        this.problem = /** @type {Error} */ (error).message;
        setTimeout(() => this.read(), MOVING); // what needs no broker is shown meanwhile
      }
      this.draw();
    } while (this.stale);
    this.reading = false;
  }

  /** The event that is shown. */
  get index() {
    const found = this.events.findIndex((e) => named(e) === this.at);
    return found < 0 ? this.events.length - 1 : found;
  }

  /** @param {number} by */
  step(by) { this.look(this.index + by); }

  /** @param {number} index */
  look(index) {
    const event = this.events[Math.max(0, Math.min(index, this.events.length - 1))];
    if (!event) return;
    this.at = named(event);
    history.replaceState(null, '', `/order?id=${this.id}#${this.at}`);
    this.draw();
  }

  followLive() {
    this.at = '';
    history.replaceState(null, '', `/order?id=${this.id}`);
    this.draw();
  }

  draw() {
    const state = this.parts?.state;
    redraw(this.place,
      el('header', {}, el('h1', {}, 'Order'), el('code', {}, this.id), state && el(`span.state.${shapes[state][1]}`, { 'data-is': 'state' }, `${shapes[state][0]} ${state}`)),
      el('p.note', { role: 'status' }, this.problem || (this.away ? AWAY : this.events.length ? `${this.events.length} events` : 'Reading …')),
      ...(this.events.length ? [this.tools(), this.lanes(), this.expected(), this.trace, this.sides()] : this.parts ? [this.expected(), el('section', {}, this.table()), this.trace] : []), this.tables);
  }

  tools() {
    const last = this.events.length - 1;
    return el('div.tools', {},
      el('button', { type: 'button', 'data-does': 'earlier', disabled: this.index <= 0, onclick: () => this.step(-1) }, '← Earlier'),
      el('input', { type: 'range', min: 0, max: last, value: this.index, 'data-does': 'scrub', 'aria-label': 'Event', oninput: (/** @type {InputEvent} */ e) => this.look(Number(/** @type {HTMLInputElement} */ (e.target).value)) }),
      el('button', { type: 'button', 'data-does': 'later', disabled: this.index >= last, onclick: () => this.step(1) }, 'Later →'),
      el('button', { type: 'button', 'data-does': 'follow', 'aria-pressed': String(!this.at), onclick: () => this.followLive() }, 'Follow live'));
  }

  lanes() {
    const began = Date.parse(this.events[0].at);
    const items = [...this.events.map((event, n) => ({ at: Date.parse(event.at), item: this.lane(event, n, began) })), ...this.marks.list.map((m) => ({ at: m.at, item: markOf(m, began, lanes) }))];
    return el('div.scroll', { tabindex: '0', role: 'region', 'aria-label': 'Swim lanes' }, el('ol.lanes', { 'aria-label': 'Events by service, oldest first' },
      el('li.heads', { 'aria-hidden': 'true' }, el('span', {}, 'since'), ...lanes.map((name) => el('span', {}, name))),
      ...items.sort((a, b) => a.at - b.at).map(({ item }) => item)));
  }

  /** @param {Event} event @param {number} n @param {number} began */
  lane(event, n, began) {
    const cause = this.events.find((e) => e.id === event.cause);
    const back = backwards.includes(event.mark);
    const to = lanes.indexOf(event.service), from = cause ? lanes.indexOf(cause.service) : to;
    const way = el('span.way', { 'aria-hidden': 'true' });
    way.style.gridColumn = `${Math.min(from, to) + 2} / ${Math.max(from, to) + 3}`;
    const button = el('button.event', { type: 'button', 'data-does': `event-${event.sequence}`, 'aria-current': n === this.index ? 'true' : null, onclick: () => this.look(n) },
      el('b', {}, `${event.mark} ${event.name}`), el('span', {}, event.detail),
      el('small', {}, cause ? `${event.service}, after ${span(Date.parse(event.at) - Date.parse(cause.at))}` : event.service, event.repeated && ' · duplicate, ignored'));
    button.style.gridColumn = String(to + 2);
    return el(`li${back ? '.back' : '.forth'}${n > this.index ? '.later' : ''}`, { 'data-event': event.name },
      el('span.since', {}, `+${span(Date.parse(event.at) - began)}`), from === to ? null : way, button);
  }

  expected() {
    const next = this.parts?.expected;
    const waits = this.parts?.waiting_for;
    if (waits) return el('p.expected', { 'data-is': 'waiting' }, `Waits for ${waits.step} by ${waits.service} for ${since(waits.since)}${waits.attempts ? `, ${waits.attempts} attempts` : ''}: ${waits.why}.`);
    return el('p.expected', {}, next ? `Expected next: ${next.service} publishes ${next.events.join(' or ')}` : this.parts ? 'Nothing more is expected.' : 'The order service does not answer, so the next event is not known.');
  }

  drawHandled() {
    const event = this.events[this.index];
    const handled = handledBy(this.rows, event.id, event.at);
    this.handled.textContent = handled.length ? `Handled by ${handled.join(', ')}; once, however often it was delivered.` : 'No service that answers has handled it.';
  }

  sides() {
    const event = this.events[this.index];
    this.drawHandled();
    return el('div.sides', {},
      el('section', { 'aria-label': 'State of each service' }, el('h2', {}, 'State of each service'), this.table(),
        ...(this.parts?.incidents ?? []).map((i) => el('p.incident', {}, el('b', {}, `! ${i.kind}`), ` in ${i.service}: ${i.reason}. `, el('a', { href: `/operate?incident=${i.service}/${i.id}` }, 'Repair it')))),
      el('section', {}, el('h2', {}, `${event.name} on the wire`), this.handled, el('pre', { tabindex: '0', 'aria-label': 'Message' }, JSON.stringify(event.message, null, 2))));
  }

  table() {
    if (!this.parts) return el('p', {}, 'The order service does not answer; it collects the states of the others.');
    const rows = [{ service: 'order', progress: '', state: this.parts.status, attempts: 0 }, ...this.parts.steps];
    return el('table', {}, el('thead', {}, el('tr', {}, ...['Service', 'State', 'Part', 'Attempts'].map((h) => el('th', { scope: 'col' }, h)))),
      el('tbody', {}, ...rows.map((/** @type {Step} */ s) => el('tr', { 'data-service': s.service }, el('th', { scope: 'row' }, s.service),
        el('td', {}, s.state ?? 'no row', (s.problem || s.reason) && el('small', {}, s.problem || s.reason)),
        el('td', {}, s.progress && `${shapes[s.progress][0]} ${s.progress}`), el('td', {}, s.attempts ? String(s.attempts) : '')))));
  }
}

/** An event's name in the address: its id, and the place of a repetition. @param {Event} event */
const named = (event) => event.repeated ? `${event.id}.${event.sequence}` : event.id;
