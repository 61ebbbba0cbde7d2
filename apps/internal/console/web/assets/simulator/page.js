// @ts-check
// The saga flow simulator: one picture and one set of buttons, over a model in the browser or over a real order.

import { ask } from '../api.js';
import { read, write } from './address.js';
import { controls } from './controls.js';
import { el, svg } from '../dom.js';
import { boxes, draw } from './drawing.js';
import { Live } from './live.js';
import { payloadPanel, sentence, statePanel, stepList, toLookAt } from './panels.js';
import { FAIL, NEXT, play, possible, upNext } from './play.js';
import { scenarioOf } from './scenarios.js';

/** @typedef {import('./model.js').Flow} Flow */

/** @param {HTMLElement} root */
export async function mount(root) {
  new Simulator(root, await ask('GET', '/flow'), await Live.able()).open();
}

class Simulator {
  /** @param {HTMLElement} root @param {Flow} flow @param {{live: boolean, why?: string}} able */
  constructor(root, flow, able) {
    this.root = root;
    this.flow = flow;
    this.able = able;
    this.happy = play(flow, 'nnnnnn');
    this.place = read(location.search);
    this.live = new Live(flow, () => this.render());
    this.looked = /** @type {number | null} */ (null);
    this.busy = '';
    this.canvas = /** @type {SVGElement} */ (svg('svg.arrows', { 'aria-hidden': 'true' }));
    this.parts = { controls: el('div.controls'), state: el('div'), boxes: el('ol.services', { 'aria-label': 'Services' }), payload: el('div'), steps: el('div'),
      status: el('p.status', { role: 'status', 'aria-live': 'polite' }) };
  }

  open() {
    const { controls: buttons, state, boxes: list, payload, steps, status } = this.parts;
    this.stage = el('div.stage', {}, this.canvas, list);
    this.root.replaceChildren(el('div.simulator', {},
      el('header', {}, el('h1', {}, 'Saga flow simulator'), el('p', {}, 'An order crosses four services with four databases, without a common transaction. Follow it forward, make any step fail, and see the compensation.'), el('section', { 'aria-label': 'Saga state' }, state)),
      buttons, el('section.picture', { 'aria-label': 'The flow' }, this.stage), status,
      el('div.panels', {}, el('section.payload', {}, el('h2', {}, 'Event payload'), payload), el('section', {}, el('h2', {}, 'Steps'), steps))));
    new ResizeObserver(() => this.draw()).observe(this.stage);
    addEventListener('popstate', () => this.go(read(location.search), false));
    document.addEventListener('keydown', (e) => this.key(e));
    if (this.place.live && this.place.order && this.able.live) this.live.attach(this.place.order);
    this.render();
  }

  get saga() {
    return this.place.live ? this.live.saga : play(this.flow, this.place.presses);
  }

  /** What the scenario does next, as long as it is followed. */
  get planned() {
    const { plays } = scenarioOf(this.place.scenario);
    return plays.startsWith(this.place.presses) ? plays[this.place.presses.length] : undefined;
  }

  render() {
    const saga = this.saga;
    const next = upNext(this.flow, saga);
    if (!saga.messages.some((m) => m.id === this.looked && m.open.length > 0)) this.looked = null;
    const active = this.looked ?? toLookAt(saga, next?.message);
    const { controls: buttons, state, boxes: list, payload, steps, status } = this.parts;
    controls(buttons, this);
    state.replaceChildren(statePanel(this.flow, saga));
    list.replaceChildren(...boxes(this.flow, saga));
    payload.replaceChildren(payloadPanel(this.flow, saga, active, (id) => this.look(id)));
    steps.replaceChildren(stepList(saga, this.place.live ? null : (count) => this.goToStep(count)));
    const last = saga.steps.at(-1);
    const text = this.live.problem && this.place.live ? this.live.problem : this.busy || (last ? `${last.label === '·' ? '' : `Step ${last.label}: `}${sentence(saga, last)}` : this.place.live && this.live.order ? 'The order is stored, and its first event is about to be held.' : scenarioOf(this.place.scenario).about);
    if (status.textContent !== text) status.textContent = text;
    this.active = active;
    this.draw();
  }

  draw() {
    if (this.stage) draw(this.canvas, this.stage, this.flow, this.saga, this.happy, this.active ?? null);
  }

  /** @param {number} id */
  look(id) {
    this.looked = id;
    this.render();
  }

  /** @param {Partial<import('./address.js').Place>} place @param {boolean} [remember] */
  go(place, remember = true) {
    this.place = { ...this.place, ...place };
    this.looked = null;
    if (remember) history.replaceState(null, '', write(this.place));
    this.render();
  }

  /** As many presses as it takes for so many steps; each press is one. @param {number} count */
  goToStep(count) {
    this.go({ presses: this.place.presses.slice(0, count) });
  }

  /** @param {string} press */
  press(press) {
    if (press in possible(this.flow, this.saga)) this.go({ presses: this.place.presses + press });
  }

  next() {
    if (this.place.live) return this.run(() => (this.live.order ? this.live.step() : this.begin(scenarioOf(this.place.scenario).live ?? '')));
    this.press(this.planned ?? NEXT);
  }

  back() {
    if (!this.place.live) this.goToStep(Math.max(0, this.place.presses.length - 1));
  }

  fail() {
    if (!this.place.live) return this.press(FAIL);
    const how = this.live.failure;
    if (how === 'crash') return this.run(() => this.live.step(true));
    if (how) return this.run(() => this.live.replay(how, (text) => this.show(text)).then(() => this.go({ order: this.live.order })));
  }

  async reset() {
    if (this.place.live) await this.run(() => this.live.release());
    this.live.forget();
    this.go({ presses: '', order: '' });
  }

  /** @param {string} ending */
  async begin(ending) {
    await this.live.place(ending);
    this.go({ order: this.live.order });
  }

  /** Does something to the real order, and shows what went wrong. @param {() => Promise<any>} what */
  async run(what) {
    if (this.busy) return;
    this.show('…');
    try {
      await what();
      this.show('');
    } catch (error) {
      this.busy = '';
      this.live.report(/** @type {Error} */ (error).message);
    }
  }

  /** @param {string} text */
  show(text) {
    this.busy = text;
    this.render();
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    const target = /** @type {HTMLElement} */ (e.target);
    if (!this.root.isConnected || e.ctrlKey || e.metaKey || e.altKey || target.closest('input, select, textarea, pre')) return;
    if (e.key === 'ArrowRight') this.next();
    else if (e.key === 'ArrowLeft') this.back();
    else return;
    e.preventDefault();
  }
}
