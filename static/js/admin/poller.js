/** From the end of one look to the next, milliseconds. */
const EVERY_MS = 2_000;
/** What was seen longer ago is old, milliseconds: three looks were missed. */
const OLD_MS = 3 * EVERY_MS;

/**
 * Looks again and again while somebody watches. One look at a time; each begins {@link EVERY_MS} after the one before
 * has ended, so that a slow server is not asked more often.
 */
export class Poller {
  #look;
  #changed;
  #timers;
  #timer = null;
  #watched = false;
  #looking = false;
  #again = false;
  #good = null;
  #error = null;

  /**
   * @param {() => Promise<void>} look rejects when nothing could be seen
   * @param {() => void} changed after each look
   * @param {import('../connection.js').Timers} timers
   */
  constructor(look, changed, timers) {
    this.#look = look;
    this.#changed = changed;
    this.#timers = timers;
  }

  /** Somebody watches: looks at once. */
  start() {
    if (this.#watched) return;
    this.#watched = true;
    this.now();
  }

  /** Nobody does. */
  stop() {
    this.#watched = false;
    this.#timers.clear(this.#timer);
  }

  /** Looks at once, or again as soon as the look under way has ended: it may not have seen what changed. */
  now() {
    if (!this.#watched) return;
    if (this.#looking) this.#again = true;
    else this.#run();
  }

  /** What was seen is of somebody else now. */
  forget() {
    this.#good = this.#error = null;
  }

  /** @returns {Error | null} why the last look saw nothing */
  get error() {
    return this.#error;
  }

  /** @returns {number | null} how long ago something was seen, milliseconds */
  get ageMs() {
    return this.#good === null ? null : this.#timers.now() - this.#good;
  }

  /** @returns {boolean} whether what was seen is too old to be taken for what is now */
  get old() {
    return (this.ageMs ?? 0) > OLD_MS;
  }

  async #run() {
    this.#timers.clear(this.#timer);
    this.#looking = true;
    try {
      await this.#look();
      this.#good = this.#timers.now();
      this.#error = null;
    } catch (error) {
      this.#error = error;
    }
    this.#looking = false;
    this.#changed();
    const wait = this.#again ? 0 : Math.max(EVERY_MS, this.#error?.retryAfterMs ?? 0);
    this.#again = false;
    if (!this.#watched) return;
    this.#timer = this.#timers.set(() => this.#run(), wait);
  }
}
