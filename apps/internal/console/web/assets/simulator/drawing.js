// @ts-check
// The picture: a box per service, and the ways between them. The boxes are ordinary elements that the style sheet
// lays out beside or below each other; the arrows are drawn from where the boxes have come to stand.

import { el, svg } from '../dom.js';
import { title } from '../text.js';
import { kindOf, wordOf } from './model.js';

/** @typedef {import('./model.js').Flow} Flow */
/** @typedef {import('./model.js').Saga} Saga */

/** A way between two services, and what travels on it. @typedef {{from: string, to: string, backward: boolean, events: string[]}} Way */
/** @typedef {{x: number, y: number}} Point */

/** The ways that the contract opens. @param {Flow} flow @returns {Way[]} */
export function waysOf(flow) {
  /** @type {Map<string, Way>} */
  const ways = new Map();
  for (const { name, published_by, consumed_by, backward } of flow.events) {
    for (const from of published_by) {
      for (const to of consumed_by) {
        const key = `${from} ${to} ${backward}`;
        const way = ways.get(key) ?? { from, to, backward, events: [] };
        way.events.push(name);
        ways.set(key, way);
      }
    }
  }
  return [...ways.values()];
}

const shapes = { Pending: '○', Processing: '◐', Committed: '✓', Compensating: '↩', Compensated: '⊘', 'Not done': '–' };

/** The services as a list. @param {Flow} flow @param {Saga} saga */
export function boxes(flow, saga) {
  return flow.services.map(({ name }) => {
    const word = saga.down === name ? 'Crashed' : wordOf(flow, saga, name);
    const numbers = saga.steps.filter((s) => s.service === name && s.label !== '·').map((s) => s.label);
    return el('li.service', { 'data-service': name, 'data-word': word },
      el('h2', {}, title(name), el('span.kind', {}, ' service')),
      el('p.word', {}, el('span.shape', { 'aria-hidden': 'true' }, saga.down === name ? '✕' : shapes[/** @type {keyof typeof shapes} */ (word)]), ' ', word),
      el('p.row', {}, el('span.label', {}, 'row '), el('code', {}, saga.rows[name] || 'none')),
      numbers.length > 0 && el('p.numbers', {}, el('span.label', {}, numbers.length > 1 ? 'steps ' : 'step '), ...numbers.map((n) => el('span.number', {}, n))));
  });
}

/**
 * Draws every way onto the stage, from where the boxes are. @param {SVGElement} canvas @param {HTMLElement} stage
 * @param {Flow} flow @param {Saga} saga @param {Saga} happy the saga in which all goes well: it numbers the ways before they are gone
 * @param {number | null} active the message whose payload is shown
 */
export function draw(canvas, stage, flow, saga, happy, active) {
  const at = places(stage);
  const { width, height } = stage.getBoundingClientRect();
  canvas.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const lines = waysOf(flow).map((way) => {
    const line = route(way, at, flow);
    const state = stateOfWay(way, flow, saga, happy, active);
    const mark = state.label && [svg('circle', { cx: line.middle.x, cy: line.middle.y, r: 12 }), svg('text.n', { x: line.middle.x, y: line.middle.y + 4 }, state.label)];
    const arrival = line.arrival && state.arrives && [svg('circle', { cx: line.arrival.x, cy: line.arrival.y, r: 10 }), svg('text.n', { x: line.arrival.x, y: line.arrival.y + 4 }, state.arrives)];
    return svg(`g.way.${way.backward ? 'back' : 'forth'}.${state.name}`, {},
      svg('path.line', { d: line.path }), svg('path.head', { d: head(line.end, line.angle) }),
      ...(mark || []), ...(arrival || []), line.name && state.event && svg('text.event', { x: line.name.x, y: line.name.y, 'text-anchor': line.anchor }, state.event));
  });
  const rank = (/** @type {Element} */ g) => ['idle', 'gone', 'waiting', 'travels', 'active'].findIndex((c) => g.classList.contains(c));
  canvas.replaceChildren(...lines.sort((a, b) => rank(a) - rank(b)));
}

/** What is on a way now, or was. @param {Way} way @param {Flow} flow @param {Saga} saga @param {Saga} happy @param {number | null} active */
function stateOfWay(way, flow, saga, happy, active) {
  const on = (/** @type {Saga} */ s) => s.messages.filter((m) => m.from === way.from && way.events.includes(m.event));
  const messages = on(saga);
  const message = messages.find((m) => m.id === active) ?? messages.findLast((m) => m.open.includes(way.to)) ?? messages.at(-1);
  if (!message) {
    const planned = on(happy)[0];
    const ahead = planned && saga.steps.every((s) => !s.backward);
    return { name: 'idle', label: ahead ? labelOf(happy, planned.id) : '', arrives: ahead ? arrivalOf(happy, planned.id, way.to) : '', event: '' };
  }
  const travels = message.open.includes(way.to) && !message.outbox;
  const name = message.outbox ? 'waiting' : !travels ? 'gone' : message.id === active ? 'active' : 'travels';
  return { name, label: labelOf(saga, message.id), arrives: arrivalOf(saga, message.id, way.to), event: travels || message.outbox ? message.event : '' };
}

/** The number of the step that published a message. @param {Saga} saga @param {number} id */
const labelOf = (saga, id) => saga.steps.findLast((s) => s.published.includes(id) && s.label !== '·')?.label ?? '';

/** The number of the step in which a service consumed it. @param {Saga} saga @param {number} id @param {string} service */
const arrivalOf = (saga, id, service) => saga.steps.find((s) => s.consumed === id && s.service === service && s.label !== '·')?.label ?? '';

