// @ts-check
// The saga as a machine that can be stepped by hand. It knows only the flow that it is given: who publishes and consumes
// what, and the rules. It changes none of its arguments, so any saga can be kept and returned to.

/** @typedef {{name: string, states: {name: string, word: string}[]}} Service */
/** @typedef {{name: string, published_by: string[], consumed_by: string[], backward: boolean, example: object}} EventKind */
/** @typedef {{service: string, consumes?: string, by?: string, from: string[], to: string, publishes?: string[], fails?: string, unless?: string, does: string}} Rule */
/** @typedef {{services: Service[], events: EventKind[], rules: Rule[]}} Flow */

/**
 * An event of the saga. `open` are the services that have not consumed it; `real` is its envelope where it was really published.
 * @typedef {{id: number, event: string, from: string, cause: number | null, open: string[], outbox: boolean, late: boolean, reason?: string, resolution?: string, real: any}} Message
 */

/**
 * What one press of a button did.
 * @typedef {{label: string, consumed: number | null, service: string, published: number[], texts: string[], backward: boolean, kind: string, redelivered?: number | null}} Step
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

/** Whether somebody has consumed the event and is done with it. @param {Flow} flow @param {Saga} saga @param {string} event */
const settled = (flow, saga, event) => saga.messages.some((m) => m.event === event && !m.outbox && m.open.length < kindOf(flow, event).consumed_by.length);

/**
 * The rules that apply when a service consumes an event, or when somebody acts upon it.
 * @param {Flow} flow @param {Saga} saga @param {{service?: string, consumes?: string, by?: string}} what
 */
export function rulesFor(flow, saga, { service, consumes, by }) {
  return flow.rules.filter((r) => (!service || r.service === service) && r.consumes === consumes && r.by === by &&
    r.from.includes(saga.rows[r.service]) && !(r.unless && settled(flow, saga, r.unless)));
}

/**
 * One local transaction: the row changes, and the service's events stand in its outbox, or are on their way.
 * @param {Flow} flow @param {Saga} saga @param {Rule} rule @param {Message | null} consumed
 */
export function apply(flow, saga, rule, consumed) {
  const next = consumed ? consume(saga, consumed, rule.service) : structuredClone(saga);
  const cause = consumed ? consumed.id : rule.by === 'gateway' ? saga.causes[rule.service] ?? null : null;
  next.rows[rule.service] = rule.to || saga.rows[rule.service];
  next.causes[rule.service] = cause;
  for (const event of rule.publishes ?? []) {
    next.messages.push({ id: next.messages.length + 1, event, from: rule.service, cause, reason: reasonOf(flow, next, event, cause), ...(event === 'IncidentResolved' && { resolution: rule.to }),
      open: [...kindOf(flow, event).consumed_by], outbox: false, late: false, real: null });
  }
  return next;
}

/** The events that undo, which carry the reason of what they were published for. */
const passesOn = ['ShipmentFailed', 'PaymentRefunded', 'PaymentVoided', 'InventoryReleased', 'OrderCancelled'];

/**
 * The reason that the event carries in this run: its cause's, and the contract's example where a failure begins. Of a cancel
 * shipping publishes "cancelled"; the order knows who asked for it.
 * @param {Flow} flow @param {Saga} saga @param {string} event @param {number | null} cause @returns {string | undefined}
 */
function reasonOf(flow, saga, event, cause) {
  const before = messageOf(saga, cause) ?? saga.messages.find((m) => m.event === 'ShipmentFailed'); // an operator's decision has no cause
  const inherited = passesOn.includes(event) ? before?.reason : undefined;
  if (event === 'ShipmentFailed' && before?.event === 'OrderCancelRequested') return 'cancelled';
  if (event === 'OrderCancelled' && inherited === 'cancelled') return saga.messages.find((m) => m.event === 'OrderCancelRequested')?.reason ?? inherited;
  return inherited ?? /** @type {{reason?: string}} */ (kindOf(flow, event).example).reason;
}

/** The service is done with the message. @param {Saga} saga @param {Message} message @param {string} service @returns {Saga} */
export function consume(saga, message, service) {
  const next = structuredClone(saga);
  const consumed = /** @type {Message} */ (messageOf(next, message.id));
  consumed.open = consumed.open.filter((s) => s !== service);
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

/** The word for a service's state. @param {Flow} flow @param {Saga} saga @param {string} service */
export function wordOf(flow, saga, service) {
  const row = saga.rows[service];
  const word = flow.services.find((s) => s.name === service)?.states.find((s) => s.name === row)?.word ?? 'Pending';
  const coming = saga.messages.filter((m) => m.open.includes(service) && !m.outbox).map((m) => kindOf(flow, m.event));
  const beforeTheTurn = service === 'inventory' || service === 'payment';
  if (beforeTheTurn && !['Compensated', 'Not done'].includes(word) && (coming.some((k) => k.backward) || (word === 'Committed' && stateOf(saga) === 'Compensating'))) return 'Compensating';
  return word === 'Pending' && coming.length > 0 ? 'Processing' : word;
}
