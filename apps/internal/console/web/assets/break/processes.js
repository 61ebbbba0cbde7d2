// @ts-check
// The services' processes: whether they answer, and how to pause, restart and kill them.

import { ask } from '../api.js';
import { el } from '../dom.js';
import { sure } from '../forms.js';
import { since } from '../text.js';

/** @typedef {import('./page.js').Picture} Picture @typedef {import('./page.js').Process} Process @typedef {import('./faults.js').Does} Does */

/** For so long a killed service stays away when that is asked for. */
const AWAY = '10s';

/** @param {Picture} picture @param {(process: string) => Does} doesTo @param {(process: string) => HTMLElement | null} noteOf what has become of the last thing done to a process */
export function processes(picture, doesTo, noteOf) {
  return [el('h2', {}, 'Services'), el('ul', {}, ...picture.processes.map((p) => line(p, doesTo(p.name), noteOf(p.name)))),
    el('p.hint', {}, 'The broker delivers nothing to a paused consumer, of any replica and also after restarts. It keeps the events until the consumer is resumed or the minute is over.')];
}

/** @param {Process} p @param {Does} does @param {HTMLElement | null} note */
function line(p, does, note) {
  const post = (/** @type {string} */ how, /** @type {object} */ body = undefined) => () => ask('POST', `/break/processes/${p.name}/${how}`, body);
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
    }, true),
    button('kill-away', `Kill for ${AWAY.replace('s', ' s')}`, async () => {
      if (await sure(`${p.name} dies at once, in the middle of its work, and stays away for 10 seconds.`, `Kill ${p.name}`)) does(post('kill', { for: AWAY }), `${p.name} was killed, and stays away for 10 seconds.`);
    }, true), note);
}
