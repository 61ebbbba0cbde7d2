// @ts-check
// The services' processes: whether they answer, and how to pause, restart and kill them.

import { ask } from '../api.js';
import { el } from '../dom.js';
import { sure } from '../forms.js';
import { since } from '../text.js';

/** @typedef {import('./page.js').Picture} Picture @typedef {import('./page.js').Process} Process @typedef {import('./faults.js').Does} Does */

/** @param {Picture} picture @param {Does} does */
export function processes(picture, does) {
  return [el('h2', {}, 'Services'), el('ul', {}, ...picture.processes.map((p) => line(p, does))),
    el('p.hint', {}, 'The broker delivers nothing to a paused consumer, of any replica and also after restarts. It keeps the events until the consumer is resumed or the minute is over.')];
}

/** @param {Process} p @param {Does} does */
function line(p, does) {
  const post = (/** @type {string} */ how) => () => ask('POST', `/break/processes/${p.name}/${how}`);
  const button = (/** @type {string} */ name, /** @type {string} */ text, /** @type {() => any} */ onclick, danger = false) => el(danger ? 'button.danger' : 'button',
    { type: 'button', 'data-does': `${name}-${p.name}`, 'aria-label': `${text} ${p.name}`, disabled: !p.answers, onclick }, text);
  return el('li', { 'data-process': p.name, 'data-pid': p.pid },
    el('div', {}, el('b', {}, p.name), ' ', p.answers ? el('span.well', {}, '✔ answers') : el('span.gone', {}, '✖ does not answer'),
      el('small', {}, p.answers && `process ${p.pid}, for ${since(p.since ?? '')}`,
        p.paused_for && el('span.waits', { 'data-is': 'paused' }, ` · ⏸ consumes nothing for ${p.paused_for}`), p.answers && ` · ${p.waiting} waiting`)),
    p.paused_for
      ? button('resume', 'Resume', () => does(() => ask('DELETE', `/break/consumers/${p.service}`), `${p.service} consumes.`))
      : button('pause', 'Pause consumer', () => does(() => ask('PUT', `/break/consumers/${p.service}`, { for: '1m' }), `${p.service} consumes nothing for a minute.`)),
    button('end', 'Restart', async () => {
      if (await sure(`${p.name} finishes its work, ends, and is restarted.`, `Restart ${p.name}`)) does(post('end'), `${p.name} got SIGTERM.`);
    }),
    button('kill', 'Kill', async () => {
      if (await sure(`${p.name} dies at once, in the middle of its work, and is restarted.`, `Kill ${p.name}`)) does(post('kill'), `${p.name} was killed.`);
    }, true));
}
