// @ts-check
// How long many things took, as bars. Each bar's bound is about 1.5 times the one before.

import { el, svg } from '../dom.js';

/** @typedef {import('./load.js').Times} Times */

const WIDTH = 600, HEIGHT = 160, BOTTOM = 20, TOP = 16;

/** @param {string} title @param {Times} times @param {string} name */
export function chart(title, times, name) {
  const wide = WIDTH / times.bars.length, most = Math.max(1, ...times.bars.map((b) => b.count));
  const bars = times.bars.map((bar, n) => {
    const high = bar.count / most * (HEIGHT - BOTTOM - TOP);
    return bar.count > 0 && svg(`rect.${name}`, { x: n * wide + 1, y: HEIGHT - BOTTOM - Math.max(high, 1.5), width: wide - 2, height: Math.max(high, 1.5) });
  });
  const names = times.bars.map((bar, n) => n % 3 === 2 && bar.up_to > 0 && svg('text', { x: (n + 1) * wide, y: HEIGHT - 5, 'text-anchor': 'middle' }, bar.up_to < 1000 ? `${bar.up_to} ms` : `${bar.up_to / 1000} s`));
  const marks = times.count === 0 ? [] : [['p50', times.p50], ['p95', times.p95], ['p99', times.p99]].flatMap(([mark, ms], n) => {
    const x = place(times, Number(ms)) * wide;
    return [svg('line.mark', { x1: x, x2: x, y1: TOP + n * 11 - 8, y2: HEIGHT - BOTTOM }), svg('text.mark-name', { x: x + 3, y: TOP + n * 11 }, String(mark))];
  });
  const summary = times.count ? `${times.count} orders: half within ${spell(times.p50)}, 95 of 100 within ${spell(times.p95)}, 99 of 100 within ${spell(times.p99)}` : 'nothing yet';
  return el('figure', { 'data-chart': name }, el('figcaption', {}, title),
    svg('svg.chart', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${title}, ${summary}` }, ...bars, ...marks,
      svg('line', { x1: 0, x2: WIDTH, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }), ...names));
}

/** Where a time stands among the bars. @param {Times} times @param {number} ms */
function place(times, ms) {
  const n = times.bars.findIndex((bar) => bar.up_to >= ms || bar.up_to === 0);
  const from = n > 0 ? times.bars[n - 1].up_to : 0, to = times.bars[n].up_to || from * 2;
  return n + Math.min(1, (ms - from) / (to - from));
}

/** @param {number} ms */
export const spell = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);
