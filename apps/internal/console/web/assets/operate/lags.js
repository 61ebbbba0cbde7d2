// @ts-check
// How far behind each process is, and the circuit breakers before the card gateway.

import { el } from '../dom.js';

/**
 * @typedef {Record<string, number> & {process: string, problem?: string}} Lag
 * @typedef {{processes: Lag[], breakers: {endpoint: string, state: string, healthy: boolean}[], problem?: string}} Lags
 */

/** Columns: name, title, meaning, and whether a number above zero is behind. @type {[string, string, string, boolean][]} */
const columns = [
  ['unpublished', 'Outbox', 'events that are not published yet', true],
  ['pending', 'Pending', 'messages that were not delivered to the service yet', true],
  ['unacknowledged', 'Unacknowledged', 'messages that were delivered and not acknowledged yet', true],
  ['redelivered', 'Redelivered', 'deliveries that were not the first of their message, since the process started', false],
  ['duplicates', 'Duplicates', 'deliveries of events that had taken effect before', false],
  ['retries', 'Retries', 'deliveries that failed and are retried', false],
  ['dead_letters', 'Dead letters', 'messages that became dead letters since the process started', false],
];

/** @param {Lags} lags */
export function lagTables(lags) {
  const problem = lags.problem ? [el('p.note', {}, `Not everything is known: ${lags.problem}.`)] : [];
  return [...problem, el('div.wide', { tabindex: '0', role: 'region', 'aria-label': 'Processes' }, el('table', {},
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Process'), ...columns.map(([, title, means]) => el('th', { scope: 'col', title: means }, title)))),
    el('tbody', {}, ...lags.processes.map((lag) => el('tr', { 'data-process': lag.process }, el('th', { scope: 'row' }, lag.process), ...cells(lag)))))),
  el('p.breakers', {}, ...(lags.breakers.length ? lags.breakers.map((b) => el('span', { 'data-breaker': b.state },
    `${b.state === 'closed' ? '✔' : '!'} Breaker before ${b.endpoint}: ${b.state}${b.healthy ? '' : ', which fails its health check'} `)) : ['The ambassador’s breakers are not known here.']))];
}

/** @param {Lag} lag */
function cells(lag) {
  if (lag.problem) return [el('td', { colspan: columns.length }, `! ${lag.problem}`)];
  return columns.map(([name, , , behind]) => el(`td${behind && lag[name] > 0 ? '.behind' : ''}`, { 'data-column': name }, String(lag[name])));
}
