// @ts-check
// Faults at points of the code: one is armed, what is armed is shown, and what has fired.

import { now } from '../clock.js';
import { ask } from '../api.js';
import { el } from '../dom.js';
import { choice, field, form, number, text } from '../forms.js';
import { span } from '../text.js';

/** @typedef {import('./page.js').Point} Point @typedef {import('./page.js').Picture} Picture @typedef {import('./page.js').Fault} Fault */
/** @typedef {(what: () => Promise<any>, done: string) => void} Does */

const services = { order: 'order', inventory: 'inventory', payment: 'payment', shipping: 'shipping', notification: 'notification' };
const kinds = {
  crash: 'crash: the process dies there, as by SIGKILL', error: 'error: the step fails, and is retried', delay: 'delay: it takes longer',
  duplicate: 'duplicate: it is done, or delivered, twice', hold: 'hold: everything waits there, until cleared',
};

export class FaultForm {
  /** @param {Point[]} points @param {Does} does */
  constructor(points, does) {
    const asked = new URLSearchParams(location.search);
    this.points = points;
    this.service = choice(services, { onchange: () => this.fill() });
    this.point = choice([], { onchange: () => this.explain() });
    this.kind = choice(kinds, { onchange: () => this.explain() });
    this.delay = field('delay', 'Milliseconds', number(500, { min: 1 }));
    this.order = text({ value: asked.get('order') ?? '', placeholder: 'any: whichever comes next' });
    this.times = number(1, { min: 0 });
    this.percent = number(100, { min: 1, max: 100 });
    this.lasts = choice({ '1m': '1 minute', '5m': '5 minutes', '15m': '15 minutes' });
    this.sentence = el('p.hint', { 'data-is': 'sentence', 'aria-live': 'polite' });
    this.element = el('section', {}, el('h2', {}, 'A fault at a point'), form(() => does(() => this.arm(), 'Armed.'),
      el('div.row', {}, field('service', 'Service', this.service), field('point', 'Point', this.point)), this.sentence,
      el('div.row', {}, field('kind', 'What happens there', this.kind), this.delay),
      field('order', 'To the order', this.order, 'An order’s id, for that one alone.'),
      el('div.row', {}, field('times', 'Times', this.times, '0: every time'), field('percent', 'Of 100 cases', this.percent), field('for', 'Expires after', this.lasts)),
      el('button.main', { 'data-does': 'arm' }, 'Arm')));
    for (const [name, select] of Object.entries({ service: this.service, point: this.point, kind: this.kind })) {
      if (asked.get(name)) select.value = asked.get(name) ?? '';
      if (name === 'service') this.fill();
    }
    this.explain();
  }

  /** The points that the chosen service passes. */
  fill() {
    const before = this.point.value;
    this.point.replaceChildren(...this.points.filter((p) => !p.services || p.services.includes(this.service.value)).map((p) => el('option', { value: p.point }, p.point)));
    if ([...this.point.options].some((o) => o.value === before)) this.point.value = before;
    this.explain();
  }

  explain() {
    this.sentence.textContent = this.points.find((p) => p.point === this.point.value)?.sentence ?? '';
    this.delay.hidden = this.kind.value !== 'delay';
  }

  arm() {
    const fault = { point: this.point.value, kind: this.kind.value, order: this.order.value.trim(), times: Number(this.times.value), percent: Number(this.percent.value), for: this.lasts.value };
    const delay = `${/** @type {HTMLInputElement} */ (this.delay.querySelector('input')).value}ms`;
    return ask('POST', '/break/faults', { service: this.service.value, fault: fault.kind === 'delay' ? { ...fault, delay } : fault });
  }
}

/** @param {Picture} picture @param {Does} does */
export function armed(picture, does) {
  const all = picture.processes.flatMap((p) => p.faults.map((fault) => ({ process: p.name, fault })));
  const active = all.filter(({ fault }) => !spent(fault)).length;
  return [el('h2', {}, 'Armed', el('span.badge', { 'data-is': 'armed', 'data-count': active }, String(active)),
    all.length > 0 && el('button', { type: 'button', 'data-does': 'clear-all', onclick: () => does(() => ask('DELETE', '/break/faults'), 'Nothing is armed any more.') }, 'Clear all')),
  all.length ? el('ul', { 'aria-label': 'Armed faults' }, ...all.map(({ process, fault }) => line(process, fault, does))) : el('p.hint', {}, 'Nothing is armed. A process that dies loses its armed faults.')];
}

/** @param {Fault} fault */
const spent = (fault) => fault.times > 0 && fault.fired >= fault.times;

/** @param {string} process @param {Fault} fault @param {Does} does */
function line(process, fault, does) {
  const left = fault.for ? Date.parse(fault.since) + milliseconds(fault.for) - now() : 0;
  const often = fault.times === 0 ? 'every time' : fault.times === 1 ? 'once' : `${fault.times} times`;
  const share = fault.percent && fault.percent < 100 ? `, in ${fault.percent} of 100 cases` : '';
  return el('li', { 'data-fault': fault.point },
    el('div', {}, el('b', {}, `${fault.kind}${fault.delay ? ` of ${fault.delay}` : ''} at ${fault.point}`), ` in ${process}, ${often}${share}${fault.order ? `, to order ${fault.order}` : ''}`,
      el('small', {}, `${fault.hits} hits, ${fault.fired} fired${spent(fault) ? ': done' : ''}${fault.holding ? `, ${fault.holding} waiting there` : ''}${left > 0 ? `; expires in ${span(Math.ceil(left / 1000) * 1000)}` : ''}`)),
    el('button', { type: 'button', 'data-does': `clear-${process}-${fault.id}`, 'aria-label': `Clear ${fault.kind} at ${fault.point} in ${process}`,
      onclick: () => does(() => ask('DELETE', `/break/faults/${process}/${fault.id}`), 'Cleared.') }, 'Clear'));
}

/** Go's way to write a duration. @param {string} text */
export function milliseconds(text) {
  const units = /** @type {Record<string, number>} */ ({ h: 3_600_000, m: 60_000, s: 1000, ms: 1 });
  return [...text.matchAll(/([\d.]+)(ms|h|m|s)/g)].reduce((sum, [, n, unit]) => sum + Number(n) * units[unit], 0);
}

/** What has fired, the newest first. It outlives the killed process where that keeps a log. @param {Picture} picture */
export function fired(picture) {
  const all = picture.processes.flatMap((p) => p.fired.map((f) => ({ ...f, process: p.name }))).sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  return [el('h2', {}, 'Fired', el('span.badge', { 'data-is': 'fired', 'data-count': all.length }, String(all.length))),
    all.length ? el('ul', { 'aria-label': 'Faults that fired, newest first' }, ...all.slice(0, 8).map((f) => el('li', { 'data-fired': f.point },
      el('b', {}, `${f.kind} at ${f.point}`), ` in ${f.process}, process ${f.pid}`,
      el('small', {}, new Date(f.at).toLocaleTimeString(), f.order && el('span', {}, ', order ', el('a', { href: `/order?id=${f.order}` }, f.order)))))) : el('p.hint', {}, 'Nothing has fired yet.')];
}
