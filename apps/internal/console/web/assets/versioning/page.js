// @ts-check
// The API versioning explorer: four strategies, the place they are for, and the one that fits.

import { el, svg } from '../dom.js';
import { contexts, qualities, recommend, strategies } from './strategies.js';
import { stages } from './workflow.js';

/** @typedef {import('./strategies.js').Question} Question */
/** @typedef {import('./strategies.js').Strategy} Strategy */

/** @param {HTMLElement} root */
export async function mount(root) {
  const page = { question: read(location.search), opened: '', stage: 0 };
  const parts = { cards: el('div.cards'), best: el('div', { role: 'status', 'aria-live': 'polite' }), tools: el('div.tools', { role: 'status', 'aria-live': 'polite' }) };
  const show = () => {
    history.replaceState(null, '', write(page.question));
    const verdicts = recommend(page.question);
    parts.best.replaceChildren(recommendation(verdicts));
    const focused = document.activeElement?.getAttribute('data-card');
    parts.cards.replaceChildren(...strategies.map((s) => card(s, s === verdicts[0].strategy, page.opened === s.id, () => {
      page.opened = page.opened === s.id ? '' : s.id;
      show();
    })));
    if (focused) /** @type {HTMLElement | null} */ (parts.cards.querySelector(`[data-card="${focused}"]`))?.focus();
  };
  const explain = (/** @type {number} */ i) => parts.tools.replaceChildren(toolsOf(i));
  root.replaceChildren(el('div.versioning', {},
    el('header', {}, el('h1', {}, 'API versioning explorer'), el('p', {}, 'A contract changes, and not all consumers change with it. Choose the context and what matters there, and see which strategy fits and what it costs.')),
    el('div.three', {},
      el('section.strategies', {}, el('h2', {}, 'Strategies'), parts.cards),
      el('section.scenario', {}, el('h2', {}, 'Your scenario'), form(page.question, (question) => { page.question = question; show(); })),
      el('section.best', {}, el('h2', {}, 'Best fit'), parts.best)),
    el('section.workflow', {}, el('h2', {}, 'The contract comes first'), el('ol.stages', {}, ...stages.map((stage, i) => stageOf(stage, i, explain))), parts.tools)));
  show();
  explain(0);
}

const defaults = /** @type {Question} */ ({ context: 'public', weights: { performance: 2, modifiability: 1, simplicity: 1 }, breaking: false });
const degrees = ['does not matter', 'a little', 'much', 'most'];

/** @param {string} search @returns {Question} */
export function read(search) {
  const asked = new URLSearchParams(search);
  const context = /** @type {import('./strategies.js').Context} */ (asked.get('context') ?? '');
  const weight = (/** @type {import('./strategies.js').Quality} */ q) => (/^[0-3]$/.test(asked.get(q) ?? '') ? Number(asked.get(q)) : defaults.weights[q]);
  return { context: context in contexts ? context : defaults.context, breaking: asked.get('breaking') === 'yes',
    weights: { performance: weight('performance'), modifiability: weight('modifiability'), simplicity: weight('simplicity') } };
}

/** @param {Question} q */
export function write(q) {
  const query = new URLSearchParams({ context: q.context, ...Object.fromEntries(Object.entries(q.weights).map(([k, v]) => [k, String(v)])) });
  if (q.breaking) query.set('breaking', 'yes');
  return `?${query}`;
}

