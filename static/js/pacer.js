/** A drawing quicker than this needs no rest, milliseconds. */
const CHEAP_MS = 4;
/** Rest after a drawing, in its own lengths: at most a quarter of the time goes into drawing. */
const REST = 3;
/** Longest rest, milliseconds: what is shown is never older. */
const REST_MAX_MS = 200;

/**
 * Joins requests to draw into one for each frame, and draws less often when drawing is dear, so that
 * a flood of messages leaves time for keys and clicks.
 */
export class Pacer {
  #draw;
  #page;
  #asked = false;
  #restUntil = 0;

  /**
   * @param {() => void} draw
   * @param {object} [page] tests put their own there
   * @param {(then: () => void) => void} [page.frame] before the next frame
   * @param {(then: () => void, ms: number) => void} [page.later]
   * @param {() => number} [page.now] milliseconds
   */
  constructor(draw, { frame = requestFrame, later = (then, ms) => setTimeout(then, ms), now = () => performance.now() } = {}) {
    this.#draw = draw;
    this.#page = { frame, later, now };
  }

  /** Something changed. */
  request() {
    if (this.#asked) return;
    this.#asked = true;
    const { frame, later, now } = this.#page;
    const rest = this.#restUntil - now();
    if (rest > 0) later(() => frame(() => this.#run()), rest);
    else frame(() => this.#run());
  }

  #run() {
    const { now } = this.#page;
    this.#asked = false;
    const begun = now();
    this.#draw();
    const ended = now();
    const cost = ended - begun;
    this.#restUntil = cost < CHEAP_MS ? 0 : ended + Math.min(REST_MAX_MS, cost * REST);
  }
}

// A page in the background gets no frames, but its title must still tell what is unread.
function requestFrame(then) {
  if (document.visibilityState === 'visible') requestAnimationFrame(then);
  else setTimeout(then, REST_MAX_MS);
}
