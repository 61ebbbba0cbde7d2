// @ts-check
// What stands around the picture: the saga's state, the event on the arrow, the steps.

import { el } from '../dom.js';
import { title } from '../text.js';
import { kindOf, messageOf, needsAttention, stateOf } from './model.js';

/** @typedef {import('./model.js').Flow} Flow */
/** @typedef {import('./model.js').Saga} Saga */
/** @typedef {import('./model.js').Step} Step */

const shapes = { 'In Progress': '▶', Succeeded: '✓', Compensating: '↩', Failed: '⊘' };
const meanings = {
  'In Progress': 'Each service does its part, one local transaction at a time.',
  Succeeded: 'The order is confirmed. The remaining steps only go forward.',
  Compensating: 'A step has failed or was cancelled: what was done before it is compensated, one step at a time.',
  Failed: 'The order is cancelled, and nothing of its steps stands.',
};

/** The saga as a whole. @param {Flow} flow @param {Saga} saga */
export function statePanel(flow, saga) {
  const state = stateOf(saga);
  const attention = needsAttention(flow, saga);
  return el('div.saga-state', { 'data-state': state },
    el('p.label', {}, 'Saga state'),
    el('p.state', {}, el('span.shape', { 'aria-hidden': 'true' }, shapes[state]), ' ', el('span', { 'data-is': 'saga-state' }, state)),
    el('p.meaning', {}, attention ? 'The saga cannot go on by itself: an incident is open, and a person has to decide.' : saga.steps.length === 0 ? 'Nothing has happened yet.' : meanings[state]),
    attention && el('p.attention', {}, el('span', { 'aria-hidden': 'true' }, '! '), 'Needs attention'));
}

/** What a step did, in a sentence. @param {Saga} saga @param {Step} step */
export function sentence(saga, step) {
  const published = step.published.map((id) => messageOf(saga, id)?.event);
  const consumed = step.consumed !== null && step.kind !== 'duplicate' && step.kind !== 'late' ? `${title(step.service)} consumes ${messageOf(saga, step.consumed)?.event}. ` : '';
  return `${consumed}${step.texts.join('. ')}.${published.length ? ` ${title(step.service)} publishes ${published.join(' and ')}.` : ''}`;
}

/**
 * The steps so far, newest first. @param {Saga} saga
 * @param {((count: number) => void) | null} goTo called with how many steps shall have happened; null where there is no way back
 */
export function stepList(saga, goTo) {
  if (saga.steps.length === 0) return el('p.nothing', {}, 'No step has been taken. “Next step” takes the first one.');
  return el('ol.steps', { reversed: true }, ...saga.steps.map((step, i) => {
    const text = [el('span.number', {}, step.label === '·' ? '–' : step.label), el('span', {}, sentence(saga, step))];
    const current = i === saga.steps.length - 1;
    return el('li', { class: `${step.backward ? 'back' : 'forth'} ${step.kind}`, 'aria-current': current ? 'step' : null },
      goTo ? el('button', { type: 'button', onclick: () => goTo(i + 1) }, ...text) : el('p', {}, ...text));
  }).reverse());
}

/**
 * What travels, and the payload of what is looked at. @param {Flow} flow @param {Saga} saga @param {number | null} active
 * @param {(id: number) => void} look
 */
export function payloadPanel(flow, saga, active, look) {
  const travelling = saga.messages.filter((m) => (m.open.length > 0));
  const message = messageOf(saga, active);
  return el('div.payload', {},
    travelling.length > 1 && el('div.travelling', { role: 'group', 'aria-label': 'Events on their way' }, ...travelling.map((m) =>
      el('button', { type: 'button', 'aria-pressed': String(m.id === active), onclick: () => look(m.id) }, m.event, m.outbox && ' (outbox)', m.late && ' (late)'))),
    message ? payload(flow, message) : el('p.nothing', {}, 'The payload of the active event will stand here.'));
}

/** @param {Flow} flow @param {import('./model.js').Message} message */
function payload(flow, message) {
  const kind = kindOf(flow, message.event);
  const to = message.outbox ? 'waits in the outbox' : message.open.length ? `on its way to ${message.open.join(' and ')}` : kind.consumed_by.length ? `consumed by ${kind.consumed_by.join(' and ')}` : 'no consumer';
  return el('div', {},
    el('p.carries', {}, el('strong', { class: kind.backward ? 'back' : 'forth' }, message.event), ` from ${message.from}, ${to}`),
    el('pre', { tabindex: '0', role: 'region', 'aria-label': `Payload of ${message.event}` }, JSON.stringify(message.real?.data ?? { ...kind.example, ...(message.reason && { reason: message.reason }), ...(message.resolution && { resolution: message.resolution }) }, null, 2)),
    el('p.source', {}, message.real ? `Published as ${message.real.id}` : 'The contract’s example, with the reason of this run'));
}

/** The message to look at when nobody has chosen one. @param {Saga} saga @param {import('./model.js').Message | null | undefined} next */
export function toLookAt(saga, next) {
  const published = saga.steps.findLast((s) => s.published.length > 0)?.published[0];
  return next?.id ?? saga.messages.find((m) => m.outbox)?.id ?? published ?? null;
}
