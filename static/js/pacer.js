/** A drawing quicker than this needs no rest, milliseconds. */
const CHEAP_MS = 8;
/** Rest after a drawing, in its own lengths: at most a quarter of the time goes into drawing and painting. */
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
  #drawing = false;
  #restUntil = 0;

  /**
   * @param {() => void} draw
   * @param {object} [page] tests put their own there
   * @param {(then: () => void) => void} [page.frame] before the next frame
   * @param {(then: () => void, ms: number) => void} [page.later]
   * @param {(then: () => void) => void} [page.painted] after the frame is
   * @param {() => number} [page.now] milliseconds
   */
  constructor(draw, { frame = requestFrame, later = (then, ms) => setTimeout(then, ms), painted = (then) => setTimeout(then), now = () => performance.now() } = {}) {
    this.#draw = draw;
    this.#page = { frame, later, painted, now };
  }

  /** Something changed. */
  request() {
    if (this.#asked) return;
    this.#asked = true;
    if (!this.#drawing) this.#schedule();
  }

  #schedule() {
    const { frame, later, now } = this.#page;
    const rest = this.#restUntil - now();
    if (rest > 0) later(() => frame(() => this.#run()), rest);
    else frame(() => this.#run());
  }

  #run() {
    const { now, painted } = this.#page;
    this.#asked = false;
    this.#drawing = true;
    const begun = now();
    // What the browser makes of a drawing takes longer than the drawing.
    painted(() => {
      const ended = now();
      const cost = ended - begun;
      this.#restUntil = cost < CHEAP_MS ? 0 : ended + Math.min(REST_MAX_MS, cost * REST);
      this.#drawing = false;
      if (this.#asked) this.#schedule();
    });
    this.#draw();
  }
}

// A page in the background gets no frames, also of those it asked for before; its title must still tell what is unread.
function requestFrame(then) {
  const timer = setTimeout(() => {
    cancelAnimationFrame(frame);
    then();
  }, REST_MAX_MS);
  const frame = requestAnimationFrame(() => {
    clearTimeout(timer);
    then();
  });
}
