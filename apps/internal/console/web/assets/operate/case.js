// @ts-check
// One incident or dead letter: its state, its history, and the actions that are possible now.

import { ask } from '../api.js';
import { el } from '../dom.js';
import { field, text } from '../forms.js';
import { moment } from '../text.js';

/** @typedef {{at: string, by: string, why: string, action: string, before: object, after: object}} Action an action that was taken */

/** An action that can be taken: its name, its meaning, and fields that it needs. @typedef {{action: string, means: string, fields?: Node[]}} Choice */

/** Who works here, remembered until the browser is closed. */
const operator = {
  get name() { return sessionStorage.getItem('operator') ?? ''; },
  set name(name) { sessionStorage.setItem('operator', name); },
};

/** A new key. Unlike randomUUID this works on pages without TLS, too. */
const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('');

export class Case {
  /** @param {string} kind as in addresses @param {string} name service/id, or '' for none @param {() => void} changed */
  constructor(kind, name, changed) {
    this.name = name;
    this.changed = changed;
    this.path = `/operate/${kind}/${name.split('/').map(encodeURIComponent).join('/')}`;
    this.place = el('div');
    this.shown = '';
    this.result = '';
    this.key = '';
    if (name) this.read();
  }

  /** Reads it, and draws it when it has changed: otherwise a person who is writing is not disturbed. */
  async read() {
    if (!this.name) return;
    try {
      const details = await ask('GET', this.path);
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
      el('p.note', { role: 'status', 'data-is': 'result' }, this.result)));
  }

  /** @param {Action[]} actions */
  history(actions) {
    if (!actions.length) return el('p.note', {}, 'No action was taken yet.');
    return el('ol.history', { 'aria-label': 'Actions taken' }, ...actions.map((a) => el('li', {},
      `${moment(a.at)}: `, el('b', {}, a.action), ` by ${a.by}: ${a.why}`, el('small', {}, `${JSON.stringify(a.before)} → ${JSON.stringify(a.after)}`))));
  }

  /** @param {Choice[]} choices @param {(action: string, fields: Record<string, string>) => {path: string, body: object}} request what the chosen action sends */
  form(choices, request) {
    const why = /** @type {HTMLInputElement | null} */ (this.place.querySelector('[name=why]'))?.value ?? '';
    const button = el('button', { type: 'submit', 'data-does': 'repair' }, 'Do it');
    const more = el('div.more');
    const choose = () => {
      const chosen = /** @type {HTMLInputElement | null} */ (form.querySelector('[name=step]:checked'))?.value;
      more.replaceChildren(...(choices.find((c) => c.action === chosen)?.fields ?? []));
    };
    const form = /** @type {HTMLFormElement} */ (el('form', { oninput: () => { this.key = newKey(); },
      onsubmit: (/** @type {SubmitEvent} */ e) => {
        e.preventDefault();
        const { step, by, why, ...fields } = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form)));
        operator.name = by;
        this.act(step, () => {
          const { path, body } = request(step, fields);
          return { path, body: { by, why, ...body } };
        }, button);
      } },
      el('fieldset', {}, el('legend', {}, 'Possible actions'), ...choices.map((c) => el('label', {},
        el('input', { type: 'radio', name: 'step', value: c.action, required: true, onchange: choose }), el('span', {}, el('b', {}, c.action), `: ${c.means}`)))),
      more, required('by', 'Your name; it is recorded', operator.name), required('why', 'The reason; it is recorded', why), button));
    return form;
  }

  /** Sends an action upon what is shown. @param {string} step @param {() => {path: string, body: object}} request @param {HTMLElement} button */
  async act(step, request, button) {
    button.setAttribute('disabled', '');
    try {
      const { path, body } = request();
      const { outcome, reason } = await ask('POST', `${this.path}/${path}`, body, this.key);
      this.result = `Done: ${step}, by ${operator.name}${outcome ? ` (${outcome}${outcome === 'failed' ? `: ${reason}` : ''})` : ''}.`;
      await this.read();
      this.changed();
    } catch (error) {
      this.result = /** @type {Error} */ (error).message;
    }
    button.removeAttribute('disabled');
    const note = this.place.querySelector('[data-is=result]');
    if (note) note.textContent = this.result;
  }
}

/** @param {string} name @param {string} title @param {string} value */
export const required = (name, title, value) => field(name, title, text({ value, required: true, maxlength: 200 }));

/** @param {Record<string, any>} values by name */
export function facts(values) {
  return el('dl.facts', {}, ...Object.entries(values).flatMap(([k, v]) => [el('dt', {}, k), el('dd', {}, typeof v === 'object' ? JSON.stringify(v) : String(v))]));
}
