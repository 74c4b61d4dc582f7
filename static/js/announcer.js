/** A screen reader is told at most this often, milliseconds. */
const EVERY_MS = 4_000;
/** A longer text is only begun. */
const TEXT_MAX = 200;

/** What a screen reader is told of the room in view: a message that comes alone is read out, many are counted. */
export class Announcer {
  #say;
  #timers;
  #news = [];
  #timer = null;
  #quietUntil = 0;
  #said = '';

  /**
   * @param {(sentence: string) => void} say
   * @param {import('./connection.js').Timers} timers
   */
  constructor(say, timers) {
    this.#say = say;
    this.#timers = timers;
  }

  /** @param {{from: {name: string}, text: string}} message of somebody else */
  add({ from, text }) {
    // Only the first is ever read out, and only when it stays alone: no need to keep a flood.
    this.#news.push(this.#news.length === 0 ? `${from.name}: ${text.slice(0, TEXT_MAX)}` : '');
    // A clock may be set back meanwhile.
    const wait = Math.min(EVERY_MS, Math.max(0, this.#quietUntil - this.#timers.now()));
    this.#timer ??= this.#timers.set(() => this.#tell(), wait);
  }

  /** For another room. */
  clear() {
    this.#timers.clear(this.#timer);
    this.#timer = null;
    this.#news = [];
  }

  #tell() {
    const [first] = this.#news;
    const count = this.#news.length;
    this.clear();
    this.#quietUntil = this.#timers.now() + EVERY_MS;
    const sentence = count === 1 ? first : `${count} new messages`;
    // Of a text that stays the same nothing is read out.
    this.#said = sentence === this.#said ? `${sentence}\u00A0` : sentence;
    this.#say(this.#said);
  }
}
