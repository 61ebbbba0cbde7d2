// @ts-check
// The sagas under way, beside what breaks them, and what has become of the last ones.

import { now } from '../clock.js';
import { el, pressed, redraw } from '../dom.js';
import { ended, follow, look, why } from '../sagas/feed.js';
import { SagaList } from '../sagas/list.js';
import { span } from '../text.js';

/** As many are shown. */
const MOST = 8;

export class UnderWay {
  constructor() {
    this.sagas = new SagaList();
    this.element = el('section', { 'aria-label': 'Sagas under way' });
    this.connected = true;
  }

  open() {
    follow('', (update) => { this.sagas.add(update); this.draw(); }, (connected) => { this.connected = connected; this.draw(); });
    setInterval(() => document.hidden || this.draw(), 1000); // ages grow
  }

  draw() {
    if (pressed(this.element)) return;
    const open = this.sagas.list.filter((row) => !ended(row));
    const shown = [...open, ...this.sagas.list.filter(ended)].slice(0, MOST);
    redraw(this.element, el('h2', {}, 'Sagas under way', el('span.badge', { 'data-is': 'underway', 'data-count': open.length }, String(open.length))),
      shown.length > 0 && el('ul', {}, ...shown.map((row) => el('li', { 'data-order': row.order },
        el(`span.state.${look(row)[1]}`, {}, look(row)[0]), ' ', el('a', { href: `/order?id=${row.order}` }, row.what),
        el('small', {}, `${why(row) || row.step}, ${ended(row) ? 'took' : 'for'} ${span((ended(row) ? Date.parse(row.at) : now()) - Date.parse(row.began))}`)))),
      el('p.hint', {}, this.connected ? el('a', { href: '/place' }, 'Place many orders at a rate') : 'The console does not answer.'));
  }
}
