// @ts-check
// Break things: faults at points of the code, killed processes, paused consumers, and a gateway that misbehaves.
// The page shows the system's state, and keeps none of its own.

import { ask, watch } from '../api.js';
import { el, pressed, redraw } from '../dom.js';
import { armed, fired, FaultForm } from './faults.js';
import { GatewayForm } from './gateway.js';
import { processes } from './processes.js';
import { UnderWay } from './underway.js';

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
    const { points } = await ask('GET', '/break');
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
    this.head = [el('h1', {}, 'Break things'), el('p.about', {}, 'Everything here really happens. Running orders are affected, and must end correctly all the same.')];
    this.parts = { armed: el('section.armed'), fired: el('section.fired'), processes: el('section.processes', { 'aria-label': 'Services' }) };
    /** What has become of the last thing that was done to a process. @type {Map<string, {text: string, wrong: boolean}>} */ this.notes = new Map();
    /** @type {Picture | null} */ this.picture = null;
  }

  /** @param {string} why nothing can be broken here */
  refuse(why) {
    this.root.replaceChildren(el('div.forms', {}, ...this.head, el('p.note', { role: 'status', 'data-is': 'off' }, `Nothing can be broken here: ${why}.`)));
  }

  /** @param {Point[]} points */
  open(points) {
    this.gateway = new GatewayForm(this.does);
    const form = new FaultForm(points, this.does);
    const underWay = new UnderWay();
    this.root.replaceChildren(el('div.forms', {}, ...this.head, this.note,
      el('div.columns', {}, this.parts.processes, underWay.element, form.element, el('div.forms', {}, this.parts.armed, this.parts.fired), this.gateway.element)));
    underWay.open();
    watch('/break/watch', 'message', (picture) => this.see(picture), (connected) => this.connected(connected));
    setInterval(() => document.hidden || this.draw(), 1000); // armed faults expire
  }

  /** @param {Picture} picture */
  see(picture) {
    this.picture = picture;
    this.gateway?.see(picture.gateway);
    this.draw();
  }

  draw() {
    if (!this.picture) return;
    const { armed: faults, fired: log, processes: services } = this.parts;
    if (!pressed(faults)) redraw(faults, ...armed(this.picture, this.does));
    if (!pressed(log)) redraw(log, ...fired(this.picture));
    if (!pressed(services)) redraw(services, ...processes(this.picture, this.doesTo, this.noteOf));
  }

  /** @param {boolean} connected */
  connected(connected) {
    if (connected === this.was) return;
    this.was = connected;
    this.show(connected ? '' : 'The console does not answer. What is shown is old; it continues by itself when the console is back.', !connected);
  }

  /** Does something, and shows that it is done or what went wrong. @type {import('./faults.js').Does} */
  does = async (what, done) => {
    try {
      await what();
      this.show(done);
    } catch (error) {
      this.show(/** @type {Error} */ (error).message, true);
    }
  };

  /** The same for a process: what has become of it stands beside the process. @param {string} process @returns {import('./faults.js').Does} */
  doesTo = (process) => async (what, done) => {
    try {
      await what();
      this.notes.set(process, { text: done, wrong: false });
    } catch (error) {
      this.notes.set(process, { text: /** @type {Error} */ (error).message, wrong: true });
    }
    this.draw();
  };

  /** @param {string} process */
  noteOf = (process) => {
    const note = this.notes.get(process);
    return note ? el('p.note', { role: 'status', 'data-is': note.wrong ? 'wrong' : 'done', 'data-note': process }, note.text) : null;
  };

  /** @param {string} text @param {boolean} [wrong] */
  show(text, wrong) {
    this.note.textContent = text;
    this.note.dataset.is = wrong ? 'wrong' : 'done';
  }
}
