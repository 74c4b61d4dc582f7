import { Timeline } from './timeline.js';

/**
 * A room the page is in, or wants to be in: it stays wanted through every disconnect until it is
 * left or the server refuses it.
 */
export class Room {
  #waiting = [];

  /** @type {string} */
  name;
  /** @type {Timeline} */
  timeline;
  /** @type {{guests: number, members: number, admins: number, stale?: boolean} | null} */
  presence = null;
  /** The own read marker, when the server knows one. @type {number | undefined} */
  read;
  /** Whether events arrive: joined, and nothing missed is outstanding. */
  live = false;
  /** Whether only this instance hears it: the server works without Redis. */
  provisional = false;
  /** Whether a `join` is under way; events that do not fit are then expected. */
  joining = false;
  /** Whether sending pauses after a temporary refusal. */
  paused = false;

  /** @param {string} name @param {string} [userId] whose reactions are `mine` */
  constructor(name, userId) {
    this.name = name;
    this.reset(userId);
  }

  /** Starts with nothing known, as for another user. @param {string} [userId] */
  reset(userId) {
    this.timeline = new Timeline({ userId });
    this.read = undefined;
  }

  /** @returns {Promise<Room>} when joined, or with the error's code when refused */
  get ready() {
    return this.live ? Promise.resolve(this) : new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Events arrive from here on. */
  settle() {
    this.live = true;
    this.joining = false;
    this.#waiting.splice(0).forEach(({ resolve }) => resolve(this));
  }

  /** It will not be joined. @param {Error} error */
  refuse(error) {
    this.#waiting.splice(0).forEach(({ reject }) => reject(error));
  }

  /** The connection is gone; what is known stays. */
  lost() {
    Object.assign(this, { live: false, joining: false, paused: false, provisional: false, presence: null });
    this.timeline.lost();
  }
}
