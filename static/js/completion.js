import { $, element, face, roleBadge } from './dom.js';
import { fold } from './mentions.js';
import { nameAt, namesLike } from './naming.js';
import { isComposing } from './shortcuts.js';

/**
 * Names to pick from while somebody writes `@`: arrows to move, Enter or Tab to take, Escape to leave it. The box is a
 * combobox only as long as there is a list: otherwise it is a text box of several lines, and is to be read out as one.
 */
export class Completion {
  #text = $('text');
  #list = $('names');
  #people;
  #found = [];
  #at = 0;
  #from = 0;
  #left = -1; // the `@` that somebody wants no list for

  /** @param {() => {id: string, name: string, role: string}[]} people who can be named, likeliest first */
  constructor(people) {
    this.#people = people;
    // Before the box itself hears of it: Enter would send.
    this.#text.addEventListener('keydown', (event) => this.#key(event), { capture: true });
    for (const change of ['input', 'click', 'focus']) this.#text.addEventListener(change, () => this.#look());
    this.#text.addEventListener('keyup', ({ key }) => ['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(key) && this.#look());
    this.#text.addEventListener('blur', () => this.#close());
    addEventListener('hashchange', () => this.#close()); // another room has another draft
    // The box keeps the focus.
    this.#list.addEventListener('pointerdown', (event) => event.preventDefault());
    this.#list.addEventListener('click', ({ target }) => this.#take([...this.#list.children].indexOf(target.closest('[role="option"]'))));
    this.#look();
  }

  #look() {
    const { value, selectionStart, selectionEnd } = this.#text;
    const name = document.activeElement === this.#text && selectionStart === selectionEnd ? nameAt(value, selectionStart) : null;
    if (name?.from !== this.#left) this.#left = -1;
    const found = name && this.#left < 0 ? namesLike(this.#people(), name.begun) : [];
    if (found.length === 0) return this.#close();
    const same = name.from === this.#from && found.length === this.#found.length && found.every(({ id }, at) => id === this.#found[at].id);
    this.#from = name.from;
    if (same) return;
    this.#found = found;
    this.#list.replaceChildren(...found.map((user, at) =>
      element('div', { id: `name-${at}`, role: 'option' }, face(user), element('bdi', {}, user.name), roleBadge(user))));
    this.#list.hidden = false;
    this.#text.role = 'combobox';
    this.#text.ariaExpanded = 'true';
    this.#text.setAttribute('aria-controls', this.#list.id);
    this.#mark(0);
  }

  #mark(at) {
    this.#at = at;
    [...this.#list.children].forEach((option, each) => (option.ariaSelected = String(each === at)));
    this.#text.setAttribute('aria-activedescendant', `name-${at}`);
    this.#list.children[at].scrollIntoView({ block: 'nearest' });
  }

  #key(event) {
    if (this.#found.length === 0 || isComposing(event) || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const count = this.#found.length;
    if (nameAt(this.#text.value, this.#text.selectionStart)?.from !== this.#from) return this.#close();
    if (event.key === 'ArrowDown') this.#mark((this.#at + 1) % count);
    else if (event.key === 'ArrowUp') this.#mark((this.#at + count - 1) % count);
    else if (event.key === 'Tab') this.#take(this.#at);
    else if (event.key === 'Enter') {
      if (this.#whole()) return this.#close(); // nothing to complete: it is sent
      this.#take(this.#at);
    } else if (event.key === 'Escape') {
      this.#left = this.#from;
      this.#close();
    } else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  #whole() {
    return fold(this.#text.value.slice(this.#from + 1, this.#text.selectionStart)) === fold(this.#found[this.#at].name);
  }

  #take(at) {
    const user = this.#found[at];
    if (!user) return;
    const rest = this.#text.value[this.#text.selectionStart] === ' ' ? '' : ' ';
    this.#text.setRangeText(`@${user.name}${rest}`, this.#from, this.#text.selectionStart, 'end');
    this.#left = this.#from;
    this.#close();
    this.#text.dispatchEvent(new Event('input', { bubbles: true }));
  }

  #close() {
    this.#found = [];
    if (this.#list.hidden) return;
    this.#list.hidden = true;
    for (const name of ['role', 'aria-expanded', 'aria-controls', 'aria-activedescendant']) this.#text.removeAttribute(name);
  }
}
