// Has AsyncAPI's own parser read a document with everything that it refers to: node asyncapi.cjs FILE
const { Parser, fromFile } = require('@asyncapi/parser');

fromFile(new Parser(), process.argv[2]).parse().then(({ document, diagnostics }) => {
  const wrong = diagnostics.map((d) => `${d.path.join('.')}: ${d.message}`);
  const messages = document ? document.allMessages().all() : [];
  for (const message of messages) {
    if (message.examples().isEmpty()) wrong.push(`message ${message.id()} has no example`);
  }
  if (messages.length === 0) wrong.push('it has no message');
  for (const line of wrong) console.error(line);
  if (wrong.length > 0) process.exit(1);
  console.log(`ok: AsyncAPI's parser takes the document: ${messages.length} messages`);
});
