/** The server repeats `typing` every 3 s; after this long without it, it is over (PROTOCOL.md section 3). */
const OVER_MS = 6_000;

/** Who is writing in the room in view. */
export class Typing {
  #show;
  #timers;
  #writers = new Map();

  /**
   * @param {(sentence: string) => void} show
   * @param {import('./connection.js').Timers} timers
   */
  constructor(show, timers) {
    this.#show = show;
    this.#timers = timers;
  }

  /** @param {{id: string, name: string}} user */
  start({ id, name }) {
    this.#timers.clear(this.#writers.get(id)?.timer);
    this.#writers.set(id, { name, timer: this.#timers.set(() => this.stop(id), OVER_MS) });
    this.#tell();
  }

  /** @param {string} id */
  stop(id) {
    this.#timers.clear(this.#writers.get(id)?.timer);
    if (this.#writers.delete(id)) this.#tell();
  }

  /** For another room, or when the connection is lost. */
  clear() {
    [...this.#writers.keys()].forEach((id) => this.stop(id));
  }

  #tell() {
    const names = [...this.#writers.values()].map(({ name }) => name);
    if (names.length === 0) this.#show('');
    else if (names.length > 3) this.#show('Several people are typing…');
    else this.#show(`${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} typing…`);
  }
}
