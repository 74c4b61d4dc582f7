import { $ } from './dom.js';

/** The box one writes in: a new message, a reply, or the new text of an old one. */
export class Composer {
  #text = $('text');
  #mode = null;

  /**
   * @param {object} acts
   * @param {(text: string, replyTo?: string) => void} acts.send
   * @param {(message: object, text: string) => void} acts.edit
   * @param {() => void} acts.typing
   * @param {() => object | undefined} acts.lastOwn what the arrow key up edits
   */
  constructor(acts) {
    this.acts = acts;
    $('composer').addEventListener('submit', (event) => this.#submit(event));
    $('mode').querySelector('button').addEventListener('click', () => this.cancel());
    this.#text.addEventListener('keydown', (event) => this.#key(event));
    this.#text.addEventListener('input', () => {
      this.#fit();
      if (this.#text.value.trim() && this.#mode?.kind !== 'edit') acts.typing();
    });
  }

  /** @param {object} message */
  edit(message) {
    this.#enter({ kind: 'edit', message }, 'Editing your message', message.text);
  }

  /** @param {object} message */
  reply(message) {
    this.#enter({ kind: 'reply', message }, `Replying to ${message.from.name}`, this.#text.value);
  }

  /** Back to a new message. */
  cancel() {
    const text = this.#mode?.kind === 'edit' ? '' : this.#text.value;
    this.#enter(null, '', text);
  }

  #enter(mode, label, text) {
    this.#mode = mode;
    $('mode').hidden = mode === null;
    $('mode').querySelector('span').textContent = label;
    this.#text.value = text;
    this.#text.focus();
    this.#fit();
  }

  #key(event) {
    if (event.isComposing) return; // Enter then belongs to the input method
    if (event.key === 'Enter' && !event.shiftKey) this.#submit(event);
    else if (event.key === 'Escape' && this.#mode) this.cancel();
    else if (event.key === 'ArrowUp' && this.#text.value === '' && this.acts.lastOwn()) {
      event.preventDefault();
      this.edit(this.acts.lastOwn());
    }
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#text.value.trim();
    if (!text) return;
    const { kind, message } = this.#mode ?? {};
    this.#enter(null, '', '');
    if (kind === 'edit') this.acts.edit(message, text);
    else this.acts.send(text, message?.id);
  }

  // As many rows as the text has, within reason.
  #fit() {
    this.#text.rows = Math.min(6, this.#text.value.split('\n').length);
  }
}
