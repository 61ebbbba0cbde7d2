// @ts-check
// Questions to the console.

/** What is answered; a problem is thrown in its own words. @param {string} path @param {RequestInit} [how] */
export async function ask(path, how) {
  const response = await fetch(path, how);
  const body = await response.json();
  if (!response.ok) throw new Refused(body.detail ?? response.statusText);
  return body;
}

/** What somebody has refused, in their words. */
export class Refused extends Error {}

/** Makes a change, under a key that names it: sent again it is done once. @param {string} path @param {string} key @param {object} body */
export function change(path, key, body) {
  return ask(path, { method: 'POST', headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key }, body: JSON.stringify(body) });
}

/** A new key. Unlike randomUUID this is there on pages that do not come over TLS, too. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('');
}

/** Who works here, remembered until the browser is closed. */
export const operator = {
  get name() { return sessionStorage.getItem('operator') ?? ''; },
  set name(name) { sessionStorage.setItem('operator', name); },
};
