// Has two clients of schema registries use one, with an event of a type that has references: node registry.cjs URL < EVENT
const assert = require('node:assert/strict');
const { JsonDeserializer, JsonSerializer, SchemaRegistryClient, SerdeType } = require('@confluentinc/schemaregistry');
const kafkajs = require('@kafkajs/confluent-schema-registry');
const Ajv2020 = require('ajv/dist/2020').default;

const url = process.argv[2];
const event = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const thing = (...required) => JSON.stringify({
  $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object',
  properties: { a: { type: 'string' }, b: { type: 'integer' } }, required,
});

// refusedAs is an error code of the registry's protocol, which the client must make out of an answer.
const refusedAs = (code, call) => assert.rejects(call, (e) => (e.errorCode ?? e.code ?? e.cause?.errorCode) === code || fail(e, code));
const fail = (e, code) => assert.fail(`want ${code}, is ${e} ${JSON.stringify(e)}`);

async function confluent() {
  const fresh = () => new SchemaRegistryClient({ baseURLs: [url], maxRetries: 0 });
  const client = fresh();
  const subject = `${event.type}`;
  assert.ok((await client.getAllSubjects()).includes(subject));
  const latest = await client.getLatestSchemaMetadata(subject);
  const schema = await client.getBySubjectAndId(subject, latest.id);
  assert.equal(schema.schema, latest.schema);
  assert.deepEqual(await client.getAllVersions(subject), [latest.version]);
  assert.equal(await fresh().getId(subject, schema), latest.id);
  assert.equal(await fresh().getVersion(subject, schema), latest.version);
  if (latest.guid) assert.equal((await fresh().getByGuid(latest.guid)).schema, latest.schema);

  // An event goes through the serializer that validates, and comes back.
  const conf = { useLatestVersion: true, autoRegisterSchemas: false, validate: true, strict: false, validateFormats: false };
  const ser = new JsonSerializer(client, SerdeType.VALUE, { ...conf, subjectNameStrategy: () => subject });
  const bytes = await ser.serialize('events', event.data);
  const de = new JsonDeserializer(client, SerdeType.VALUE, { ...conf, subjectNameStrategy: () => subject });
  assert.deepEqual(await de.deserialize('events', bytes), event.data);
  await assert.rejects(ser.serialize('events', { ...event.data, order_id: 7 }));

  // A subject of its own is read at once after it was written, changed only compatibly, and deleted.
  const own = 'interop.confluent', first = { schema: thing('a'), schemaType: 'JSON' };
  assert.equal(await client.testSubjectCompatibility(own, first), true);
  const registered = await client.registerFullResponse(own, first, false);
  assert.equal((await fresh().getLatestSchemaMetadata(own)).id, registered.id);
  const stricter = { schema: thing('a', 'b'), schemaType: 'JSON' };
  assert.equal(await client.testSubjectCompatibility(own, stricter), false);
  assert.equal(await client.testCompatibility(own, 1, stricter), false);
  await refusedAs(409, client.register(own, stricter, false));
  await client.updateCompatibility(own, 'NONE');
  assert.equal(await client.getCompatibility(own), 'NONE');
  assert.equal((await client.getConfig(own)).compatibilityLevel, 'NONE');
  assert.notEqual(await client.register(own, stricter, false), registered.id);
  assert.deepEqual(await fresh().getAllVersions(own), [1, 2]);
  const turned = { schema: JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(thing('a'))).reverse())), schemaType: 'JSON' };
  assert.equal(await fresh().register(own, turned, true), registered.id, 'normalized, it is the first one');
  await refusedAs(42210, client.register(own, { ...first, metadata: { properties: { owner: 'us' } } }, false));
  assert.equal(await client.deleteSubjectVersion(own, 2), 2);
  assert.deepEqual(await client.deleteSubject(own), [1]);
  await refusedAs(40401, fresh().getLatestSchemaMetadata(own));
  assert.deepEqual(await client.deleteSubject(own, true), [1, 2]);
  assert.ok(!(await client.getAllSubjects()).includes(own));
  await refusedAs(42206, client.deleteSubject('saga.common.v1'));
}

async function throughKafkajs() {
  const ajvInstance = new Ajv2020({ strict: false, validateFormats: false });
  const client = new kafkajs.SchemaRegistry({ host: url, retry: { retries: 0 } }, { [kafkajs.SchemaType.JSON]: { ajvInstance } });
  const latest = await client.getLatestSchemaId(event.type);
  assert.equal(await client.getRegistryId(event.type, 1), latest);
  assert.deepEqual(await client.decode(await client.encode(latest, event.data)), event.data);
  await assert.rejects(client.encode(latest, { ...event.data, order_id: 7 }));
  const own = { subject: 'interop.kafkajs', compatibility: kafkajs.COMPATIBILITY.FULL };
  const { id } = await client.register({ type: kafkajs.SchemaType.JSON, schema: thing('a') }, own);
  assert.equal(await client.getRegistryIdBySchema(own.subject, { type: kafkajs.SchemaType.JSON, schema: thing('a') }), id);
  await assert.rejects(client.register({ type: kafkajs.SchemaType.JSON, schema: thing('a', 'b') }, own));
}

(async () => {
  await confluent();
  await throughKafkajs();
  console.log("ok: Confluent's and kafkajs's clients of schema registries find what they look for");
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
