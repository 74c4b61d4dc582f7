/** Messages in the document at once, on a screen of usual height; the rest waits in memory. */
const SIZE = 120;
/** How many while it follows, at first: what is out of sight is drawn for nothing, and a flood replaces all of it. */
const FEW = 40;
/** How many come and go when one end is near. */
const STEP = 40;

/**
 * Which stretch of a room's messages is in the document. Following, it ends with the last message;
 * held, it begins with a certain message and stays, whatever comes behind it.
 */
export class Span {
  #first = null;
  #few = FEW;
  #size = SIZE;
  #at = 0; // where the first was last, to look there first: a long room is searched once

  /** @returns {boolean} whether it moves along with the newest message */
  get following() {
    return this.#first === null;
  }

  /** Shows the newest, few of them. */
  follow() {
    this.#first = null;
    this.#few = FEW;
  }

  /**
   * Is at least so large that this many stay when it steps. What is in view and what is ahead of it at both ends must
   * be among them, or a step up would lead to a step down, and that to a step up. It never gets smaller under a reader.
   * @param {number} count
   */
  fit(count) {
    this.#size = Math.max(this.#size, STEP * Math.ceil(count / STEP + 1));
  }

  /** Shows more of them while it follows: a high screen has room for them. @returns {boolean} whether that is allowed */
  grow() {
    if (!this.following || this.#few >= this.#size) return false;
    this.#few += STEP;
    return true;
  }

  /**
   * @param {{id: string}[]} messages all there are
   * @returns {{start: number, end: number}} of the stretch, end exclusive
   */
  range(messages) {
    if (!this.holds(messages)) return { start: Math.max(0, messages.length - this.#few), end: messages.length };
    return { start: this.#at, end: Math.min(messages.length, this.#at + this.#size) };
  }

  /** @param {{id: string}[]} messages @returns {boolean} whether it is held, and what it begins with is among them */
  holds(messages) {
    if (this.#first === null) return false;
    if (messages[this.#at]?.id !== this.#first) this.#at = messages.findIndex(({ id }) => id === this.#first);
    return this.#at >= 0;
  }

  /** Stays at a message. @param {string} [id] what it begins with; of an empty room there is none, and it follows on */
  hold(id) {
    this.#first = id ?? null;
  }

  /** Goes up. @param {{id: string}[]} messages @returns {boolean} whether there was more to show */
  up(messages) {
    const { start } = this.range(messages);
    if (start === 0) return false;
    this.#first = messages[Math.max(0, start - STEP)].id;
    return true;
  }

  /** Goes down. @param {{id: string}[]} messages @returns {boolean} whether there was more to show */
  down(messages) {
    const { start, end } = this.range(messages);
    if (end === messages.length) return false;
    this.#first = messages[Math.min(start + STEP, Math.max(0, messages.length - this.#size))].id;
    return true;
  }

  /** Goes to a message, with some before it. @param {{id: string}[]} messages @param {string} id @returns {boolean} whether it is there */
  around(messages, id) {
    const at = messages.findIndex((message) => message.id === id);
    if (at < 0) return false;
    this.#first = messages[Math.max(0, Math.min(at - STEP, messages.length - this.#size))].id;
    return true;
  }
}
