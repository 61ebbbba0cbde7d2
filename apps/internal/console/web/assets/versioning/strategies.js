// @ts-check
// The four strategies as the chapter scores them, and what speaks for each in a given place.

/** @typedef {'public' | 'internal' | 'stream'} Context */
/** @typedef {'performance' | 'modifiability' | 'simplicity'} Quality */
/**
 * @typedef {object} Strategy
 * @property {string} id
 * @property {string} name
 * @property {string} how
 * @property {{modifiability: number, complexity: number, migration: number}} scores the chapter's, 1 to 5
 * @property {string} pro
 * @property {string} con
 * @property {string[]} pros
 * @property {string[]} cons
 * @property {string} use
 * @property {string} here
 * @property {Record<Context, [number, string]>} performance what a request costs there, which the chapter does not score: 1 to 5, 5 costs nothing; and why
 * @property {Record<Context, [number, string]>} fits how well it fits a place, 1 to 5, and why
 * @property {boolean} breaks whether it has a way to publish something that old consumers cannot read
 */

/** @type {Record<Context, string>} */
export const contexts = {
  public: 'Public API with many external consumers',
  internal: 'Internal microservices',
  stream: 'Event streaming platform',
};

/** @type {Record<Quality, string>} */
export const qualities = { performance: 'Performance', modifiability: 'Modifiability', simplicity: 'Simplicity' };

/** @type {Strategy[]} */
export const strategies = [
  { id: 'url', name: 'URL versioning', how: '/v1/orders and /v2/orders are separate surfaces.',
    scores: { modifiability: 3, complexity: 2, migration: 3 }, pro: 'Simple, explicit', con: 'Duplicate implementations, URL pollution',
    pros: ['Anybody can see, log, cache and try a version', 'Routing is a prefix'], cons: ['Every version is an implementation that has to be kept', 'The address of one thing changes with the version'],
    use: 'Consumers are many and unknown, and each has to be able to see which version it uses.',
    here: 'The order service has /v1/orders and /v2/orders side by side; v1 announces its end.',
    performance: { public: [4, 'caches and routers need to look at the address alone'], internal: [4, 'a router needs to look at the address alone'], stream: [1, 'a stream cannot be filtered by an address'] }, breaks: true,
    fits: { public: [5, 'strangers see the version in the address, and need no instructions'], internal: [3, 'two surfaces run side by side while your own teams move'], stream: [1, 'an event has no address that it is asked for at'] } },
  { id: 'header', name: 'Header versioning', how: 'One address; a request header names the version.',
    scores: { modifiability: 4, complexity: 3, migration: 2 }, pro: 'Clean URLs', con: 'Complex routing, client implementation overhead',
    pros: ['An address stays the address of one thing', 'A gateway or a shared client can set the header for everyone'], cons: ['Every client has to handle it', 'It is invisible in a browser, a link and most logs'],
    use: 'The clients are yours, and share a library or a proxy that sets the header.',
    here: 'Under /orders, without a version in the address, a header chooses.',
    performance: { public: [2, 'shared caches have to vary by the header'], internal: [5, 'a proxy routes by it without reading the body, and no shared cache stands between'], stream: [5, 'a consumer filters by the message header, and decodes nothing'] }, breaks: true,
    fits: { public: [3, 'each stranger has to learn of the header'], internal: [4, 'your own client library sets it once for all'], stream: [3, 'a message header can name the version, apart from the payload'] } },
  { id: 'negotiation', name: 'Content negotiation', how: 'Accept: application/vnd.shop.v2+json.',
    scores: { modifiability: 4, complexity: 4, migration: 2 }, pro: 'Most REST-pure', con: 'Complex content type handling',
    pros: ['Version and form of one representation are chosen together', 'Each resource can move by itself'], cons: ['Routing has to understand media types, weights and defaults', 'Hard to try by hand'],
    use: 'Representations differ per consumer, or stored data must name its own form.',
    here: 'Under /orders an Accept header chooses too; an event carries dataschema, the name of its own form.',
    performance: { public: [3, 'caches have to vary by one header that all of them know'], internal: [2, 'every request is negotiated'], stream: [3, 'the type is read before the payload is decoded'] }, breaks: true,
    fits: { public: [4, 'a documented media type is part of each answer, and each resource can move by itself'], internal: [2, 'it is much machinery between teams that can talk'], stream: [5, 'a stored event carries its own type, and is read years later'] } },
  { id: 'additive', name: 'Additive-only semantic versioning', how: 'New fields are added, deprecated ones stay; nothing is removed or renamed.',
    scores: { modifiability: 5, complexity: 1, migration: 5 }, pro: 'No breaking changes, simplest', con: 'Schema accumulates deprecated fields',
    pros: ['One implementation, and nobody has to move', 'Producers and consumers are deployed in any order'], cons: ['Deprecated fields stay, and are carried in every message', 'A change of meaning is not possible'],
    use: 'By default, as long as the new fits beside the old.',
    here: 'Readers ignore what they do not know; a gate in the build refuses anything but additions to a released contract.',
    performance: { public: [3, 'deprecated fields travel to everybody'], internal: [3, 'deprecated fields travel along'], stream: [2, 'deprecated fields are stored in every message, for years'] }, breaks: false,
    fits: { public: [4, 'nobody whom you cannot reach has to move'], internal: [5, 'teams deploy in any order without an appointment'], stream: [5, 'what was stored years ago has to be read still, and a registry can enforce it'] } },
];

