import { HubbubError } from './errors.js';

/** Commands that may wait for their answer at once. */
const PENDING_MAX = 256;
/** Longest text, in code points, until the server has said so itself (PROTOCOL.md section 1). */
const TEXT_MAX = 4_000;

/** Commands and the answers they wait for, matched by `id`. */
export class Calls {
  #pending = new Map();
  #lastId = 0;
  #textMax = TEXT_MAX;
  #connection;

  /** @param {import('./connection.js').Connection} connection */
  constructor(connection) {
    this.#connection = connection;
  }

  /** Takes in what the server allows. @param {{limits?: {text?: number}}} welcome */
  welcome({ limits }) {
    this.#textMax = limits?.text ?? TEXT_MAX;
  }

  /**
   * A text that is too long is not even sent: in a frame that is, the server would end the connection, for good.
   * @param {string} text
   * @returns {HubbubError | null} why the server would not take it
   */
  tooLong(text) {
    if (text.length <= this.#textMax) return null;
    const length = [...text].length;
    if (length <= this.#textMax) return null;
    return new HubbubError('invalid_text', `A text has at most ${this.#textMax} characters, this one has ${length}.`);
  }

  /**
   * Sends a command; one of the two is called once, `fail` at once when it cannot be sent.
   * @param {object} command
   * @param {(event: object) => void} done
   * @param {(error: HubbubError) => void} fail
   */
  request(command, done, fail) {
    const fault = this.tooLong(command.text ?? '');
    if (fault) return fail(fault);
    if (this.#connection.state.status !== 'online') return fail(new HubbubError('disconnected', 'Not connected.'));
    if (this.#pending.size >= PENDING_MAX) return fail(new HubbubError('busy', 'Too many commands wait for an answer.'));
    const id = ++this.#lastId;
    this.#pending.set(id, { done, fail });
    this.#connection.send({ ...command, id });
  }

  /** @param {number | undefined} id @returns {{done: Function, fail: Function} | undefined} who asked, once */
  answer(id) {
    const asked = this.#pending.get(id);
    this.#pending.delete(id);
    return asked;
  }

  /** The connection ended: no answer will come. */
  down() {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { fail } of pending) fail(new HubbubError('disconnected', 'The connection was lost.'));
  }
}
