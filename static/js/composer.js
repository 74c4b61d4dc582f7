import { $ } from './dom.js';
import { isComposing } from './shortcuts.js';

/** Rows the box grows to. */
const ROWS_MAX = 8;

/** The box one writes in: a new message, a reply, or the new text of an old one. Each room has its own draft. */
export class Composer {
  #text = $('text');
  #mode = null;
  #room = null;
  #drafts;
  #acts;

  /**
   * @param {object} acts
   * @param {(text: string, replyTo?: string) => Promise<unknown>} acts.send rejects when it was not even kept
   * @param {(message: object, text: string) => Promise<unknown>} acts.edit
   * @param {() => void} acts.typing
   * @param {() => object | undefined} acts.lastOwn what the arrow key up edits
   * @param {import('./storage.js').SafeStorage} drafts
   */
  constructor(acts, drafts) {
    this.#acts = acts;
    this.#drafts = drafts;
    $('composer').addEventListener('submit', (event) => this.#submit(event));
    $('mode').querySelector('button').addEventListener('click', () => this.cancel());
    this.#text.addEventListener('keydown', (event) => this.#key(event));
    this.#text.addEventListener('input', () => {
      this.#fit();
      this.#keep();
      if (this.#text.value.trim() && this.#mode?.kind !== 'edit') acts.typing();
    });
  }

  /** Another room comes into view, with what was begun there. @param {string} room */
  switch(room) {
    this.#room = room;
    this.#set(null, this.#draft());
    this.#text.placeholder = `Write in #${room}`;
  }

  /** @param {object} message */
  edit(message) {
    this.#set({ kind: 'edit', message, label: 'Editing your message' }, message.text);
    this.#text.focus();
  }

  /** @param {object} message */
  reply(message) {
    const text = this.#mode?.kind === 'edit' ? this.#draft() : this.#text.value;
    this.#set({ kind: 'reply', message, label: `Replying to ${message.from.name}: ${message.text}` }, text);
    this.#text.focus();
  }

  /** Back to a new message. */
  cancel() {
    this.#set(null, this.#mode?.kind === 'edit' ? this.#draft() : this.#text.value);
    this.#text.focus();
  }

  #set(mode, text) {
    this.#mode = mode;
    $('mode').hidden = mode === null;
    $('mode').querySelector('span').textContent = mode?.label ?? '';
    this.#text.value = text;
    this.#fit();
  }

  #key(event) {
    if (isComposing(event)) return;
    if (event.key === 'Enter' && !event.shiftKey) this.#submit(event);
    else if (event.key === 'Escape' && this.#mode) this.cancel();
    else if (event.key === 'ArrowUp' && !event.altKey && this.#text.value === '' && this.#acts.lastOwn()) {
      event.preventDefault();
      this.edit(this.#acts.lastOwn());
    }
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#text.value.trim();
    if (!text) return;
    const [room, mode] = [this.#room, this.#mode];
    const edits = mode?.kind === 'edit';
    const left = edits ? this.#draft() : '';
    this.#set(null, left);
    this.#keep();
    const done = edits ? this.#acts.edit(mode.message, text) : this.#acts.send(text, mode?.message.id);
    // What was refused comes back, unless something else was begun meanwhile.
    done.catch(() => {
      if (this.#room !== room || this.#mode || this.#text.value !== left) return;
      this.#set(mode, text);
      this.#keep();
    });
  }

  // An edit is no draft: what was begun before it comes back after.
  #keep() {
    if (this.#mode?.kind === 'edit') return;
    if (this.#text.value) this.#drafts.set(this.#place, this.#text.value);
    else this.#drafts.remove(this.#place);
  }

  #draft() {
    return this.#drafts.get(this.#place) ?? '';
  }

  get #place() {
    return `hubbub.draft/${this.#room}`;
  }

  // As high as the text, within reason. While that is measured its form keeps its height, or the messages would get
  // room for a moment, and scroll for it.
  #fit() {
    const { style } = this.#text;
    const form = $('composer');
    const line = parseFloat(getComputedStyle(this.#text).lineHeight);
    form.style.minHeight = `${form.offsetHeight}px`;
    style.height = 'auto';
    const frame = this.#text.offsetHeight - this.#text.clientHeight;
    style.height = this.#text.value === '' ? '' : `${Math.min(this.#text.scrollHeight + frame, line * (ROWS_MAX + 1))}px`;
    form.style.minHeight = '';
  }
}