/**
 * @typedef {{context: Context, weights: Record<Quality, number>, breaking: boolean}} Question weights are 0 to 3
 * @typedef {{strategy: Strategy, points: number, reasons: string[], accepts: string[]}} Verdict
 */

/** What can be chosen, the best first. @param {Question} question @returns {Verdict[]} */
export function recommend({ context, weights, breaking }) {
  const verdicts = strategies.filter((s) => s.breaks || !breaking).map((strategy) => {
    const marks = marksOf(strategy, context);
    const [fit, why] = strategy.fits[context];
    const points = 2 * fit + weights.performance * marks.performance + weights.modifiability * marks.modifiability + weights.simplicity * marks.simplicity;
    return { strategy, points, reasons: reasons(strategy, context, weights, breaking), accepts: accepts(strategy, context, weights) };
  });
  return verdicts.sort((a, b) => b.points - a.points);
}

/** What a strategy is worth for each quality in a context, 1 to 5. @param {Strategy} s @param {Context} context @returns {Record<Quality, number>} */
export const marksOf = (s, context) => ({ performance: s.performance[context][0], modifiability: s.scores.modifiability, simplicity: 6 - s.scores.complexity });

/** @param {Strategy} strategy @param {Context} context @param {Record<Quality, number>} weights @param {boolean} breaking */
function reasons(strategy, context, weights, breaking) {
  const { scores } = strategy;
  const [[, why], [fast, because]] = [strategy.fits[context], strategy.performance[context]];
  const found = [`It fits the context: ${why}.`];
  if (weights.modifiability > 0 && scores.modifiability >= 4) found.push(`You want modifiability, and it scores ${scores.modifiability} of 5.`);
  if (weights.simplicity > 0 && scores.complexity <= 2) found.push(`You want simplicity, and its complexity is only ${scores.complexity} of 5.`);
  if (weights.performance > 0 && fast >= 4) found.push(`You want performance: ${because}.`);
  if (breaking) found.push('It can change what old consumers cannot read.');
  return found;
}

/** @param {Strategy} strategy @param {Context} context @param {Record<Quality, number>} weights */
function accepts(strategy, context, weights) {
  const marks = marksOf(strategy, context);
  const low = /** @type {Quality[]} */ (Object.keys(qualities)).filter((q) => weights[q] > 0 && marks[q] <= 3);
  return [...strategy.cons, ...low.map((q) => q === 'performance' ? `${qualities[q]}: ${strategy.performance[context][1]}` : `${qualities[q]}: it is worth only ${marks[q]} of 5 there`)];
}