/** @typedef {{left: number, right: number, top: number, bottom: number, x: number, y: number}} Place */

/** Where the boxes are on the stage. @param {HTMLElement} stage @returns {Record<string, Place>} */
function places(stage) {
  const origin = stage.getBoundingClientRect();
  return Object.fromEntries([...stage.querySelectorAll('[data-service]')].map((box) => {
    const b = box.getBoundingClientRect();
    const place = { left: b.left - origin.left, right: b.right - origin.left, top: b.top - origin.top, bottom: b.bottom - origin.top, x: 0, y: 0 };
    return [box.getAttribute('data-service'), { ...place, x: (place.left + place.right) / 2, y: (place.top + place.bottom) / 2 }];
  }));
}

/** @typedef {{path: string, middle: Point, end: Point, angle: number, name: Point | null, anchor: string, arrival?: Point}} Line */

/** The line of a way: straight between neighbours, around the others otherwise. @param {Way} way @param {Record<string, Place>} at @param {Flow} flow @returns {Line} */
function route(way, at, flow) {
  const a = at[way.from];
  const b = at[way.to];
  const upright = Math.abs(a.x - b.x) < 2; // the boxes stand below each other
  const rank = (/** @type {string} */ s) => flow.services.findIndex((one) => one.name === s);
  const apart = Math.abs(rank(way.from) - rank(way.to));
  const bends = apart > 1 || (rank(way.to) < rank(way.from)) !== way.backward;
  if (upright) return bends ? aside(way, a, b, apart > 2) : down(way, a, b);
  return bends ? around(way, a, b, apart > 2) : across(way, a, b);
}

/** Between neighbours beside each other. @param {Way} way @param {Place} a @param {Place} b @returns {Line} */
function across(way, a, b) {
  const right = b.x > a.x;
  const y = way.backward ? a.y + 26 : a.y - 26;
  const from = right ? a.right + 4 : a.left - 4;
  const to = right ? b.left - 4 : b.right + 4;
  const middle = { x: (from + to) / 2, y };
  return { path: `M${from},${y}H${to}`, middle, end: { x: to, y }, angle: right ? 0 : 180, anchor: 'middle',
    name: { x: middle.x, y: way.backward ? y + 30 : y - 20 } };
}

/** Over the boxes, or under them. @param {Way} way @param {Place} a @param {Place} b @param {boolean} far @returns {Line} */
function around(way, a, b, far) {
  const side = way.backward ? 1 : -1; // under or over
  const turn = b.x < a.x ? -1 : 1;
  const edge = way.backward ? a.bottom + 4 : a.top - 4;
  const y = edge + side * (far ? 66 : 36);
  const x1 = a.x + turn * (far ? -18 : 18); // the longer one leaves further out, so that they do not cross
  const x2 = b.x + turn * (far ? 18 : -18);
  const bend = 16;
  const path = `M${x1},${edge}V${y - side * bend}Q${x1},${y} ${x1 + turn * bend},${y}H${x2 - turn * bend}Q${x2},${y} ${x2},${y - side * bend}V${edge}`;
  const middle = { x: (x1 + x2) / 2 + (far ? 0 : turn * 60), y };
  return { path, middle, end: { x: x2, y: edge }, angle: side * -90, anchor: 'start', name: { x: middle.x + 18, y: y + (way.backward ? 18 : -8) },
    arrival: { x: x2, y: edge + side * 24 } };
}

/** Between neighbours below each other. @param {Way} way @param {Place} a @param {Place} b @returns {Line} */
function down(way, a, b) {
  const below = b.y > a.y;
  const off = Math.min(110, 0.36 * (a.right - a.left)); // the names stand between the two
  const x = a.x + (way.backward ? off : -off);
  const from = below ? a.bottom + 4 : a.top - 4;
  const to = below ? b.top - 4 : b.bottom + 4;
  const middle = { x, y: (from + to) / 2 };
  return { path: `M${x},${from}V${to}`, middle, end: { x, y: to }, angle: below ? 90 : -90, anchor: way.backward ? 'end' : 'start',
    name: { x: x + (way.backward ? -18 : 18), y: middle.y + 4 } };
}

/** Along the side of boxes that stand below each other. @param {Way} way @param {Place} a @param {Place} b @param {boolean} far @returns {Line} */
function aside(way, a, b, far) {
  const side = way.backward ? -1 : 1;
  const edge = way.backward ? a.left - 4 : a.right + 4;
  const x = edge + side * (far ? 26 : 15);
  const turn = b.y < a.y ? -1 : 1;
  const y1 = a.y + turn * (far ? -12 : 12);
  const y2 = b.y + turn * (far ? 12 : -12);
  return { path: `M${edge},${y1}H${x}V${y2}H${edge}`, middle: { x, y: (y1 + y2) / 2 + (far ? -30 : 30) }, end: { x: edge, y: y2 }, angle: side > 0 ? 180 : 0, anchor: 'start', name: null };
}

/** The head of an arrow that comes from an angle. @param {Point} end @param {number} angle in degrees */
function head({ x, y }, angle) {
  const turned = (/** @type {number} */ dx, /** @type {number} */ dy) => {
    const r = (angle * Math.PI) / 180;
    return `${(x + dx * Math.cos(r) - dy * Math.sin(r)).toFixed(1)},${(y + dx * Math.sin(r) + dy * Math.cos(r)).toFixed(1)}`;
  };
  return `M${turned(0, 0)}L${turned(-11, -6)}L${turned(-11, 6)}Z`;
}
