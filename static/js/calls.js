import { HubbubError } from './errors.js';

/** Commands that may wait for their answer at once. */
const PENDING_MAX = 256;

/** Commands and the answers they wait for, matched by `id`. */
export class Calls {
  #pending = new Map();
  #lastId = 0;
  #connection;

  /** @param {import('./connection.js').Connection} connection */
  constructor(connection) {
    this.#connection = connection;
  }

  /**
   * Sends a command; one of the two is called once, `fail` at once when it cannot be sent.
   * @param {object} command
   * @param {(event: object) => void} done
   * @param {(error: HubbubError) => void} fail
   */
  request(command, done, fail) {
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
