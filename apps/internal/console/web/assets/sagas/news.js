// @ts-check
// What the console tells about sagas, as long as the page is open. The browser comes back by itself when the
// connection is lost, and says where it was; so a page goes on with a console that was started anew.

/**
 * @typedef {{order: string, first: number, last: number, state: string, step: string, what: string,
 *   services: Record<string, string>, incidents: number, began: string, at: string}} Row
 * @typedef {{reset: boolean, reading: boolean, more: boolean, sagas: Row[], to: number}} News
 */

/** After so long without a word a saga that has not ended counts as stuck. A step takes milliseconds. */
export const STUCK_AFTER = 10_000;

/** The returned function ends it. @param {string} order one order's id, or '' for all @param {(news: News) => void} hear @param {(connected: boolean) => void} connected */
export function listen(order, hear, connected) {
  const source = new EventSource('/api/sagas/stream' + (order ? `?order=${encodeURIComponent(order)}` : ''));
  source.addEventListener('sagas', (e) => hear(JSON.parse(/** @type {MessageEvent} */ (e).data)));
  source.addEventListener('open', () => connected(true));
  source.addEventListener('error', () => connected(false));
  addEventListener('pagehide', () => source.close());
  return () => source.close();
}

/** @param {Row} row */
export const ended = (row) => row.state === 'Succeeded' || row.state === 'Failed';

/** @param {Row} row @param {number} now */
export const stuck = (row, now) => !ended(row) && now - Date.parse(row.at) > STUCK_AFTER;

/** A time span for people. @param {number} ms */
export function span(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 0)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  return `${Math.floor(ms / 3_600_000)} h ${Math.floor(ms % 3_600_000 / 60_000)} min`;
}

/** Shape and class of each state: nothing is told by colour alone. @type {Record<string, [string, string]>} */
export const shapes = {
  'In Progress': ['▶', 'forth'], Succeeded: ['✔', 'stands'], Compensating: ['◀', 'undoing'], Failed: ['✖', 'undone'],
  Pending: ['○', 'quiet'], Processing: ['▶', 'forth'], Committed: ['✔', 'stands'], Compensated: ['↩', 'undone'],
};
