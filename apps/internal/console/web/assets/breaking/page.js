// @ts-check
// Break things: faults at points of the code, processes that die, consumers that stand still, and a gateway that
// behaves badly. What is shown is what there is; the page remembers nothing.

import { ask, redraw, watch } from '../hands/ask.js';
import { el } from '../simulator/dom.js';
import { armed, fired, FaultForm } from './faults.js';
import { GatewayForm } from './gateway.js';
import { processes } from './processes.js';

/**
 * @typedef {{point: string, sentence: string, services?: string[]}} Point
 * @typedef {{id: string, point: string, kind: string, text?: string, delay?: string, order?: string, times: number, percent?: number, for?: string, since: string, hits: number, fired: number, holding: number}} Fault
 * @typedef {{at: string, pid: number, point: string, kind: string, order?: string}} Fired
 * @typedef {{name: string, service: string, answers: boolean, pid?: number, since?: string, paused_for: string, waiting: number, faults: Fault[], fired: Fired[]}} Process
 * @typedef {{processes: Process[], gateway: Record<string, any> | null}} Picture
 */

/** @param {HTMLElement} root */
export async function mount(root) {
  const page = new Break(root);
  try {
    const { points } = await ask('GET', '/api/break');
    page.open(points);
  } catch (error) {
    page.refuse(/** @type {Error} */ (error).message);
  }
}

class Break {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.note = el('p.note', { role: 'status' });
    this.head = [el('h1', {}, 'Break things'), el('p.about', {}, 'Everything here really happens. Orders that are under way meet it, and must come to their end all the same.')];
    this.parts = { armed: el('section.armed'), fired: el('section.fired'), processes: el('section.processes', { 'aria-label': 'Services' }) };
    /** @type {Picture | null} */ this.picture = null;
  }

  /** @param {string} why nothing can be broken here */
  refuse(why) {
    this.root.replaceChildren(el('div.hands', {}, ...this.head, el('p.note', { role: 'status', 'data-is': 'off' }, `Nothing can be broken here: ${why}.`)));
  }

  /** @param {Point[]} points */
  open(points) {
    this.gateway = new GatewayForm((what, says) => this.does(what, says));
    const form = new FaultForm(points, (what, says) => this.does(what, says));
    this.root.replaceChildren(el('div.hands', {}, ...this.head, this.note,
      el('div.columns', {}, form.element, el('div.hands', {}, this.parts.armed, this.parts.fired), this.parts.processes, this.gateway.element)));
    watch('/api/break/watch', (picture) => this.see(picture), (connected) => this.connected(connected));
    setInterval(() => document.hidden || this.draw(), 1000); // what is armed comes closer to its end
  }

  /** @param {Picture} picture */
  see(picture) {
    this.picture = picture;
    this.gateway?.see(picture.gateway);
    this.draw();
  }

  draw() {
    if (!this.picture) return;
    const does = (/** @type {() => Promise<any>} */ what, /** @type {string} */ says) => this.does(what, says);
    redraw(this.parts.armed, ...armed(this.picture, does));
    redraw(this.parts.fired, ...fired(this.picture));
    redraw(this.parts.processes, ...processes(this.picture, does));
  }

  /** @param {boolean} connected */
  connected(connected) {
    if (connected === this.was) return;
    this.was = connected;
    this.say(connected ? '' : 'The console does not answer. What is shown is how it was; it goes on by itself when the console is back.', !connected);
  }

  /** Does something, and says that it is done or what went wrong. @param {() => Promise<any>} what @param {string} says */
  async does(what, says) {
    try {
      await what();
      this.say(says);
    } catch (error) {
      this.say(/** @type {Error} */ (error).message, true);
    }
  }

  /** @param {string} text @param {boolean} [wrong] */
  say(text, wrong) {
    this.note.textContent = text;
    this.note.dataset.is = wrong ? 'wrong' : 'done';
  }
}
