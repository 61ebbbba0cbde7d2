// @ts-check
// The waterfall on the page of an order.

import { ask } from '../api.js';
import { el } from '../dom.js';
import { Waterfall, legend, took } from './waterfall.js';

/** @typedef {import('./waterfall.js').Trace} Trace */

/** How often the trace is read, in milliseconds, while spans are expected: a process sends them seconds after they were made. */
const [EVERY, LAST] = [2000, 15_000];

export class OrderTrace {
  /** @param {string} order */
  constructor(order) {
    this.path = `/orders/${encodeURIComponent(order)}/trace`;
    this.note = el('p.note', { 'data-is': 'trace' }, 'Reading the trace …');
    this.waterfall = new Waterfall();
    this.chart = el('div', { hidden: true }, legend(), this.waterfall.rows, this.waterfall.details);
    this.place = el('section.trace', { 'aria-label': 'Where the time went' }, el('h2', {}, 'Where the time went'), this.note, this.chart);
    this.until = Infinity;
    this.read();
  }

  async read() {
    if (!document.hidden) {
      try {
        this.draw(await ask('GET', this.path));
      } catch (error) {
        if (this.chart.hidden) this.note.textContent = sentence(/** @type {Error} */ (error).message);
      }
    }
    if (Date.now() < this.until) setTimeout(() => this.read(), EVERY);
  }

  /** @param {Trace} trace */
  draw(trace) {
    if (trace.ended) this.until = Math.min(this.until, Date.now() + LAST); // the last spans are still on their way
    const services = new Set(trace.spans.map((s) => s.service)).size;
    this.note.textContent = [`${took(trace.duration_ns)} over ${services} processes, ${trace.spans.length} spans`, trace.partial && 'recorded from the failure on: the beginning is missing',
      !trace.ended && 'not complete yet', trace.ended && trace.missing > 0 && !trace.partial && 'some spans died with their process'].filter(Boolean).join('; ');
    this.chart.hidden = false;
    this.waterfall.draw(trace);
  }
}

/** @param {string} text */
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`;
