import { $ } from './dom.js';

/** The server repeats `typing` every 3 s; after this long without it, it is over (PROTOCOL.md section 3). */
const OVER_MS = 6_000;

/** Who is writing in the room in view. */
export class Typing {
  #timers = new Map();

  /** @param {{id: string, name: string}} user */
  start({ id, name }) {
    clearTimeout(this.#timers.get(id)?.timer);
    this.#timers.set(id, { name, timer: setTimeout(() => this.stop(id), OVER_MS) });
    this.#show();
  }

  /** @param {string} id */
  stop(id) {
    clearTimeout(this.#timers.get(id)?.timer);
    if (this.#timers.delete(id)) this.#show();
  }

  /** For another room, or when the connection is lost. */
  clear() {
    [...this.#timers.keys()].forEach((id) => this.stop(id));
  }

  #show() {
    const names = [...this.#timers.values()].map(({ name }) => name);
    $('typing').textContent =
      names.length === 0 ? '' : names.length > 3 ? 'Several people are typing…' : `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} typing…`;
  }
}
