// @ts-check
// The rows about an order in each service's tables and at the gateway.

import { el } from '../dom.js';
import { span } from '../text.js';

/**
 * @typedef {Record<string, any>} Row
 * @typedef {{of: string, problem?: string, since?: string, tables?: {table: string, rows: Row[]}[]}} Rows
 */

const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;

/** @param {Rows[]} all */
export function rowTables(all) {
  return el('div.tables', {}, ...all.map((one) => el('section', { 'data-rows': one.of, 'aria-label': `Rows of ${one.of}` },
    el('h3', {}, one.of), one.problem ? el('p.note', {}, one.problem) : el('div', {}, ...tables(one)))));
}

/** @param {Rows} one */
function tables(one) {
  const filled = (one.tables ?? []).filter((t) => t.rows.length);
  if (!filled.length) return [el('p.note', {}, 'no rows')];
  return filled.map(({ table, rows }) => el('div.rows', { tabindex: '0', role: 'region', 'aria-label': `${one.of}: ${table}`, 'data-table': table },
    rows.length === 1 ? upright(table, rows[0]) : across(table, rows)));
}

/** One row, with a line for each column that has a value. @param {string} table @param {Row} row */
function upright(table, row) {
  return el('table', {}, el('caption', {}, table), el('tbody', {}, ...columns([row]).map((name) =>
    el('tr', {}, el('th', { scope: 'row' }, name), cell(name, row[name])))));
}

/** @param {string} table @param {Row[]} rows */
function across(table, rows) {
  const names = columns(rows);
  return el('table', {}, el('caption', {}, table), el('thead', {}, el('tr', {}, ...names.map((name) => el('th', { scope: 'col' }, name)))),
    el('tbody', {}, ...rows.map((row) => el('tr', {}, ...names.map((name) => cell(name, row[name]))))));
}

/** Columns with a value in at least one row. @param {Row[]} rows */
function columns(rows) {
  return Object.keys(rows[0]).filter((name) => name === PUBLISHED || rows.some((row) => row[name] !== null));
}

/** An event that is committed and not published has no value here, and that matters. */
const PUBLISHED = 'published_at';

/** @param {string} name @param {any} value */
function cell(name, value) {
  const text = typeof value === 'string' ? value : value !== null ? JSON.stringify(value) : name === PUBLISHED ? 'not yet' : '';
  return el('td', { title: text }, short(text));
}

/** Short forms: the end of an id (its beginning is a time), a time without its day, a type without its prefix. @param {string} text */
function short(text) {
  if (uuid.test(text)) return `…${text.slice(-8)}`;
  if (!instant.test(text)) return text.replace(/^saga\./, '');
  const at = new Date(text);
  return `${at.toLocaleTimeString('en-GB')}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}

/**
 * Processes that did not answer, or started, while the order was in progress: marks on the lanes.
 * @typedef {{at: number, service: string, is: 'away' | 'back', text: string}} Mark
 */
export class Marks {
  constructor() {
    /** @type {Map<string, Mark>} */ this.all = new Map();
    /** @type {Set<string>} services that do not answer now */ this.away = new Set();
  }

  /** Adds the marks of an order that lasted from one time to another. @param {Rows[]} rows @param {number} now @param {number} from @param {number} to */
  see(rows, now, from, to) {
    for (const { of, since, problem } of rows) {
      if (of === 'gateway') continue;
      if (problem?.includes('does not answer')) {
        if (!this.away.has(of) && now <= to) this.all.set(`${of} away ${now}`, { at: now, service: of, is: 'away', text: '✝ does not answer' });
        this.away.add(of);
      } else if (since) {
        this.away.delete(of);
        const at = Date.parse(since);
        if (from < at && at <= to) this.all.set(`${of} since ${since}`, { at, service: of, is: 'back', text: '⟲ restarted' });
      }
    }
  }

  /** @returns {Mark[]} oldest first */
  get list() { return [...this.all.values()].sort((a, b) => a.at - b.at); }
}

/** Who has handled an event, and how long after it was created. @param {Rows[]} all @param {string} id @param {string} created */
export function handledBy(all, id, created) {
  return all.flatMap(({ of, tables }) => (tables?.find((t) => t.table === 'inbox')?.rows ?? []).filter((row) => row.event_id === id)
    .map((row) => `${of} after ${span(Date.parse(row.received_at) - Date.parse(created))}`));
}

/** A mark in its lane. @param {Mark} m @param {number} began @param {string[]} lanes */
export function markOf(m, began, lanes) {
  const label = el('span.event', {}, el('b', {}, m.text), el('small', {}, m.service));
  label.style.gridColumn = String(lanes.indexOf(m.service) + 2);
  return el('li.mark', { 'data-mark': `${m.service} ${m.is}` }, el('span.since', {}, `+${span(m.at - began)}`), label);
}
