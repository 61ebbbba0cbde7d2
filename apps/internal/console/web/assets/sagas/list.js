// @ts-check
// The sagas that the page has, newest first, and the views of them.

import { byCustomer, ended, stuck } from './feed.js';

/** @typedef {import('./feed.js').Row} Row @typedef {import('./feed.js').Update} Update */

/** What can be shown, in the order of the buttons. @type {Record<string, {title: string, holds: (row: Row, now: number) => boolean}>} */
export const views = {
  all: { title: 'All', holds: () => true },
  open: { title: 'In progress', holds: (row) => row.state === 'In Progress' },
  undoing: { title: 'Compensating', holds: (row) => row.state === 'Compensating' },
  succeeded: { title: 'Succeeded', holds: (row) => row.state === 'Succeeded' },
  failed: { title: 'Failed', holds: (row) => row.state === 'Failed' && !byCustomer(row) },
  cancelled: { title: 'Cancelled by the customer', holds: byCustomer },
  stuck: { title: 'Stuck', holds: stuck },
  attention: { title: 'Needs a person', holds: (row) => row.incidents > 0 && !ended(row) },
};

/** As many as the console keeps; the oldest are dropped first. */
const MOST = 20_000;

export class SagaList {
  constructor() {
    /** @type {Map<string, Row>} */ this.byOrder = new Map();
    /** @type {Row[]} newest first */ this.list = [];
  }

  /** @param {Update} update */
  add(update) {
    if (update.reset) { this.byOrder.clear(); this.list = []; }
    let sort = false;
    for (const row of update.sagas) {
      const known = this.byOrder.get(row.order);
      if (known) Object.assign(known, row);
      else { this.byOrder.set(row.order, row); this.list.push(row); sort = true; }
    }
    if (sort) this.list.sort((a, b) => b.first - a.first);
    for (const row of this.list.splice(MOST)) this.byOrder.delete(row.order);
  }

  /** @param {string} view @param {string} search @param {number} now */
  chosen(view, search, now) {
    const wanted = search.toLowerCase().split(/\s+/).filter(Boolean);
    const { holds } = views[view] ?? views.all;
    return this.list.filter((row) => holds(row, now) && wanted.every((w) => `${row.order} ${row.what} ${row.why ?? ''} ${row.step} ${row.state}`.toLowerCase().includes(w)));
  }

  /** How many there are in each view. @param {number} now */
  counts(now) {
    return Object.fromEntries(Object.entries(views).map(([name, { holds }]) => [name, this.list.reduce((n, row) => n + (holds(row, now) ? 1 : 0), 0)]));
  }
}
