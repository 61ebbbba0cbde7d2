// @ts-check
// One order: who said what when, in a lane for each service, as far as the page is told to look.

import { el } from '../simulator/dom.js';
import { Marks, heardBy, keptBy, markOf } from './kept.js';
import { listen, shapes, span } from './news.js';

/**
 * @typedef {{sequence: number, id: string, cause?: string, service: string, name: string, mark: string, detail: string, at: string, repeated: boolean, message: object}} Event
 * @typedef {{service: string, progress: string, state?: string, reason?: string, attempts: number, problem?: string}} Step
 * @typedef {{status: string, state: string, steps: Step[], incidents: {id: string, service: string, kind: string, reason: string}[], expected?: {service: string, events: string[]}}} Parts
 */

const lanes = ['order', 'inventory', 'payment', 'shipping'];

/** How often the rows are looked at in milliseconds, while the order goes on and afterwards. */
const [MOVING, RESTING] = [1000, 5000];

/** Marks of events that take something back; see timeline.Describe. */
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
    /** @type {Event[]} */ this.events = [];
    /** @type {Parts | null} */ this.parts = null;
    this.problem = '';
    /** The event that is looked at, as the address names it; '': the last one, whatever comes. */
    this.at = location.hash.slice(1);
    this.reading = false;
    /** @type {import('./kept.js').Rows[]} */ this.kept = [];
    this.marks = new Marks();
  }

  open() {
    this.place = el('div.order');
    this.tables = el('div');
    this.heard = el('p.note', { 'data-is': 'heard' });
    this.root.replaceChildren(this.place);
    addEventListener('hashchange', () => { this.at = location.hash.slice(1); this.draw(); });
    document.addEventListener('keydown', (e) => {
      if (e.target instanceof HTMLInputElement || e.ctrlKey || e.altKey || e.metaKey) return;
      if (e.key === 'ArrowLeft') this.step(-1);
      if (e.key === 'ArrowRight') this.step(1);
    });
    listen(this.id, (news) => (news.sagas.length || news.reset) && this.read(), () => {});
    this.draw();
    this.watch();
  }

  /** Looks at the rows again and again: often while something may happen. */
  async watch() {
    if (!document.hidden) await this.readRows();
    setTimeout(() => this.watch(), this.ended ? RESTING : MOVING);
  }

  /** Whether nothing more is expected to happen. */
  get ended() { return this.parts !== null && !this.parts.expected && !this.parts.incidents.length; }

  async readRows() {
    const named = [...new Set(this.events.map((e) => e.id))].map((id) => `event=${id}`).join('&');
    try {
      const { rows, at, detail } = await ask(`/api/sagas/${encodeURIComponent(this.id)}/rows?${named}`);
      if (detail || !this.events.length) return;
      const before = this.marks.all.size;
      this.marks.see(rows, Date.parse(at), Date.parse(this.events[0].at), this.ended ? Date.parse(this.events[this.events.length - 1].at) : Infinity);
      if (this.marks.all.size > before) this.draw();
      if (JSON.stringify(rows) === JSON.stringify(this.kept)) return; // whoever reads or scrolls is not disturbed
      this.kept = rows;
      this.tables.replaceChildren(el('h2', {}, 'Rows, each from its own database'), keptBy(rows));
      this.drawHeard();
    } catch { /* the lanes say that the console does not answer */ }
  }

  /** Reads the order again, and once more when something came meanwhile. */
  async read() {
    if (this.reading) { this.again = true; return; }
    this.reading = true;
    do {
      this.again = false;
      try {
        const [events, parts] = await Promise.all([ask(`/api/sagas/${encodeURIComponent(this.id)}`), ask(`/api/sagas/${encodeURIComponent(this.id)}/parts`)]);
        if (events.detail) this.problem = events.detail;
        else [this.events, this.problem] = [events.events, events.events.length ? '' : 'The stream has no event of this order: it keeps them for a day.'];
        this.parts = parts.detail ? null : parts;
        this.readRows();
      } catch {
        this.problem = 'The console does not answer. What is shown may be old.';
      }
      this.draw();
    } while (this.again);
    this.reading = false;
  }

  /** Which event is looked at. */
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

  follow() {
    this.at = '';
    history.replaceState(null, '', `/order?id=${this.id}`);
    this.draw();
  }

  draw() {
    const doing = document.activeElement?.getAttribute('data-does');
    const state = this.parts?.state;
    this.place.replaceChildren(
      el('header', {}, el('h1', {}, 'Order'), el('code', {}, this.id), state && el(`span.state.${shapes[state][1]}`, { 'data-is': 'state' }, `${shapes[state][0]} ${state}`)),
      el('p.note', { role: 'status' }, this.problem || (this.events.length ? `${this.events.length} events` : 'Reading …')),
      ...(this.events.length ? [this.tools(), this.lanes(), this.expected(), this.sides(), this.tables] : []));
    if (doing) /** @type {HTMLElement | null} */ (this.place.querySelector(`[data-does="${CSS.escape(doing)}"]`))?.focus({ preventScroll: true });
  }

  tools() {
    const last = this.events.length - 1;
    return el('div.tools', {},
      el('button', { type: 'button', 'data-does': 'earlier', disabled: this.index <= 0, onclick: () => this.step(-1) }, '← Earlier'),
      el('input', { type: 'range', min: 0, max: last, value: this.index, 'data-does': 'scrub', 'aria-label': 'Event', oninput: (/** @type {InputEvent} */ e) => this.look(Number(/** @type {HTMLInputElement} */ (e.target).value)) }),
      el('button', { type: 'button', 'data-does': 'later', disabled: this.index >= last, onclick: () => this.step(1) }, 'Later →'),
      el('button', { type: 'button', 'data-does': 'follow', 'aria-pressed': String(!this.at), onclick: () => this.follow() }, 'Follow live'));
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
      el('small', {}, cause ? `${event.service}, after ${span(Date.parse(event.at) - Date.parse(cause.at))}` : event.service, event.repeated && ' · repeated, ignored'));
    button.style.gridColumn = String(to + 2);
    return el(`li${back ? '.back' : '.forth'}${n > this.index ? '.later' : ''}`, { 'data-event': event.name },
      el('span.since', {}, `+${span(Date.parse(event.at) - began)}`), from === to ? null : way, button);
  }

  expected() {
    const next = this.parts?.expected;
    return el('p.expected', {}, next ? `Expected next: ${next.service} says ${next.events.join(' or ')}` : this.parts ? 'Nothing more is expected.' : 'The order service does not answer, so what comes next is not known.');
  }

  drawHeard() {
    const event = this.events[this.index];
    const heard = heardBy(this.kept, event.id, event.at);
    this.heard.textContent = heard.length ? `Heard by ${heard.join(', ')}; once, however often it was delivered.` : 'Nobody has heard it, as far as the services tell.';
  }

  sides() {
    const event = this.events[this.index];
    this.drawHeard();
    return el('div.sides', {},
      el('section', { 'aria-label': 'What each service has' }, el('h2', {}, 'What each service has'), this.table(),
        ...(this.parts?.incidents ?? []).map((i) => el('p.incident', {}, el('b', {}, `! ${i.kind}`), ` in ${i.service}: ${i.reason}. `, el('a', { href: `/operate?incident=${i.service}/${i.id}` }, 'Repair it')))),
      el('section', {}, el('h2', {}, `${event.name} on the wire`), this.heard, el('pre', { tabindex: '0', 'aria-label': 'Message' }, JSON.stringify(event.message, null, 2))));
  }

  table() {
    if (!this.parts) return el('p', {}, 'The order service does not answer; it would have asked the others.');
    const rows = [{ service: 'order', progress: '', state: this.parts.status, attempts: 0 }, ...this.parts.steps];
    return el('table', {}, el('thead', {}, el('tr', {}, ...['Service', 'State', 'Part', 'Attempts'].map((h) => el('th', { scope: 'col' }, h)))),
      el('tbody', {}, ...rows.map((/** @type {Step} */ s) => el('tr', { 'data-service': s.service }, el('th', { scope: 'row' }, s.service),
        el('td', {}, s.state ?? 'no row', (s.problem || s.reason) && el('small', {}, s.problem || s.reason)),
        el('td', {}, s.progress && `${shapes[s.progress][0]} ${s.progress}`), el('td', {}, s.attempts ? String(s.attempts) : '')))));
  }
}

/** An event's name in the address: its id, and the place of a repetition. @param {Event} event */
const named = (event) => event.repeated ? `${event.id}.${event.sequence}` : event.id;

/** @param {string} path */
async function ask(path) {
  return (await fetch(path)).json();
}
