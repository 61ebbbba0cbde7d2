// @ts-check
// Requests to the console.

import { synchronise } from './clock.js';

/** How long a page waits for an answer, in milliseconds: to a question, and to a request that changes something. */
const [QUESTION, CHANGE] = [10_000, 30_000];

/** Makes a request. A refusal is thrown as an Error with the refusal's own text.
 * @param {string} method @param {string} path @param {object} [body] @param {string} [key] the Idempotency-Key: a request that is sent twice is carried out once @param {number} [limit] how long it may take, in milliseconds */
export async function ask(method, path, body, key, limit = method === 'GET' ? QUESTION : CHANGE) {
  const headers = { 'Content-Type': 'application/json', ...(key && { 'Idempotency-Key': key }) };
  const signal = AbortSignal.timeout(limit);
  let response, answer;
  try {
    response = await fetch(`/api${path}`, { method, headers, body: body && JSON.stringify(body), signal });
    if (response.status === 204) return null;
    answer = await response.json();
  } catch {
    throw new Error(signal.aborted && method !== 'GET' ? 'The console does not answer. It may have done it all the same: look before you try again.'
      : 'The console does not answer. Try again when it is back.');
  }
  if (!response.ok) throw new Error(answer.detail ?? response.statusText);
  return answer;
}

/** A stream that has sent nothing for so long is dead: the console sends something every 15 seconds. */
const SILENCE = 35_000;
/** How long a page waits before it opens a stream anew. */
const PAUSE = 2_000;

/**
 * Receives what the console sends while the page is open. The browser reconnects by itself after a lost connection, and names the last id that it got.
 * After silence, and after an answer that is no stream (a proxy's 502), it does not: then a new stream is opened.
 * @param {string} path @param {string} event @param {(data: any) => void} receive @param {(connected: boolean) => void} connected
 * @returns {() => void} ends it
 */
export function watch(path, event, receive, connected) {
  /** @type {EventSource} */
  let source;
  /** @type {number} */
  let timer;
  const reopen = () => {
    source.close();
    connected(false);
    clearTimeout(timer);
    timer = setTimeout(open, PAUSE);
  };
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(reopen, SILENCE);
  };
  const open = () => {
    source = new EventSource(`/api${path}`);
    alive();
    source.addEventListener(event, (e) => { alive(); receive(JSON.parse(/** @type {MessageEvent} */ (e).data)); });
    source.addEventListener('open', () => { alive(); connected(true); synchronise().catch(() => {}); });
    source.addEventListener('error', () => { if (source.readyState === EventSource.CLOSED) reopen(); else connected(false); });
  };
  const close = () => { clearTimeout(timer); source.close(); };
  open();
  addEventListener('pagehide', close);
  addEventListener('pageshow', (e) => { if (e.persisted) open(); });
  return close;
}
