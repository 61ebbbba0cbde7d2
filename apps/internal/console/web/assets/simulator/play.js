// @ts-check
// Playing a saga: each letter is one press of a button, so a saga is a string, and every step has an address.

import { title } from '../text.js';
import { apply, begin, consume, kindOf, messageOf, needsAttention, rulesFor } from './model.js';

/** @typedef {import('./model.js').Flow} Flow */
/** @typedef {import('./model.js').Saga} Saga */
/** @typedef {import('./model.js').Rule} Rule */
/** @typedef {import('./model.js').Message} Message */

export const NEXT = 'n';
export const FAIL = 'f';
export const CRASH = 'x'; // between the commit and what follows it
export const SLOW = 'i'; // the gateway takes its time
export const REDELIVER = 'd';
export const LATE = 'l';
export const CANCEL = 'c';
export const RETRY = 'r';
export const SETTLE = 's';

/** The saga after all presses. @param {Flow} flow @param {string} presses @returns {Saga} */
export function play(flow, presses) {
  return [...presses].reduce((saga, press) => step(flow, saga, press), begin(flow));
}

/** What the next step is about, or null when there is none. @param {Flow} flow @param {Saga} saga
 * @returns {{kind: 'restart' | 'person' | 'gateway' | 'deliver', service: string, message: Message | null} | null} */
export function upNext(flow, saga) {
  if (saga.down) return { kind: 'restart', service: saga.down, message: null };
  if (saga.rows.order === '') return { kind: 'person', service: 'order', message: null };
  const travelling = saga.messages.filter((m) => m.open.length > 0 && !m.outbox);
  const deliver = (/** @type {Message | undefined} */ m) => m && { kind: /** @type {'deliver'} */ ('deliver'), service: m.open[0], message: m };
  const called = rulesFor(flow, saga, { by: 'gateway' })[0];
  const gateway = called && { kind: /** @type {'gateway'} */ ('gateway'), service: called.service, message: null };
  return deliver(travelling.find((m) => !m.late)) ?? gateway ?? deliver(travelling[0]) ?? null;
}

/**
 * What can be pressed now, and what it would do.
 * @param {Flow} flow @param {Saga} saga @returns {Record<string, string>}
 */
export function possible(flow, saga) {
  const next = upNext(flow, saga);
  /** @type {Record<string, string>} */
  const can = {};
  const person = (/** @type {string} */ by) => rulesFor(flow, saga, { by }).length > 0;
  if (next) can[NEXT] = next.message ? `${title(next.service)} consumes ${next.message.event}` : { restart: `${title(next.service)} restarts`, person: 'A customer places an order', gateway: 'The gateway answers', deliver: '' }[next.kind];
  if (next && next.kind !== 'restart') {
    const failure = failing(flow, saga);
    can[FAIL] = failure ? /** @type {string} */ (failure.fails) : `${title(next.service)} crashes`;
    can[CRASH] = `${title(next.service)} commits, and crashes before it publishes`;
  }
  if (next?.message && !next.message.late && saga.messages.some((m) => m !== next.message && m.open.length > 0 && !m.late)) can[LATE] = `${next.message.event} is late: others arrive first`;
  if (next?.message?.event === 'InventoryReserved') can[SLOW] = 'The gateway takes its time to answer';
  if (!saga.down && lastConsumed(saga)) can[REDELIVER] = `${lastConsumed(saga)?.event} is redelivered`;
  if (!saga.down && saga.rows.order === 'PENDING' && person('customer')) can[CANCEL] = 'The customer cancels';
  if (needsAttention(flow, saga) && person('operator')) {
    can[RETRY] = 'An operator retries the refund';
    can[SETTLE] = 'An operator returns the money by other means';
  }
  return can;
}

/** One press. What is not possible now changes nothing. @param {Flow} flow @param {Saga} saga @param {string} press @returns {Saga} */
export function step(flow, saga, press) {
  if (!(press in possible(flow, saga))) return saga;
  const next = upNext(flow, saga);
  if (press === REDELIVER) return redeliver(saga);
  if (press === LATE) return late(saga, /** @type {Message} */ (next?.message));
  if (press === CANCEL) return act(flow, saga, rulesFor(flow, saga, { by: 'customer' })[0]);
  if (press === SETTLE || press === RETRY) return operate(flow, saga, press);
  if (!next) return saga;
  if (next.kind === 'restart') return restart(saga);
  const failure = press === FAIL ? failing(flow, saga) : null;
  const crash = press === CRASH || (press === FAIL && !failure);
  return advance(flow, saga, { ...next, failure, crash, slow: press === SLOW });
}

/** The message that was consumed last. @param {Saga} saga */
function lastConsumed(saga) {
  const step = saga.steps.findLast((s) => s.consumed !== null && s.kind !== 'late');
  return step && messageOf(saga, step.consumed);
}

/** How the next step can fail, if it can. @param {Flow} flow @param {Saga} saga @returns {Rule | null} */
function failing(flow, saga) {
  const next = upNext(flow, saga);
  if (!next || next.kind === 'person') return null;
  const rules = next.message ? rulesFor(flow, saga, { service: next.service, consumes: next.message.event }) : [];
  const here = rules.find((r) => r.fails);
  if (here || (next.message && !rules[0])) return here ?? null;
  const after = rules[0] ? apply(flow, saga, rules[0], next.message) : saga;
  return rulesFor(flow, after, { service: next.service, by: 'gateway' }).find((r) => r.fails) ?? null;
}

