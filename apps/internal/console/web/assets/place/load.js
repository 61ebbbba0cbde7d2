// @ts-check
// Many orders at a rate, and how long they took.

import { ask, watch } from '../api.js';
import { el, pressed, redraw } from '../dom.js';
import { field, form, number } from '../forms.js';
import { chart, spell } from './chart.js';

/**
 * @typedef {{count: number, p50: number, p95: number, p99: number, bars: {up_to: number, count: number}[]}} Times
 * @typedef {{rate: number, seconds: number, declined: number, running: boolean, placing: boolean, placed: number, refused: number, confirmed: number, cancelled: number, accepted: Times, completed: Times}} Load
 */

export class LoadPanel {
  constructor() {
    this.rate = number(20, { min: 1, max: 200 });
    this.seconds = number(10, { min: 1, max: 60 });
    this.declined = number(10, { min: 0, max: 100 });
    this.start = /** @type {HTMLButtonElement} */ (el('button.main', { 'data-does': 'load' }, 'Start'));
    this.stop = /** @type {HTMLButtonElement} */ (el('button', { type: 'button', 'data-does': 'stop', disabled: true, onclick: () => this.does(() => ask('DELETE', '/place/load')) }, 'Stop'));
    this.note = el('p.note', { role: 'status', 'data-is': 'load' });
    this.result = el('div.forms');
    this.element = el('section', {}, el('h2', {}, 'Many orders'), form(() => this.does(() => this.begin()),
      el('div.row', {}, field('rate', 'Orders a second', this.rate, '1 to 200'), field('seconds', 'For seconds', this.seconds, '1 to 60'), field('declined', 'Declined cards', this.declined, 'of 100')),
      el('p.hint', {}, 'The rate does not depend on earlier orders, and one load runs at a time. Latency counts from when an order was due.'),
      el('div.row', {}, this.start, this.stop)), this.note, this.result);
  }

  open() {
    watch('/place/load/watch', 'message', (load) => this.see(load), (connected) => this.show(connected ? '' : 'The console does not answer; a load ends with it.'));
  }

  begin() {
    return ask('POST', '/place/load', { rate: Number(this.rate.value), seconds: Number(this.seconds.value), declined: Number(this.declined.value) });
  }

  /** @param {() => Promise<any>} what */
  async does(what) {
    try {
      await what();
    } catch (error) {
      this.show(/** @type {Error} */ (error).message, true);
    }
  }

  /** @param {string} text @param {boolean} [wrong] */
  show(text, wrong) {
    if (this.note.textContent !== text) this.note.textContent = text;
    this.note.classList.toggle('problem', Boolean(wrong));
  }

  /** @param {Load | null} load */
  see(load) {
    this.start.disabled = load?.running ?? false;
    this.stop.disabled = !load?.placing;
    if (!load) return;
    this.show(load.placing ? `Placing ${load.rate} orders a second for ${load.seconds} seconds.` : load.running ? 'Waiting for the last orders to end.' : 'The load has ended.');
    const open = load.placed - load.refused - load.confirmed - load.cancelled;
    if (pressed(this.result)) return;
    redraw(this.result,
      el('p.counts', {}, ...Object.entries({ placed: load.placed, refused: load.refused, confirmed: load.confirmed, cancelled: load.cancelled, open })
        .map(([name, n]) => el('span', {}, el('b', { 'data-count': name }, String(n)), ` ${name}`))),
      table(load), chart('Until the order service answered', load.accepted, 'accepted'), chart('Until the order ended', load.completed, 'completed'));
  }
}

/** @param {Load} load */
function table(load) {
  const row = (/** @type {string} */ name, /** @type {Times} */ t) => el('tr', { 'data-times': name }, el('th', { scope: 'row' }, name), ...[t.p50, t.p95, t.p99].map((ms) => el('td', {}, t.count ? spell(ms) : '')));
  return el('table', {}, el('thead', {}, el('tr', {}, ...['Latency', 'p50', 'p95', 'p99'].map((h) => el('th', { scope: 'col' }, h)))),
    el('tbody', {}, row('accepted', load.accepted), row('completed', load.completed)));
}
