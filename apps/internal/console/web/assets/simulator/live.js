// @ts-check
// A real order, stepped by hand. The events come from the services; the model explains them.

import { ask, watch } from '../api.js';
import { begin, messageOf } from './model.js';
import { nameOf } from './follow.js';
import { possible, step, upNext } from './play.js';

/** @typedef {import('./model.js').Flow} Flow */
/** @typedef {import('./model.js').Saga} Saga */
/** @typedef {import('./follow.js').Real} Real */

/**
 * The saga after an event was really published: the fewest presses that publish it. null when none do.
 * @param {Flow} flow @param {Saga} saga @param {Real} real @returns {Saga | null}
 */
export function explain(flow, saga, real) {
  const { event, from } = nameOf(real.type);
  const known = saga.messages.find((m) => m.event === event && m.from === from && (m.real === null || m.real.id === real.id));
  if (known) return { ...saga, messages: saga.messages.map((m) => (m === known ? { ...m, real } : m)) };
  const presses = 'nfcilrs';
  for (let edge = [saga], depth = 0; depth < 4; depth++) {
    edge = edge.flatMap((s) => [...presses].filter((p) => p in possible(flow, s)).map((p) => step(flow, s, p)));
    const found = edge.find((s) => s.steps.at(-1)?.published.some((id) => messageOf(s, id)?.event === event && messageOf(s, id)?.from === from));
    if (found) return explain(flow, found, real);
  }
  return null;
}

/** The saga after all that was published. @param {Flow} flow @param {Real[]} events */
export function explainAll(flow, events) {
  let saga = /** @type {Saga} */ (begin(flow));
  for (const real of events) {
    const next = explain(flow, saga, real);
    if (!next) return { saga, stuck: real };
    saga = next;
  }
  return { saga, stuck: null };
}

/** What a new order must be placed with, by how it is to fail. @type {Record<string, string>} */
const endings = { 'out of stock': 'stock', 'card declined': 'declined', 'cannot be shipped there': 'address', 'refund refused': 'refund' };

/** A real order and how far it is. */
export class Live {
  /** @param {Flow} flow @param {() => void} changed called whenever there is something new to show */
  constructor(flow, changed) {
    this.flow = flow;
    this.changed = changed;
    this.waiting = /** @type {Set<() => any>} */ (new Set());
    this.forget();
  }

  forget() {
    this.leave?.();
    this.leave = /** @type {(() => void) | null} */ (null);
    this.order = '';
    this.saga = begin(this.flow);
    this.holding = /** @type {string[]} */ ([]);
    this.quiet = /** @type {string[]} */ ([]); // services that were released and publish nothing
    this.seen = 0;
    this.problem = '';
    this.note = '';
  }

  /** Whether real orders can be stepped here. @returns {Promise<{live: boolean, why?: string}>} */
  static able() {
    return ask('GET', '/simulator/').catch((error) => ({ live: false, why: error.message }));
  }

  /** @param {string} ending what shall become of it */
  async place(ending) {
    this.forget();
    this.attach((await ask('POST', '/simulator/orders', { ending })).order_id);
  }

  /** @param {string} order */
  attach(order) {
    this.order = order;
    this.leave = watch(`/simulator/orders/${encodeURIComponent(order)}/watch`, 'message', (picture) => this.take(picture),
      (connected) => connected || this.report('The console does not answer; reconnecting.'));
  }

  /** @param {{holding: string[], events: Real[]}} seen */
  take({ holding, events }) {
    this.problem = '';
    this.holding = holding;
    for (const real of events.slice(this.seen)) {
      const next = explain(this.flow, this.saga, real);
      if (!next) return this.report(`The model does not know how ${nameOf(real.type).event} could be published now.`);
      this.saga = next;
      this.seen++;
    }
    this.settle();
    this.changed();
    for (const check of [...this.waiting]) check();
  }

  /** A step without an event is known to have happened when its service was released and holds nothing any more. */
  settle() {
    for (let next = upNext(this.flow, this.saga); next && this.quiet.includes(next.service) && !this.holding.includes(next.service); next = upNext(this.flow, this.saga)) {
      const after = step(this.flow, this.saga, 'n');
      if (after.steps.at(-1)?.published.length) return;
      this.saga = after;
    }
  }

  /** The service whose turn it is, if it is held there. */
  get turn() {
    const next = upNext(this.flow, this.saga)?.service;
    return next && this.holding.includes(next) ? next : this.holding[0] ?? null;
  }

  /** Whether the service whose turn it is will publish: only then can it crash before that. */
  get publishes() {
    const next = upNext(this.flow, this.saga);
    return this.turn !== null && next?.service === this.turn && step(this.flow, this.saga, 'n').steps.at(-1)?.published.length !== 0;
  }

  /** How the step that is held now can be made to fail: by another order from the beginning, by a crash, or not at all. */
  get failure() {
    if (this.turn === null) return '';
    const ending = endings[possible(this.flow, this.saga).f];
    const repeat = ending && !this.saga.messages.some((m) => m.event === 'OrderCancelRequested'); // a new order would not be cancelled there
    return repeat ? ending : this.publishes ? 'crash' : '';
  }

  /**
   * What was decided when this order was placed cannot be changed any more. So another one that will fail at this step is
   * placed and stepped to this point; this one is released. @param {string} ending @param {(text: string) => void} report
   */
  async replay(ending, report) {
    const [old, steps] = [this.order, this.saga.steps.filter((s) => s.consumed !== null).length];
    report('Placing an order that will fail at this step, and stepping it to this point …');
    await this.release();
    await this.place(ending);
    for (let done = 0; done <= steps; done++) {
      await this.until(() => this.turn !== null && this.saga.steps.filter((s) => s.consumed !== null).length >= done);
      await this.step();
    }
    this.note = `It was placed to fail here; ${old} was released.`;
  }

  /** @param {() => boolean} holds */
  until(holds) {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('The order does not reach this step.')), 30_000);
      const check = () => holds() && (clearTimeout(late), this.waiting.delete(check), resolve(null));
      this.waiting.add(check);
      check();
    });
  }

  /** @param {boolean} [crash] whether the service is to crash before it can publish */
  async step(crash = false) {
    const service = this.turn;
    if (!service) return;
    await ask('POST', `/simulator/orders/${this.order}/step`, { service, crash });
    this.quiet = [service];
    this.holding = this.holding.filter((s) => s !== service); // the next picture shows it, too
    this.settle();
  }

  async cancel() {
    await ask('POST', `/simulator/orders/${this.order}/cancel`);
  }

  async release() {
    if (this.order) await ask('DELETE', `/simulator/orders/${this.order}`);
  }

  /** @param {string} problem */
  report(problem) {
    this.problem = problem;
    this.changed();
  }
}