/**
 * A service consumes a message, or a call of its has been answered; then it goes on as far as it can by itself.
 * @param {Flow} flow @param {Saga} saga
 * @param {{service: string, message: Message | null, kind: string, failure: Rule | null, crash: boolean, slow: boolean}} how
 */
function advance(flow, saga, { service, message, kind, failure, crash, slow }) {
  /** @type {Rule[]} */
  const applied = [];
  const choose = (/** @type {Rule[]} */ rules) => rules.find((r) => r === failure) ?? rules.find((r) => !r.fails);
  let after = message ? consume(saga, message, service) : saga;
  const first = message ? choose(rulesFor(flow, saga, { service, consumes: message.event })) : kind === 'person' ? rulesFor(flow, saga, { by: 'customer' })[0] : undefined;
  if (first) {
    after = apply(flow, saga, first, message);
    applied.push(first);
  }
  const calls = kind === 'gateway' || (!!first && !slow && answers(flow, saga, service).length === 0); // a call that is under way is not repeated
  for (let call = choose(answers(flow, after, service)); call && calls; call = choose(answers(flow, after, service))) {
    after = apply(flow, after, call, null);
    applied.push(call);
    if (call === failure) break;
  }
  return noted(flow, saga, after, { service, message, applied, crash });
}

/** @param {Flow} flow @param {Saga} saga @param {string} service */
const answers = (flow, saga, service) => rulesFor(flow, saga, { service, by: 'gateway' });

/** Somebody acts. @param {Flow} flow @param {Saga} saga @param {Rule} rule */
const act = (flow, saga, rule) => noted(flow, saga, apply(flow, saga, rule, null), { service: rule.service, message: null, applied: [rule], crash: false });

/** @param {Flow} flow @param {Saga} saga @param {string} press */
function operate(flow, saga, press) {
  const rule = /** @type {Rule} */ (rulesFor(flow, saga, { by: 'operator' }).find((r) => (press === SETTLE) === (r.to === 'SETTLED')));
  return act(flow, saga, rule);
}

/**
 * Writes the step down, with its number as in the chapter: on from the last one, with an a on the way back.
 * @param {Flow} flow @param {Saga} before @param {Saga} after
 * @param {{service: string, message: Message | null, applied: Rule[], crash: boolean}} what
 */
function noted(flow, before, after, { service, message, applied, crash }) {
  const published = after.messages.slice(before.messages.length);
  const backward = applied.some((r) => r.fails) || published.some((m) => kindOf(flow, m.event).backward) || (!!message && kindOf(flow, message.event).backward);
  const texts = applied.map((r) => r.does);
  if (applied.length === 0) texts.push(`${title(service)} has a row that already covers ${message?.event}: nothing changes, nothing is published`);
  const next = { ...after, steps: [...before.steps] };
  if (crash) {
    next.down = service;
    next.messages = next.messages.map((m) => (published.includes(m) ? { ...m, outbox: true } : m));
    texts.push(published.length ? `${title(service)} crashes right after the commit: ${published.map((m) => m.event).join(' and ')} waits in the outbox` : `${title(service)} crashes right after the commit, before it could acknowledge`);
  }
  if (applied.length > 0) next.number = before.number + 1;
  next.steps.push({ label: applied.length ? `${next.number}${backward ? 'a' : ''}` : '·', consumed: message?.id ?? null, service,
    published: crash ? [] : published.map((m) => m.id), texts, backward, redelivered: crash && message && !applied.some((r) => r.by) ? message.id : null, kind: crash ? 'crash' : applied.some((r) => r.fails) ? 'failure' : 'step' });
  return next;
}

/** A service comes back: its relay publishes what the outbox kept. @param {Saga} saga @returns {Saga} */
function restart(saga) {
  const service = /** @type {string} */ (saga.down);
  const kept = saga.messages.filter((m) => m.outbox);
  const repeated = messageOf(saga, saga.steps.at(-1)?.redelivered ?? null);
  const texts = [`${title(service)} restarts`];
  if (kept.length) texts.push(`its relay publishes ${kept.map((m) => m.event).join(' and ')} from the outbox`);
  if (repeated) texts.push(`${repeated.event} was not acknowledged and is redelivered; the inbox ignores it`);
  const step = { label: '·', consumed: null, service, published: kept.map((m) => m.id), texts, backward: false, kind: 'restart' };
  const messages = saga.messages.map((m) => ({ ...m, outbox: false }));
  return { ...saga, down: null, messages, steps: [...saga.steps, step] };
}

/** A message is redelivered. @param {Saga} saga @returns {Saga} */
function redeliver(saga) {
  const message = /** @type {Message} */ (lastConsumed(saga));
  const service = /** @type {string} */ (saga.steps.findLast((s) => s.consumed === message.id)?.service);
  const texts = [`${message.event} is redelivered`, `${title(service)}'s inbox knows its id: duplicate ignored`];
  return { ...saga, steps: [...saga.steps, { label: '·', consumed: message.id, service, published: [], texts, backward: false, kind: 'duplicate' }] };
}

/** Other messages overtake a message. @param {Saga} saga @param {Message} message @returns {Saga} */
function late(saga, message) {
  const texts = [`${message.event} is late`, 'other events arrive first'];
  const messages = saga.messages.map((m) => (m.id === message.id ? { ...m, late: true } : m));
  return { ...saga, messages, steps: [...saga.steps, { label: '·', consumed: message.id, service: message.open[0], published: [], texts, backward: false, kind: 'late' }] };
}
