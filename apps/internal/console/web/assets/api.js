// @ts-check
// Requests to the console.

/** Makes a request. A refusal is thrown as an Error with the refusal's own text.
 * @param {string} method @param {string} path @param {object} [body] @param {string} [key] the Idempotency-Key: a request that is sent twice is carried out once */
export async function ask(method, path, body, key) {
  const headers = { 'Content-Type': 'application/json', ...(key && { 'Idempotency-Key': key }) };
  const response = await fetch(`/api${path}`, { method, headers, body: body && JSON.stringify(body) })
    .catch(() => { throw new Error('The console does not answer. Try again when it is back.'); });
  if (response.status === 204) return null;
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail ?? response.statusText);
  return answer;
}

/**
 * Receives what the console sends while the page is open. The browser reconnects by itself, and names the last id that it got.
 * @param {string} path @param {string} event @param {(data: any) => void} receive @param {(connected: boolean) => void} connected
 * @returns {() => void} ends it
 */
export function watch(path, event, receive, connected) {
  const source = new EventSource(`/api${path}`);
  source.addEventListener(event, (e) => receive(JSON.parse(/** @type {MessageEvent} */ (e).data)));
  source.addEventListener('open', () => connected(true));
  source.addEventListener('error', () => connected(false));
  addEventListener('pagehide', () => source.close());
  return () => source.close();
}
