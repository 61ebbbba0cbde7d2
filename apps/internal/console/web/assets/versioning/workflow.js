// @ts-check
// The contract comes first: five steps, and what does each of them.

/** @typedef {{title: string, icon: string, what: string, tools: string[], here: string}} Stage */

/** @type {Stage[]} */
export const stages = [
  { title: 'Define the contract', icon: 'M6 2h9l5 5v15H6zM14 2v6h6M9 12h8M9 15h8M9 18h5', what: 'The interface is written and agreed before any code: a YAML or proto file under review.',
    tools: ['OpenAPI for REST', 'Protocol Buffers for gRPC', 'AsyncAPI for events'], here: 'services/*/api/openapi.yaml and pkg/events/asyncapi.yaml' },
  { title: 'Generate stubs and SDKs', icon: 'M8 7l-5 5 5 5M16 7l5 5-5 5M13.5 5l-3 14', what: 'Server stubs and clients come from the contract, so both sides can begin at once.',
    tools: ['oapi-codegen, OpenAPI Generator', 'protoc, Buf', 'AsyncAPI Generator'], here: 'make generate; the build fails when what is generated is stale' },
  { title: 'Implement the server', icon: 'M4 4h16v6H4zM4 14h16v6H4zM7.5 7h.01M7.5 17h.01', what: 'The implementation fulfils the generated interface; what the contract forbids reaches no handler.',
    tools: ['A strict server interface', 'Request validation from the contract'], here: 'http.go of each service' },
  { title: 'Consumer-driven tests on every build', icon: 'M4 5h16v14H4zM8 12l3 3 5-6', what: 'Consumers record which part of the contract they use; the provider proves on every build that it still keeps that part.',
    tools: ['Pact', 'Spring Cloud Contract', 'Specmatic'], here: 'tests/contracts: what every consumer reads is kept as a pact' },
  { title: 'Registry checks compatibility', icon: 'M4 6c0-4 16-4 16 0v12c0 4-16 4-16 0zM4 6c0 4 16 4 16 0M4 12c0 4 16 4 16 0', what: 'Before a deployment the new schema is held against the released ones; what would break a consumer does not go out.',
    tools: ['Confluent Schema Registry', 'Apicurio', 'AWS Glue Schema Registry', 'oasdiff, buf breaking'], here: 'the schema registry (sagactl schemas check), and make contracts, which holds every contract against the released ones' },
];
