import { $, element } from './dom.js';
import { findEmojis, moveIn } from './emojis.js';
import { isText } from './shortcuts.js';

/** The reactions to pick from: type to search, arrows to move, Enter to take. */
export class Picker {
  #dialog = $('picker');
  #input = $('emoji');
  #grid = $('emojis');
  #found = [];
  #at = 0;
  #pick = () => {};

  constructor() {
    this.#input.addEventListener('input', () => this.#search());
    // Not of the field alone: without a pointer that hovers, the focus is on the reactions.
    this.#dialog.addEventListener('keydown', (event) => this.#key(event));
    this.#grid.addEventListener('click', ({ target }) => this.#take(target.closest('[role="option"]')?.dataset.emoji));
    // Beside it is the dialog itself, and not what is in it.
    this.#dialog.addEventListener('click', ({ target, clientX, clientY }) => target === this.#dialog && !within(this.#dialog, clientX, clientY) && this.#dialog.close());
  }

  /**
   * @param {HTMLElement} beside
   * @param {(emoji: string) => void} pick
   */
  open(beside, pick) {
    this.#pick = pick;
    this.#input.value = '';
    this.#search();
    this.#dialog.showModal();
    if (matchMedia('(hover: none)').matches) this.#grid.focus(); // the search would bring a keyboard over it
    this.#place(beside.getBoundingClientRect());
  }

  #place({ top, bottom, right }) {
    const { offsetWidth, offsetHeight, style } = this.#dialog;
    const wide = innerWidth > offsetWidth * 1.5;
    this.#dialog.classList.toggle('placed', wide);
    style.left = wide ? `${Math.max(8, Math.min(right - offsetWidth, innerWidth - offsetWidth - 8))}px` : '';
    style.top = wide ? `${bottom + offsetHeight + 8 < innerHeight ? bottom + 4 : Math.max(8, top - offsetHeight - 4)}px` : '';
  }

  #search() {
    this.#found = findEmojis(this.#input.value);
    this.#at = 0;
    this.#grid.replaceChildren(...this.#found.map(([emoji, names], at) =>
      element('div', { id: `emoji-${at}`, role: 'option', title: names, ariaLabel: `${emoji} ${names}`, data: { emoji } }, emoji)));
    if (this.#found.length === 0) this.#grid.append(element('p', { role: 'option', ariaDisabled: 'true', ariaSelected: 'false' }, 'Nothing of that name'));
    this.#mark();
  }

  #key(event) {
    const to = moveIn(event.key, this.#at, this.#found.length);
    if (event.key === 'Enter') this.#take(this.#found[this.#at]?.[0]);
    else if (to === null) {
      if (isText(event)) this.#input.focus(); // where the character then goes
      return;
    } else this.#at = to;
    event.preventDefault();
    this.#mark();
  }

  #mark() {
    [...this.#grid.querySelectorAll('[data-emoji]')].forEach((option, at) => (option.ariaSelected = String(at === this.#at)));
    for (const node of [this.#input, this.#grid]) node.setAttribute('aria-activedescendant', this.#found.length ? `emoji-${this.#at}` : '');
    $(`emoji-${this.#at}`)?.scrollIntoView({ block: 'nearest' });
  }

  #take(emoji) {
    if (!emoji) return;
    this.#dialog.close();
    this.#pick(emoji);
  }
}

function within(node, x, y) {
  const { left, right, top, bottom } = node.getBoundingClientRect();
  return x >= left && x <= right && y >= top && y <= bottom;
}
