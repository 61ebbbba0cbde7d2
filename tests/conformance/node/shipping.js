// Shipping once more, in another language: it takes the place of services/shipping, by docs/reference/conformance.md alone.
// Inbox, step and outbox are one transaction, the acknowledgement comes after the commit, and a relay publishes.
import http from 'node:http';
import { readFile } from 'node:fs/promises';
import { once, setMaxListeners } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { randomBytes, randomUUID } from 'node:crypto';
import { connect } from 'nats';
import pg from 'pg';

const { DATABASE_URL, MIGRATIONS_URL, NATS_URL, HTTP_ADDR } = process.env;
const stopping = new AbortController();
const stopped = stopping.signal;
setMaxListeners(0, stopped); // each pause is one
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stopping.abort());

const log = (message, more = {}) => console.error(JSON.stringify({ time: new Date(), service: 'shipping', message, ...more }));
const pause = (ms) => setTimeout(ms, undefined, { signal: stopped }).catch(() => {});

// untilItWorks tries until it works: what is started first does not matter, and what is away comes back.
async function untilItWorks(what, attempt) {
  while (!stopped.aborted) {
    try {
      return await attempt();
    } catch (error) {
      log(`${what} failed, will be retried`, { error: String(error) });
      await pause(200);
    }
  }
}

async function migrate() {
  const owner = openPool(MIGRATIONS_URL);
  const schema = await readFile(new URL('schema.sql', import.meta.url), 'utf8');
  await owner.query(schema).finally(() => owner.end());
}

function openPool(connectionString) {
  const pool = new pg.Pool({ connectionString, max: 4, connectionTimeoutMillis: 2000 });
  pool.on('error', () => {}); // of an idle connection, which the pool replaces
  pool.on('connect', (connection) => connection.on('error', () => {})); // the query that fails reports it
  return pool;
}

class DeadLetter extends Error {} // no retry cures it

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const snapshot = ['order_id', 'customer_id', 'lines', 'total', 'payment_method', 'ship_to'];
const address = ['name', 'street', 'city', 'postal_code', 'country'];

const wanted = {
  'saga.payment.PaymentProcessed.v1': [...snapshot, 'charge_id'],
  'saga.order.OrderCancelRequested.v1': ['order_id', 'reason'],
};

// read is the event in a message. Fields and attributes that it does not know are ignored.
function read(message) {
  let event;
  try {
    event = message.json();
  } catch (error) {
    throw new DeadLetter(`no JSON: ${error.message}`);
  }
  const fields = wanted[event?.type];
  if (!fields || !uuid.test(event.id) || !uuid.test(event.subject)) throw new DeadLetter('no event for shipping');
  const missing = fields.filter((field) => event.data?.[field] === undefined);
  if (missing.length > 0) throw new DeadLetter(`data lacks ${missing}`);
  if (event.data.ship_to && address.some((field) => typeof event.data.ship_to[field] !== 'string')) {
    throw new DeadLetter('data has no address');
  }
  return event;
}

const pick = (data, fields) => Object.fromEntries(fields.map((field) => [field, data[field]]));

// decide is what becomes of an order that nothing is known about.
function decide(event) {
  if (event.type.includes('.OrderCancelRequested.')) return { state: 'FENCED', reason: 'cancelled', parcel: null };
  const parcel = pick(event.data, snapshot);
  const { country } = parcel.ship_to;
  if (country === 'AQ') return { state: 'FAILED', reason: `destination_not_served: ${country}`, parcel };
  return { state: 'CREATED', shipment_id: `shp_${randomUUID()}`, parcel };
}

// step is shipping's part in the saga: the answer to an event, or none.
async function step(tx, event) {
  let row = decide(event);
  const stored = await tx.query(
    `INSERT INTO shipment (order_id, state, shipment_id, reason, parcel) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (order_id) DO NOTHING`,
    [event.subject, row.state, row.shipment_id, row.reason, JSON.stringify(row.parcel)],
  );
  const repeated = event.data.attempt > 1;
  if (stored.rowCount === 0) {
    const found = await tx.query(
      `SELECT state, shipment_id, reason, parcel, 'null' IN ($2::jsonb, parcel) OR parcel = $2::jsonb AS same
       FROM shipment WHERE order_id = $1`,
      [event.subject, JSON.stringify(row.parcel)],
    );
    [row] = found.rows;
    if (!row.same) throw new DeadLetter('another order has this id');
    if (!repeated) return null;
  }
  const attempt = repeated ? { attempt: event.data.attempt } : {};
  const { parcel, shipment_id } = row;
  if (row.state === 'CREATED') return { name: 'ShipmentCreated', data: { ...parcel, shipment_id, ...attempt } };
  return { name: 'ShipmentFailed', data: { order_id: event.subject, reason: row.reason, ...attempt } };
}

