#!/usr/bin/env bash
# Two options of Pact's JavaScript verifier are checked for their type, and have no effect.
#
# Expected: providerStatesSetupTeardown decides whether the state URL is called a second time, with the action
#   teardown, after each interaction (default: no), and providerStatesSetupBody whether a state is sent in the body or in
#   the query. Both are public options of @pact-foundation/pact-core, and a value that is no boolean is refused.
# What happens: @pact-foundation/pact-core 20.2.0 gives its native library true for both, whatever was asked for. Each
#   state is set up and torn down, always in the body: a state server that makes data for every call makes it twice, and
#   one that does not look at the action sets up the state anew when it should remove it.
# Source: the options in dist/verifier/types.d.ts of the package; the native library's own documentation says that no
#   teardown is its default: https://docs.rs/pact_ffi/latest/pact_ffi/verifier/fn.pactffi_verifier_set_provider_state.html
# Needs: node, npm, x64 or arm64 with glibc.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts @pact-foundation/pact-core@20.2.0
cat > pact.json <<'JSON'
{
  "consumer": { "name": "shop" }, "provider": { "name": "stock" },
  "interactions": [{
    "type": "Synchronous/HTTP", "description": "the stock is read", "providerStates": [{ "name": "there is stock" }],
    "request": { "method": "GET", "path": "/stock" }, "response": { "status": 200 }
  }],
  "metadata": { "pactSpecification": { "version": "4.0" } }
}
JSON
cat > main.cjs <<'JS'
const { createServer } = require('node:http');
const { Verifier } = require('@pact-foundation/pact-core');

const calls = [];
const server = createServer(async (request, response) => {
  let body = '';
  for await (const part of request) body += part;
  if (request.url.startsWith('/states')) calls.push(`${request.url} ${JSON.parse(body).action}`);
  response.setHeader('Content-Type', 'application/json').end('{}');
});
server.listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  for (const asked of [{}, { providerStatesSetupTeardown: false, providerStatesSetupBody: false }, { providerStatesSetupTeardown: true }]) {
    calls.length = 0;
    await new Verifier({ provider: 'stock', providerBaseUrl: url, pactUrls: ['pact.json'], providerStatesSetupUrl: `${url}/states`, logLevel: 'error', ...asked }).verify();
    console.log('seen:', JSON.stringify(asked), calls.join(', '));
  }
  server.close();
});
JS
seen=$(PACT_DO_NOT_TRACK=1 node main.cjs | sed -n 's/^seen: //p')
echo "$seen"
want='{} /states setup, /states teardown
{"providerStatesSetupTeardown":false,"providerStatesSetupBody":false} /states setup, /states teardown
{"providerStatesSetupTeardown":true} /states setup, /states teardown'
[ "$seen" = "$want" ] || { echo "this has changed" >&2; exit 1; }
