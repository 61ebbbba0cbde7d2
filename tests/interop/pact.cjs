// Has Pact's own verifier hold providers to their consumers' files:
// node pact.cjs STATES MESSAGES PROVIDER=URL[=FILE,FILE…]…
const { Verifier } = require('@pact-foundation/pact-core');

const [states, messages, ...providers] = process.argv.slice(2);

(async () => {
  for (const provider of providers) {
    const [name, url, files] = provider.split('=');
    await new Verifier({
      provider: name,
      providerBaseUrl: url,
      pactUrls: files.split(','),
      providerStatesSetupUrl: states,
      transports: [{ protocol: 'message', port: Number(new URL(messages).port), path: new URL(messages).pathname }],
      logLevel: 'error',
    }).verify();
    console.log(`ok: Pact's verifier: ${name} keeps ${files.split(',').length} pacts`);
  }
})().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
