// @ts-check
// One thing that waits for a person: how it stands, what was done, and what can be done now.

import { el } from '../simulator/dom.js';
import { ask, change, newKey, operator } from './ask.js';

/** @typedef {{at: string, by: string, why: string, action: string, before: object, after: object}} Done */

/** Something that can be done: what is pressed, what it means, and fields that it asks for. @typedef {{does: string, means: string, fields?: Node[]}} Choice */

export class Case {
  /** @param {string} things as in addresses @param {string} name service/id, or '' for none @param {() => void} changed */
  constructor(things, name, changed) {
    [this.name, this.changed] = [name, changed];
    this.path = `/api/operate/${things}/${name.split('/').map(encodeURIComponent).join('/')}`;
    this.place = el('div');
    this.shown = '';
    this.said = '';
    this.key = '';
    if (name) this.read();
  }

  /** Reads it again, and draws it when it has changed: whoever is writing is not disturbed otherwise. */
  async read() {
    if (!this.name) return;
    try {
      const details = await ask(this.path);
      if (JSON.stringify(details) === this.shown) return;
      this.shown = JSON.stringify(details);
      this.key = newKey();
      this.draw(details);
    } catch (error) {
      if (!this.shown) this.place.replaceChildren(el('p.note', { role: 'status' }, /** @type {Error} */ (error).message));
    }
  }

  /** @param {any} _details */
  draw(_details) {}

  /** @param {string} title @param {...(Node | string | null | false)} children */
  fill(title, ...children) {
    this.place.replaceChildren(el('section', { 'aria-label': title }, el('h2', {}, `${title} in ${this.name.split('/')[0]}`), ...children,
      el('p.note', { role: 'status', 'data-is': 'said' }, this.said)));
  }

  /** @param {Done[]} actions */
  history(actions) {
    if (!actions.length) return el('p.note', {}, 'Nobody has done anything about it yet.');
    return el('ol.history', { 'aria-label': 'What was done' }, ...actions.map((a) => el('li', {},
      `${moment(a.at)}: `, el('b', {}, a.action), ` by ${a.by}: ${a.why}`, el('small', {}, `${JSON.stringify(a.before)} → ${JSON.stringify(a.after)}`))));
  }

  /** @param {Choice[]} choices @param {(does: string, said: Record<string, string>) => {action: string, wish: object}} wished */
  form(choices, wished) {
    const why = /** @type {HTMLInputElement | null} */ (this.place.querySelector('[name=why]'))?.value ?? '';
    const button = el('button', { type: 'submit', 'data-does': 'repair' }, 'Do it');
    const more = el('div.more');
    const choose = () => {
      const chosen = /** @type {HTMLInputElement | null} */ (form.querySelector('[name=step]:checked'))?.value;
      more.replaceChildren(...(choices.find((c) => c.does === chosen)?.fields ?? []));
    };
    const form = /** @type {HTMLFormElement} */ (el('form', { oninput: () => { this.key = newKey(); },
      onsubmit: (/** @type {SubmitEvent} */ e) => {
        e.preventDefault();
        const { step, by, why, ...said } = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form)));
        operator.name = by;
        this.act(step, () => {
          const { action, wish } = wished(step, said);
          return { action, wish: { by, why, ...wish } };
        }, button);
      } },
      el('fieldset', {}, el('legend', {}, 'What can be done'), ...choices.map((c) => el('label', {},
        el('input', { type: 'radio', name: 'step', value: c.does, required: true, onchange: choose }), el('span', {}, el('b', {}, c.does), `: ${c.means}`)))),
      more, field('by', 'Who does it; it is kept', operator.name), field('why', 'Why; it is kept', why), button));
    return form;
  }

  /** Sends what is wanted, for what is shown. @param {string} step @param {() => {action: string, wish: object}} wished @param {HTMLElement} button */
  async act(step, wished, button) {
    button.setAttribute('disabled', '');
    try {
      const { action, wish } = wished();
      const done = await change(`${this.path}/${action}`, this.key, wish);
      this.said = `Done: ${step}, by ${operator.name}${done.outcome ? ` (${done.outcome}${done.outcome === 'failed' ? `: ${done.reason}` : ''})` : ''}.`;
      await this.read();
      this.changed();
    } catch (error) {
      this.said = /** @type {Error} */ (error).message;
    }
    button.removeAttribute('disabled');
    const note = this.place.querySelector('[data-is=said]');
    if (note) note.textContent = this.said;
  }
}

/** @param {string} name @param {string} title @param {string} value */
export function field(name, title, value) {
  return el('label.field', {}, title, el('input', { type: 'text', name, value, required: true, maxlength: 200, autocomplete: 'off' }));
}

/** @param {string} at */
export const moment = (at) => new Date(at).toLocaleString('en-GB');

/** What is known of a thing, by name. @param {Record<string, any>} known */
export function stands(known) {
  return el('dl.stands', {}, ...Object.entries(known).flatMap(([k, v]) => [el('dt', {}, k), el('dd', {}, typeof v === 'object' ? JSON.stringify(v) : String(v))]));
}
