/**
 * Waiting times between attempts to connect: exponential with full jitter, 0.5–30 s
 * (PROTOCOL.md section 3). The jitter covers the whole range on purpose: after a server dies, its
 * clients must not come back in step.
 */
export class Backoff {
  #floorMs;
  #capMs;
  #random;
  #attempt = 0;

  /**
   * @param {object} [options]
   * @param {number} [options.floorMs] shortest wait, milliseconds
   * @param {number} [options.capMs] longest wait, milliseconds
   * @param {() => number} [options.random] uniform in [0, 1)
   */
  constructor({ floorMs = 500, capMs = 30_000, random = Math.random } = {}) {
    this.#floorMs = floorMs;
    this.#capMs = capMs;
    this.#random = random;
  }

  /**
   * The next wait: uniform between the floor and a ceiling that doubles with every call.
   * @returns {number} milliseconds
   */
  next() {
    this.#attempt += 1;
    const ceiling = Math.min(this.#capMs, this.#floorMs * 2 ** this.#attempt);
    return Math.round(this.#floorMs + this.#random() * (ceiling - this.#floorMs));
  }

  /** Starts over, after a connection that held. */
  reset() {
    this.#attempt = 0;
  }
}
