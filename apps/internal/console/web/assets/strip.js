// @ts-check
// The strip on every page: each process and the broker, red while it does not answer.

import { ask } from './api.js';
import { now } from './clock.js';
import { el, redraw } from './dom.js';
import { span } from './text.js';

/** @typedef {{name: string, answers: boolean, since: string, away_ms?: number, waiting: number}} Process */

/** How often the strip asks, and when it takes the console for dead, in milliseconds. It holds no stream open: a browser has few connections. */
const [EVERY, SILENCE] = [300, 5000];
/** For so long a process that is back shows how long it was away, in milliseconds. */
const BACK = 15_000;

/** @param {Element} place where the strip stands */
export function strip(place) {
  const list = el('ul', { 'aria-label': 'Processes' });
  const announced = el('p.skip', { role: 'status' });
  place.append(el('section.strip', { 'aria-label': 'What runs' }, list, announced));
  /** @type {Process[]} */ let processes = [];
  let connected = true;
  const draw = () => redraw(list, ...(connected ? processes.map(item) : [el('li.away', {}, '✖ the console does not answer')]));
  const read = async () => {
    try {
      const all = await ask('GET', '/processes', undefined, undefined, SILENCE);
      const changed = difference(processes, all);
      if (changed) announced.textContent = changed;
      [processes, connected] = [all, true];
    } catch {
      connected = false;
    }
    draw();
  };
  const again = async () => {
    if (!document.hidden) await read();
    setTimeout(again, EVERY);
  };
  again();
}

/** @param {Process} p */
function item(p) {
  const age = Math.max(0, now() - Date.parse(p.since));
  const back = p.answers && p.away_ms !== undefined && age < BACK;
  const chip = el(`li.${p.answers ? 'well' : 'away'}`, { 'data-runs': p.name, 'data-answers': String(p.answers) },
    el('b', {}, `${p.answers ? '✔' : '✖'} ${p.name}`), !p.answers && ` away for ${span(Math.floor(age / 1000) * 1000)}`,
    p.waiting > 0 && el('span', { 'data-is': 'waiting' }, `, ${p.waiting === 1 ? '1 order waits' : `${p.waiting} orders wait`} for it`),
    back && el('span', { 'data-is': 'back' }, ` back after ${span(p.away_ms ?? 0)}`));
  chip.setAttribute('title', chip.textContent ?? ''); // what a narrow chip cuts off
  return chip;
}

/** What has changed, for those who do not see it. @param {Process[]} before @param {Process[]} after */
function difference(before, after) {
  const was = new Map(before.map((p) => [p.name, p.answers]));
  return after.filter((p) => was.get(p.name) === !p.answers).map((p) => `${p.name} ${p.answers ? 'answers again' : 'does not answer'}.`).join(' ');
}
