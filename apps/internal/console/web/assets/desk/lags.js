// @ts-check
// How far behind each process is, and whether the way to the card gateway is open.

import { el } from '../simulator/dom.js';

/**
 * @typedef {Record<string, number> & {process: string, problem?: string}} Lag
 * @typedef {{processes: Lag[], breakers: {endpoint: string, state: string, healthy: boolean}[], problem?: string}} Lags
 */

/** Columns: name, what it means, and whether anything but zero is behind. @type {[string, string, string, boolean][]} */
const columns = [
  ['unpublished', 'Outbox', 'events that are not in the stream yet', true],
  ['pending', 'To come', 'messages that the service has not been given yet', true],
  ['unfinished', 'In hand', 'messages that it was given and has not acknowledged', true],
  ['redelivered', 'Redelivered', 'deliveries that were not the first of their message, since the process began', false],
  ['absorbed', 'Ignored', 'deliveries of events that had taken effect already', false],
  ['postponed', 'Put off', 'deliveries put off because something failed', false],
  ['dead_letters', 'Parked', 'messages that became dead letters since the process began', false],
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
