// @ts-check
// The saga as a machine that can be stepped by hand. It knows nothing but the flow that it is given: who says
// what to whom, and the rules. It changes nothing it is given, so any saga can be kept and returned to.

/** @typedef {{name: string, states: {name: string, word: string}[]}} Service */
/** @typedef {{name: string, said_by: string[], heard_by: string[], backward: boolean, example: object}} EventKind */
/** @typedef {{service: string, hears?: string, by?: string, from: string[], to: string, says?: string[], fails?: string, unless?: string, does: string}} Rule */
/** @typedef {{services: Service[], events: EventKind[], rules: Rule[]}} Flow */

/**
 * An event that was said. `open` are the services that are still to hear it; `real` is its envelope where it was really said.
 * @typedef {{id: number, event: string, from: string, cause: number | null, open: string[], outbox: boolean, late: boolean, real: any}} Message
 */

/**
 * What one press of a button did.
 * @typedef {{label: string, heard: number | null, service: string, said: number[], texts: string[], backward: boolean, kind: string, again?: number | null}} Step
 */

/**
 * @typedef {object} Saga
 * @property {Record<string, string>} rows what each service has stored about the order; '' is nothing
 * @property {Record<string, number | null>} causes which message a row owes its state to
 * @property {Message[]} messages
 * @property {string | null} down the service that has crashed
 * @property {number} number how many steps have been numbered
 * @property {Step[]} steps
 */

/** @param {Flow} flow @returns {Saga} */
export function begin(flow) {
  const rows = Object.fromEntries(flow.services.map((s) => [s.name, '']));
  return { rows, causes: {}, messages: [], down: null, number: 0, steps: [] };
}

/** @param {Flow} flow @param {string} event */
export const kindOf = (flow, event) => /** @type {EventKind} */ (flow.events.find((e) => e.name === event));

/** @param {Saga} saga @param {number | null} id */
export const messageOf = (saga, id) => saga.messages.find((m) => m.id === id);

/** Whether somebody has heard the event and is done with it. @param {Flow} flow @param {Saga} saga @param {string} event */
const settled = (flow, saga, event) => saga.messages.some((m) => m.event === event && !m.outbox && m.open.length < kindOf(flow, event).heard_by.length);

/**
 * The rules that apply when a service hears an event, or when somebody acts upon it.
 * @param {Flow} flow @param {Saga} saga @param {{service?: string, hears?: string, by?: string}} what
 */
export function rulesFor(flow, saga, { service, hears, by }) {
  return flow.rules.filter((r) => (!service || r.service === service) && r.hears === hears && r.by === by &&
    r.from.includes(saga.rows[r.service]) && !(r.unless && settled(flow, saga, r.unless)));
}

/**
 * One local transaction: the row changes, and what the service has to say stands in its outbox, or is on its way.
 * @param {Flow} flow @param {Saga} saga @param {Rule} rule @param {Message | null} heard
 */
export function apply(flow, saga, rule, heard) {
  const next = heard ? hear(saga, heard, rule.service) : structuredClone(saga);
  const cause = heard ? heard.id : rule.by === 'gateway' ? saga.causes[rule.service] ?? null : null;
  next.rows[rule.service] = rule.to || saga.rows[rule.service];
  next.causes[rule.service] = cause;
  for (const event of rule.says ?? []) {
    next.messages.push({ id: next.messages.length + 1, event, from: rule.service, cause,
      open: [...kindOf(flow, event).heard_by], outbox: false, late: false, real: null });
  }
  return next;
}

/** The service is done with the message. @param {Saga} saga @param {Message} message @param {string} service @returns {Saga} */
export function hear(saga, message, service) {
  const next = structuredClone(saga);
  const heard = /** @type {Message} */ (messageOf(next, message.id));
  heard.open = heard.open.filter((s) => s !== service);
  return next;
}

// What the saga looks like.

const undoing = ['InventoryRejected', 'PaymentFailed', 'ShipmentFailed', 'PaymentRefunded', 'PaymentVoided', 'InventoryReleased'];

/** @param {Saga} saga @returns {'In Progress' | 'Succeeded' | 'Compensating' | 'Failed'} */
export function stateOf(saga) {
  if (saga.rows.order === 'CONFIRMED') return 'Succeeded';
  if (saga.rows.order === 'CANCELLED') return 'Failed';
  return saga.messages.some((m) => !m.outbox && undoing.includes(m.event)) ? 'Compensating' : 'In Progress';
}

/** Whether a person has to do something first. @param {Flow} flow @param {Saga} saga */
export function needsAttention(flow, saga) {
  return ['PENDING', 'CANCELLING'].includes(saga.rows.order) && settled(flow, saga, 'IncidentOpened') && !settled(flow, saga, 'IncidentResolved');
}

/** The word that a person reads about a service. @param {Flow} flow @param {Saga} saga @param {string} service */
export function wordOf(flow, saga, service) {
  const row = saga.rows[service];
  const word = flow.services.find((s) => s.name === service)?.states.find((s) => s.name === row)?.word ?? 'Pending';
  const coming = saga.messages.filter((m) => m.open.includes(service) && !m.outbox).map((m) => kindOf(flow, m.event));
  const beforeTheTurn = service === 'inventory' || service === 'payment';
  if (beforeTheTurn && word !== 'Compensated' && (coming.some((k) => k.backward) || (word === 'Committed' && stateOf(saga) === 'Compensating'))) return 'Compensating';
  return word === 'Pending' && coming.length > 0 ? 'Processing' : word;
}
