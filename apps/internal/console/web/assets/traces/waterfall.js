// @ts-check
// The trace of an order as a waterfall: a row for each span, below the span that it came from.

import { el } from '../dom.js';
import { spell } from '../place/chart.js';

/**
 * @typedef {{span_id: string, parent_id?: string, name: string, kind: string, service: string, instance?: string, start: string, duration_ns: number,
 *   status: string, error?: string, segment?: string, event?: string, attributes?: Record<string, string>, links?: {trace_id: string, span_id: string}[]}} Span
 * @typedef {{order_id: string, trace_id: string, start: string, duration_ns: number, compensated: boolean, error: boolean, partial: boolean, ended: boolean, missing: number, complete: boolean, spans: Span[],
 *   links: {trace_id: string, to_span_id: string, name: string, service: string, duration_ns: number}[]}} Trace
 * @typedef {{span: Span, depth: number, at: number}} Row at: milliseconds after the beginning
 */

/** What the parts of a hop are, with their names in the legend. */
const segments = { outbox: 'waits in the outbox', stream: 'waits in the stream', work: 'work' };

/** How long something took. @param {number} ns */
export const took = (ns) => spell(ns / 1e6);

/** Microseconds, since a Date has milliseconds alone. @param {string} at */
function micros(at) {
  const fraction = /\.(\d+)Z$/.exec(at)?.[1] ?? '';
  return Date.parse(at.replace(/\.\d+Z$/, 'Z')) * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

/** The spans below the ones that they came from, each level by its start. @param {Span[]} spans by their start @returns {Row[]} */
export function rowsOf(spans) {
  const known = new Set(spans.map((s) => s.span_id));
  /** @type {Map<string, Span[]>} */ const below = new Map();
  for (const span of spans) {
    const parent = span.parent_id && known.has(span.parent_id) ? span.parent_id : '';
    below.set(parent, [...below.get(parent) ?? [], span]);
  }
  const began = Math.min(...spans.map((s) => micros(s.start)));
  /** @param {string} parent @param {number} depth @returns {Row[]} */
  const walk = (parent, depth) => (below.get(parent) ?? []).flatMap((span) => [{ span, depth, at: (micros(span.start) - began) / 1000 }, ...walk(span.span_id, depth + 1)]);
  return walk('', 0);
}

/** What is unusual about a span, in words. @param {Span} span */
export function marksOf(span) {
  const of = span.attributes ?? {};
  return [span.status === 'error' && '✖ error', of['ordersaga.redelivered'] === 'true' && `⟲ delivery ${of['ordersaga.delivery.attempt'] ?? ''}`.trimEnd(),
    of['ordersaga.duplicate'] === 'true' && '= duplicate', of['ordersaga.republished'] === 'true' && '↻ republished',
    of['ordersaga.trace.partial'] === 'true' && '… recorded from here on'].filter((mark) => mark !== false);
}

export class Waterfall {
  constructor() {
    this.rows = el('ol.spans', { 'aria-label': 'Spans, each below the one that it came from' });
    this.details = el('div.span', { 'data-is': 'span' });
    /** @type {string} the span that is shown */ this.at = '';
    this.drawn = '';
    this.rows.addEventListener('keydown', (e) => this.key(e));
  }

  /** @param {Trace} trace */
  draw(trace) {
    const text = JSON.stringify(trace);
    if (text === this.drawn) return; // a person who reads is not disturbed
    this.drawn = text;
    this.trace = trace;
    const rows = rowsOf(trace.spans);
    const whole = Math.max(...rows.map((row) => row.at + row.span.duration_ns / 1e6), 0.001);
    const focused = this.rows.contains(document.activeElement);
    if (!rows.some((row) => row.span.span_id === this.at)) this.at = rows[0]?.span.span_id ?? '';
    this.rows.replaceChildren(...rows.map((row) => this.row(row, whole)));
    this.show(this.at, focused);
  }

  /** @param {Row} row @param {number} whole in milliseconds */
  row({ span, depth, at }, whole) {
    const bar = el(`i.bar${span.segment ? `.${span.segment}` : ''}${span.status === 'error' ? '.failed' : ''}`);
    bar.style.marginInlineStart = `${at / whole * 100}%`;
    bar.style.width = `${span.duration_ns / 1e6 / whole * 100}%`;
    const name = el('span.name', {}, el('b', {}, span.name), el('small', {}, [span.service, span.segment, ...marksOf(span)].filter(Boolean).join(' · ')));
    name.style.setProperty('--depth', String(Math.min(depth, 8)));
    return el('li', {}, el('button', {
      type: 'button', tabindex: '-1', 'data-does': `span-${span.span_id}`, 'data-span': span.span_id, 'data-service': span.service, 'data-segment': span.segment, onclick: () => this.show(span.span_id, true),
    }, name, el('span.track', { 'aria-hidden': 'true' }, bar), el('span.took', {}, took(span.duration_ns))));
  }

  /** Shows a span below the rows. @param {string} id @param {boolean} focus */
  show(id, focus) {
    this.at = id;
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (this.rows.querySelectorAll('button'))) {
      const chosen = button.dataset.span === id;
      button.tabIndex = chosen ? 0 : -1;
      if (chosen) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
      if (chosen && focus) button.focus({ preventScroll: false });
    }
    const span = this.trace?.spans.find((s) => s.span_id === id);
    if (span) this.details.replaceChildren(...this.about(span));
  }

  /** @param {Span} span */
  about(span) {
    const trace = /** @type {Trace} */ (this.trace);
    const linked = trace.links.filter((l) => l.to_span_id === span.span_id);
    const facts = [['service', [span.service, span.instance].filter(Boolean).join(', ')], ['began', `${took((micros(span.start) - micros(trace.start)) * 1000)} after the beginning`], ['took', took(span.duration_ns)],
      ['part', span.segment && segments[/** @type {keyof typeof segments} */ (span.segment)]], ['event', span.event], ['error', span.status === 'error' && (span.error || 'without a description')],
      ...linked.map((l) => ['linked with', `${l.name || 'another trace'} of ${l.service}, ${took(l.duration_ns)}, in a trace of its own`]), ...Object.entries(span.attributes ?? {})];
    return [el('h3', {}, span.name), el('dl', {}, ...facts.filter(([, value]) => value).flatMap(([name, value]) => [el('dt', {}, String(name)), el('dd', {}, String(value))]))];
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    const buttons = /** @type {HTMLElement[]} */ ([...this.rows.querySelectorAll('button')]);
    const n = buttons.findIndex((b) => b.dataset.span === this.at);
    const to = { ArrowDown: n + 1, ArrowUp: n - 1, Home: 0, End: buttons.length - 1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    this.show(buttons[Math.max(0, Math.min(to, buttons.length - 1))]?.dataset.span ?? '', true);
  }
}

/** What the bars look like. */
export const legend = () => el('ul.legend', { 'aria-label': 'Parts of each hop' }, ...Object.entries(segments).map(([segment, title]) => el('li', {}, el(`i.bar.${segment}`, { 'aria-hidden': 'true' }), title)));
