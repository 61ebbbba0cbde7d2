// Has CloudEvents' own library read events, one a line: node cloudevents.cjs < EVENTS
const { CloudEvent } = require('cloudevents');
const lines = require('node:fs').readFileSync(0, 'utf8').trim().split('\n');

const types = new Set();
for (const line of lines) {
  const event = new CloudEvent(JSON.parse(line), true); // strict: throws what is wrong
  if (!event.validate()) throw new Error(`not valid: ${line}`);
  types.add(event.type);
}
console.log(`ok: CloudEvents' library takes ${lines.length} events of ${types.size} types`);