// publish stores an answer in the outbox, in the transaction that makes it true.
async function publish(tx, { name, data }, cause) {
  const type = `saga.shipping.${name}.v1`;
  const envelope = {
    specversion: '1.0', id: randomUUID(), source: '/services/shipping', type, subject: data.order_id, time: new Date(),
    datacontenttype: 'application/json', dataschema: `urn:example:ordersaga:${name}.v1`, causationid: cause.id, data,
  };
  if (cause.traceparent) {
    const [version, trace, , flags] = cause.traceparent.split('-');
    envelope.traceparent = [version, trace, randomBytes(8).toString('hex'), flags].join('-');
  }
  await tx.query('INSERT INTO outbox (id, key, type, subject, payload) VALUES ($1, $2, $3, $4, $5)',
    [envelope.id, data.order_id, type, `${type}.${data.order_id}`, JSON.stringify(envelope)]);
}

async function inTransaction(pool, work) {
  const tx = await pool.connect();
  try {
    await tx.query('BEGIN');
    await work(tx);
    await tx.query('COMMIT');
    tx.release();
  } catch (error) {
    tx.release(error); // closes the connection, and so the transaction
    throw error;
  }
}

// handle has a message take effect once: the inbox row, the step and its answer are one transaction.
async function handle(pool, message) {
  try {
    const event = read(message);
    await inTransaction(pool, async (tx) => {
      const first = await tx.query('INSERT INTO inbox (event_id, type, key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
        [event.id, event.type, event.subject]);
      if (first.rowCount === 0) return;
      const answer = await step(tx, event);
      if (answer) await publish(tx, answer, event);
    });
  } catch (error) {
    if (!(error instanceof DeadLetter)) throw error;
    log('dead letter', { subject: message.subject, reason: error.message });
    await pool.query('INSERT INTO dead_letter (id, key, payload, reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
      [message.info.streamSequence, message.subject.split('.').at(-1), Buffer.from(message.data), error.message]);
  }
}

// consume handles what is delivered, one message after the other, until the process is to end.
async function consume(pool, js) {
  const consumer = await js.consumers.get('SAGA', 'shipping');
  const messages = await consumer.consume({ max_messages: 100 });
  stopped.addEventListener('abort', () => messages.stop(), { once: true });
  for await (const message of messages) {
    try {
      await handle(pool, message);
      message.ack();
    } catch (error) {
      log('an event will be retried', { subject: message.subject, error: String(error) });
      message.nak(500);
    }
    if (stopped.aborted) return;
  }
}

// relay publishes the rows of the outbox in their order, and marks those that the broker has acknowledged.
async function relay(pool, js) {
  const due = await pool.query(
    'SELECT id, subject, payload FROM outbox WHERE published_at IS NULL ORDER BY position LIMIT 100');
  await Promise.all(due.rows.map((row) => js.publish(row.subject, row.payload, { msgID: row.id })));
  await pool.query('UPDATE outbox SET published_at = now() WHERE id = ANY ($1)', [due.rows.map((row) => row.id)]);
  if (due.rowCount === 0) await pause(20);
}

// serve shows an order's shipment, and whether the service works.
function serve(pool, works) {
  return http.createServer(async (request, response) => {
    const answer = (status, body, type = 'application/json') =>
      response.writeHead(status, { 'Content-Type': type }).end(JSON.stringify(body));
    const problem = (status, title) => answer(status, { title, status }, 'application/problem+json');
    try {
      const [, orderID] = /^\/v1\/shipments\/([^/?]+)$/.exec(request.url) ?? [];
      if (request.url === '/readyz') return works() ? answer(200, {}) : problem(503, 'Service Unavailable');
      if (!orderID) return problem(404, 'Not Found');
      if (!uuid.test(orderID)) return problem(400, 'Bad Request');
      const { rows: [row] } = await pool.query(
        'SELECT order_id, state, shipment_id, reason, parcel, created_at FROM shipment WHERE order_id = $1', [orderID]);
      if (!row) return problem(404, 'Not Found');
      const { parcel, ...shipment } = row;
      const shown = Object.entries({ ...shipment, ship_to: parcel?.ship_to }).filter(([, value]) => value != null);
      return answer(200, Object.fromEntries(shown));
    } catch (error) {
      log('request failed', { error: String(error) });
      return problem(503, 'Service Unavailable');
    }
  });
}

const pool = openPool(DATABASE_URL);
let js;
const server = serve(pool, () => js && !stopped.aborted);
const { hostname, port } = new URL(`http://${HTTP_ADDR}`);
await once(server.listen(port, hostname), 'listening');
await untilItWorks('the migration', migrate);
const { host, username: user, password: pass } = new URL(NATS_URL);
const nc = await untilItWorks('connecting to the broker', () => connect({
  servers: host, user, pass, inboxPrefix: `_INBOX.${user}`, maxReconnectAttempts: -1, reconnectTimeWait: 200, pingInterval: 5000,
}));
js = nc?.jetstream();
await Promise.all([consume, relay].map(async (work) => {
  while (!stopped.aborted) await untilItWorks(work.name, () => work(pool, js));
}));
await nc?.drain();
await pool.end();
server.close();
server.closeAllConnections();
