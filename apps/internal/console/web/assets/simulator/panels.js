// @ts-check
// What stands around the picture: how the saga is, what is on the arrow, what has happened.

import { el } from './dom.js';
import { kindOf, messageOf, needsAttention, stateOf } from './model.js';

/** @typedef {import('./model.js').Flow} Flow */
/** @typedef {import('./model.js').Saga} Saga */
/** @typedef {import('./model.js').Step} Step */

const shapes = { 'In Progress': '▶', Succeeded: '✓', Compensating: '↩', Failed: '⊘' };
const meanings = {
  'In Progress': 'Each service does its part, one local transaction at a time.',
  Succeeded: 'The order is confirmed. What is left only goes forward.',
  Compensating: 'A step has failed or was cancelled: what was done is being undone, step by step.',
  Failed: 'The order is cancelled, and everything that was done is undone.',
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
  const said = step.said.map((id) => messageOf(saga, id)?.event);
  const heard = step.heard !== null && step.kind !== 'duplicate' && step.kind !== 'late' ? `${title(step.service)} hears ${messageOf(saga, step.heard)?.event}. ` : '';
  return `${heard}${step.texts.join('. ')}.${said.length ? ` ${title(step.service)} publishes ${said.join(' and ')}.` : ''}`;
}

const title = (/** @type {string} */ service) => service[0].toUpperCase() + service.slice(1);

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
  const to = message.outbox ? 'waits in the outbox' : message.open.length ? `on its way to ${message.open.join(' and ')}` : kind.heard_by.length ? `heard by ${kind.heard_by.join(' and ')}` : 'for whoever watches';
  return el('div', {},
    el('p.carries', {}, el('strong', { class: kind.backward ? 'back' : 'forth' }, message.event), ` from ${message.from}, ${to}`),
    el('pre', { tabindex: '0', role: 'region', 'aria-label': `Payload of ${message.event}` }, JSON.stringify(message.real?.data ?? kind.example, null, 2)),
    el('p.source', {}, message.real ? `Published as ${message.real.id}` : 'The example of the contract'));
}

/** The message to look at when nobody has chosen one. @param {Saga} saga @param {import('./model.js').Message | null | undefined} next */
export function toLookAt(saga, next) {
  const said = saga.steps.findLast((s) => s.said.length > 0)?.said[0];
  return next?.id ?? saga.messages.find((m) => m.outbox)?.id ?? said ?? null;
}
