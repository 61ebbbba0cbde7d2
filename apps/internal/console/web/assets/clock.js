// @ts-check
// The console's clock. A browser's own may be wrong, and then every age on a page would be.

/** By how many milliseconds the browser's clock is ahead. */
let ahead = 0;

/** The time at the console, as Date.now() has it. */
export const now = () => Date.now() - ahead;

/** Compares the clocks; it is off by at most half of what the answer took. */
export async function synchronise() {
  const asked = Date.now();
  const answer = await (await fetch('/api/time')).json();
  ahead = (asked + Date.now()) / 2 - Date.parse(answer.now);
}
