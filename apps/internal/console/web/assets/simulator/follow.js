// @ts-check
// Follows the published events of a real order. Services also take steps without an event, so a real order can be in
// one of several sagas of the model; all of them are kept until an event decides. When none is left, the model and the
// system disagree.

import { apply, begin, consume, rulesFor } from './model.js';

/** @typedef {import('./model.js').Flow} Flow */
/** @typedef {import('./model.js').Saga} Saga */

/** An event as it was published. @typedef {{id: string, type: string, causationid?: string, data?: any}} Real */

/** "saga.order.OrderCreated.v1" is OrderCreated, from order. @param {string} type */
export const nameOf = (type) => ({ event: type.split('.')[2], from: type.split('.')[1] });

/**
 * Every saga in which exactly these events can have been published, in this order. @param {Flow} flow @param {Real[]} events
 * @returns {{sagas: Saga[], stuck: Real | null}} the event that none could explain, with the sagas before it
 */
export function follow(flow, events) {
  let sagas = [begin(flow)];
  for (const real of events) {
    const next = observe(flow, sagas, real);
    if (next.length === 0) return { sagas, stuck: real };
    sagas = next;
  }
  return { sagas, stuck: null };
}

/** The sagas that can have published the event next. @param {Flow} flow @param {Saga[]} sagas @param {Real} real */
export function observe(flow, sagas, real) {
  const { event, from } = nameOf(real.type);
  return distinct([...sagas, ...silently(flow, sagas), ...publishing(flow, sagas)]
    .map((saga) => matched(saga, event, from, real)).filter((saga) => saga !== null));
}

/** The saga with the message that the real event is, if it has published it. @param {Saga} saga @param {string} event @param {string} from @param {Real} real */
function matched(saga, event, from, real) {
  const of = (/** @type {number | null} */ id) => saga.messages.find((m) => m.id === id);
  const found = saga.messages.find((m) => m.real === null && m.event === event && m.from === from &&
    (!real.causationid || m.cause === null || of(m.cause)?.real?.id === real.causationid));
  if (!found) return null;
  return { ...saga, messages: saga.messages.map((m) => (m === found ? { ...m, real } : m)) };
}

/** Everything that can happen without an event. @param {Flow} flow @param {Saga[]} sagas @returns {Saga[]} */
export function silently(flow, sagas) {
  /** @type {Map<string, Saga>} */
  const reached = new Map();
  for (let edge = sagas; edge.length > 0; ) {
    edge = edge.flatMap((saga) => after(flow, saga).filter((next) => next.messages.length === saga.messages.length && !reached.has(key(next))));
    for (const saga of edge) reached.set(key(saga), saga);
  }
  return [...reached.values()];
}

/** Everything that can be published next. @param {Flow} flow @param {Saga[]} sagas @returns {Saga[]} */
function publishing(flow, sagas) {
  return [...sagas, ...silently(flow, sagas)].flatMap((saga) => after(flow, saga).filter((next) => next.messages.length > saga.messages.length));
}

/**
 * Every saga that can come after this one: whatever is on its way arrives, and whoever can act does.
 * What was not seen on the stream yet is delivered to nobody. @param {Flow} flow @param {Saga} saga @param {boolean} [unseen] whether it does
 * @returns {Saga[]}
 */
export function after(flow, saga, unseen = false) {
  const acts = ['customer', 'gateway', 'operator'].flatMap((by) => rulesFor(flow, saga, { by }).map((rule) => apply(flow, saga, rule, null)));
  const consumed = saga.messages.filter((m) => unseen || m.real !== null).flatMap((message) => message.open.flatMap((service) => {
    const rules = rulesFor(flow, saga, { service, consumes: message.event });
    return rules.length > 0 ? rules.map((rule) => apply(flow, saga, rule, message)) : [consume(saga, message, service)];
  }));
  return [...acts, ...consumed];
}

/** @param {Saga[]} sagas */
const distinct = (sagas) => [...new Map(sagas.map((saga) => [key(saga), saga])).values()];

/** What makes two sagas the same. @param {Saga} saga */
export const key = (saga) => JSON.stringify([saga.rows, saga.causes, saga.messages.map((m) => [m.event, m.from, m.cause, m.open, m.real?.id])]);