/** @param {Question} first @param {(question: Question) => void} changed */
function form(first, changed) {
  let question = first;
  const change = (/** @type {Partial<Question>} */ part) => changed((question = { ...question, ...part }));
  const choices = Object.entries(contexts).map(([id, name]) => el('label', {}, el('input', { type: 'radio', name: 'context', value: id, checked: id === first.context, onchange: () => change({ context: /** @type {any} */ (id) }) }), ' ', name));
  const sliders = Object.entries(qualities).map(([id, name]) => {
    const weight = first.weights[/** @type {keyof typeof first.weights} */ (id)];
    const label = el('output', {}, degrees[weight]);
    const range = /** @type {HTMLInputElement} */ (el('input', { type: 'range', min: 0, max: 3, step: 1, value: weight, name: id, 'aria-valuetext': degrees[weight], oninput: () => {
      label.textContent = degrees[Number(range.value)];
      range.setAttribute('aria-valuetext', degrees[Number(range.value)]);
      change({ weights: { ...question.weights, [id]: Number(range.value) } });
    } }));
    return el('label.slider', {}, el('span', {}, name), label, range);
  });
  const breaking = /** @type {HTMLInputElement} */ (el('input', { type: 'checkbox', name: 'breaking', checked: first.breaking, onchange: () => change({ breaking: breaking.checked }) }));
  return el('form', { onsubmit: (/** @type {Event} */ e) => e.preventDefault() },
    el('fieldset', {}, el('legend', {}, 'System context'), ...choices),
    el('fieldset', {}, el('legend', {}, 'What matters'), ...sliders),
    el('fieldset', {}, el('legend', {}, 'The change'), el('label', {}, breaking, ' It is not an addition: old consumers would misread it')));
}

/** @param {string} name @param {number} score @param {string} [note] */
function score(name, score, note) {
  return el('div.score', {}, el('dt', {}, name), el('dd', {}, el('span.bar', { 'aria-hidden': 'true' }, ...[1, 2, 3, 4, 5].map((n) => el(n <= score ? 'i.on' : 'i'))), ` ${score} of 5`, note && el('small', {}, ` ${note}`)));
}

/** @param {Strategy} s @param {boolean} best @param {boolean} open @param {() => void} toggle */
function card(s, best, open, toggle) {
  return el('article', { class: best ? 'card best-fit' : 'card', 'data-strategy': s.id },
    el('h3', {}, el('button', { type: 'button', 'data-card': s.id, 'aria-expanded': String(open), onclick: toggle }, s.name, best && el('span.badge', {}, 'best fit'))),
    el('p', {}, s.how),
    el('dl', {}, score('Modifiability', s.scores.modifiability), score('Complexity', s.scores.complexity), score('Consumer migration', s.scores.migration, s.scores.migration === 5 ? '(no consumer has to change)' : '')),
    open && el('div.more', {},
      el('h4', {}, 'For it'), el('ul', {}, ...[s.pro, ...s.pros].map((t) => el('li', {}, t))),
      el('h4', {}, 'Against it'), el('ul', {}, ...[s.con, ...s.cons].map((t) => el('li', {}, t))),
      el('h4', {}, 'When to use it'), el('p', {}, s.use), el('h4', {}, 'In this system'), el('p', {}, s.here)));
}

/** @param {import('./strategies.js').Verdict[]} verdicts */
function recommendation(verdicts) {
  const [best, ...others] = verdicts;
  return el('div', {},
    el('p.winner', { 'data-best': best.strategy.id }, best.strategy.name),
    el('h3', {}, 'Why'), el('ul', {}, ...best.reasons.map((t) => el('li', {}, t))),
    el('h3', {}, 'What it accepts'), el('ul.accepts', {}, ...best.accepts.map((t) => el('li', {}, t))),
    el('h3', {}, 'How they rank'), el('ol.others', {}, ...verdicts.map((v) => el('li', {}, el('span', {}, v.strategy.name), el('span.points', {}, `${v.points} points`)))),
    el('p.fine', {}, 'Points: twice how well it fits the context, and each score times what it matters to you. Performance and fit are this page’s own judgement, the other scores are the chapter’s.',
      others.length < 3 && ' Additive-only has no way to make such a change.'));
}

/** @param {import('./workflow.js').Stage} stage @param {number} i @param {(i: number) => void} explain */
function stageOf(stage, i, explain) {
  return el('li', {}, el('button', { type: 'button', 'data-stage': i, onmouseenter: () => explain(i), onfocus: () => explain(i), onclick: () => explain(i) },
    svg('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' }, svg('path', { d: stage.icon })), el('span', {}, el('b', {}, `${i + 1}. `), stage.title)));
}

/** @param {number} i */
function toolsOf(i) {
  const stage = stages[i];
  return el('div', { 'data-stage-shown': i }, el('p', {}, el('strong', {}, `${i + 1}. ${stage.title}. `), stage.what),
    el('p', {}, el('strong', {}, 'Tools: '), stage.tools.join('; '), '. ', el('strong', {}, 'Here: '), stage.here, '.'));
}
