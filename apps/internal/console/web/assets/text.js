// @ts-check
// Values as text for people.

import { now } from './clock.js';

/** A duration. @param {number} ms */
export function span(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 0)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  return `${Math.floor(ms / 3_600_000)} h ${Math.floor(ms % 3_600_000 / 60_000)} min`;
}

/** How long ago a time is. @param {string} at */
export const since = (at) => span(now() - Date.parse(at));

/** @param {string} at */
export const moment = (at) => new Date(at).toLocaleString('en-GB');

/** A service's name with a capital. @param {string} name */
export const title = (name) => name[0].toUpperCase() + name.slice(1);

/** Shape and CSS class of each state: some readers see no colours. @type {Record<string, [string, string]>} */
export const shapes = {
  'In Progress': ['▶', 'forth'], Succeeded: ['✔', 'stands'], Compensating: ['◀', 'undoing'], Failed: ['✖', 'undone'],
  Pending: ['○', 'quiet'], Processing: ['▶', 'forth'], Committed: ['✔', 'stands'], Compensated: ['↩', 'undone'], 'Not done': ['–', 'undone'],
};
