// @ts-check
// The services' processes: whether they answer, and what can be done to them.

import { ask, sure } from '../hands/ask.js';
import { el } from '../simulator/dom.js';
import { span } from '../sagas/news.js';

/** @typedef {import('./page.js').Picture} Picture @typedef {import('./page.js').Process} Process @typedef {import('./faults.js').Does} Does */

/** @param {Picture} picture @param {Does} does */
export function processes(picture, does) {
  return [el('h2', {}, 'Services'), el('ul', {}, ...picture.processes.map((p) => line(p, does))),
    el('p.hint', {}, 'A paused consumer is delivered nothing: the broker keeps the events, for every replica and beyond restarts, until it goes on or the minute is over.')];
}

/** @param {Process} p @param {Does} does */
function line(p, does) {
  const post = (/** @type {string} */ how) => () => ask('POST', `/api/break/processes/${p.name}/${how}`);
  const button = (/** @type {string} */ name, /** @type {string} */ text, /** @type {() => any} */ onclick, danger = false) => el(danger ? 'button.danger' : 'button',
    { type: 'button', 'data-does': `${name}-${p.name}`, 'aria-label': `${text} ${p.name}`, disabled: !p.answers, onclick }, text);
  return el('li', { 'data-process': p.name, 'data-pid': p.pid },
    el('div', {}, el('b', {}, p.name), ' ', p.answers ? el('span.well', {}, '✔ answers') : el('span.gone', {}, '✖ does not answer'),
      el('small', {}, p.answers && `process ${p.pid}, for ${span(Math.max(0, Date.now() - Date.parse(p.since ?? '')))}`,
        p.paused_for && el('span.waits', { 'data-is': 'paused' }, ` · ⏸ hears nothing for ${p.paused_for}`), p.answers && ` · ${p.waiting} waiting`)),
    p.paused_for
      ? button('resume', 'Go on', () => does(() => ask('DELETE', `/api/break/consumers/${p.service}`), `${p.service} hears again.`))
      : button('pause', 'Pause consumer', () => does(() => ask('PUT', `/api/break/consumers/${p.service}`, { for: '1m' }), `${p.service} hears nothing for a minute.`)),
    button('end', 'Restart', async () => {
      if (await sure(`${p.name} finishes what it has begun, ends, and is started again.`, `Restart ${p.name}`)) does(post('end'), `${p.name} was told to end.`);
    }),
    button('kill', 'Kill', async () => {
      if (await sure(`${p.name} dies at once, in the middle of whatever it does, and is started again.`, `Kill ${p.name}`)) does(post('kill'), `${p.name} was killed.`);
    }, true));
}
