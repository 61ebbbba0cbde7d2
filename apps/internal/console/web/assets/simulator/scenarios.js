// @ts-check
// What is worth seeing, as strings of presses (see play.js). `live` is what makes the same happen to a real order.

/** @typedef {{id: string, title: string, about: string, plays: string, live?: string}} Scenario */

/** @type {Scenario[]} */
export const scenarios = [
  { id: 'success', title: 'Everything goes well', about: 'Reserve, charge, ship: three local transactions, and the order is confirmed.', plays: 'nnnnnn', live: '' },
  { id: 'declined', title: 'The card is declined', about: 'The chapter’s example: payment fails, and inventory compensates its step.', plays: 'nnfnn', live: 'declined' },
  { id: 'out-of-stock', title: 'Out of stock', about: 'The first step fails: there is nothing to compensate.', plays: 'nfn', live: 'stock' },
  { id: 'unshippable', title: 'Cannot be shipped there', about: 'The last step before the pivot fails: the whole chain runs backwards.', plays: 'nnnfnnn', live: 'address' },
  { id: 'refund-refused', title: 'A compensation fails', about: 'The gateway refuses the refund. No program can decide that: an incident is opened, and a person settles it.', plays: 'nnnffnsnnn', live: 'refund' },
  { id: 'cancel', title: 'A cancel in time', about: 'The cancel overtakes the payment: shipping fences the order off, and the undo runs back from there.', plays: 'nnnclnnnnn' },
  { id: 'cancel-too-late', title: 'A cancel too late', about: 'The shipment is the pivot. A cancel after it changes nothing.', plays: 'nnnncnnn' },
  { id: 'cancel-open-charge', title: 'A cancel meets an open charge', about: 'The gateway has not answered yet. Nothing is voided over a call that may have reached it.', plays: 'nnicnnnnn' },
  { id: 'undo-first', title: 'The undo comes first', about: 'OrderCreated is late: the undo overtakes the step, and leaves tombstones that the step then meets.', plays: 'nclnnnnn' },
  { id: 'duplicate', title: 'Everything twice', about: 'Events are delivered at least once. The inbox handles each once.', plays: 'nndndndndnd' },
  { id: 'crash', title: 'A crash between commit and publish', about: 'The charge is stored, and no event is published. The outbox keeps it, and the restarted relay publishes it.', plays: 'nnxnnnn' },
];

/** @param {string | null} id */
export const scenarioOf = (id) => scenarios.find((s) => s.id === id) ?? scenarios[0];
