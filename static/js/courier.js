import { HubbubError } from './errors.js';
import { Outbox } from './outbox.js';

/** Wait after a temporary refusal that names no time, milliseconds. */
export const PAUSE_MS = 1_000;

/** Carries the outbox to the server, one message of a room at a time, and tells the senders. */
export class Courier {
  #outbox;
  #timers;
  #calls;
  #onChange;
  #senders = new Map();

  /**
   * @param {object} options
   * @param {import('./storage.js').SafeStorage} options.storage
   * @param {import('./connection.js').Timers} options.timers
   * @param {import('./calls.js').Calls} options.calls
   * @param {() => void} options.onChange the outbox is no longer what it was
   */
  constructor({ storage, timers, calls, onChange }) {
    this.#outbox = new Outbox({ storage, now: () => timers.now() });
    this.#timers = timers;
    this.#calls = calls;
    this.#onChange = onChange;
  }

  /** @returns {import('./outbox.js').OutboxItem[]} */
  get items() {
    return this.#outbox.items;
  }

  /** Takes in who the user is. @param {{user: {id: string}, limits?: {idempotencyMs: number}}} welcome */
  welcome({ user, limits }) {
    this.#outbox.idempotencyMs = limits?.idempotencyMs ?? this.#outbox.idempotencyMs;
    for (const key of this.#outbox.open(user.id)) {
      this.#tell(key, ({ reject }) => reject(new HubbubError('discarded', 'Another user has taken over.')));
    }
    this.#onChange();
  }

  /**
   * @param {import('./room.js').Room} room
   * @param {string} text
   * @param {string} [replyTo]
   * @returns {Promise<object>} the `ack`
   */
  async send(room, text, replyTo) {
    const fault = this.#calls.tooLong(text);
    if (fault) throw fault; // kept, it could only be refused again
    const { key } = this.#outbox.add({ room: room.name, text, replyTo });
    const acked = new Promise((resolve, reject) => this.#senders.set(key, { resolve, reject }));
    this.flush(room);
    return acked;
  }

  /** Hands the next message of a room to the server, unless one is under way. @param {import('./room.js').Room} room */
  flush(room) {
    const item = room.live && !room.paused ? this.#outbox.take(room.name) : null;
    if (item) {
      const { key, text, replyTo } = item;
      const command = { type: 'message', room: room.name, text, key, replyTo };
      this.#calls.request(command, (ack) => this.#acked(room, key, ack), (error) => this.#refused(room, key, error));
    }
    this.#onChange();
  }

  /** @param {string} key */
  retry(key) {
    this.#outbox.retry(key);
  }

  /** @param {string} key */
  discard(key) {
    this.#outbox.remove(key);
    this.#tell(key, ({ reject }) => reject(new HubbubError('discarded', 'The message was given up.')));
    this.#onChange();
  }

  /** Takes in a message of the own user, from the log or provisional. @param {{id: string, key: string, seq?: number}} message */
  seen({ id, key, seq }) {
    if (seq === undefined) {
      if (this.#outbox.seenProvisional(key, id)) this.#onChange();
      return;
    }
    this.#tell(key, ({ resolve }) => resolve({ messageId: id, seq, duplicate: false }));
    if (this.#outbox.remove(key)) this.#onChange();
  }

  /** The server could not store these after all. @param {string[]} messageIds */
  undelivered(messageIds) {
    this.#outbox.undelivered(messageIds);
    this.#onChange();
  }

  /** A room was read afresh, or left. @param {string} room */
  settle(room) {
    this.#outbox.settle(room);
    this.#onChange();
  }

  /** A room cannot be entered: nothing can be sent there. @param {string} room @param {HubbubError} error */
  shut(room, error) {
    for (const { key } of this.items.filter((item) => item.room === room && item.state === 'waiting')) {
      this.#outbox.refuse(key, error);
      this.#tell(key, ({ reject }) => reject(error));
    }
    this.#onChange();
  }

  /** The connection ended. */
  down() {
    this.#outbox.disconnected();
    this.#onChange();
  }

  #acked(room, key, ack) {
    this.#outbox.acked(key, ack);
    this.#tell(key, ({ resolve }) => resolve(ack));
    this.flush(room);
  }

  #refused(room, key, error) {
    if (error.code === 'disconnected') return; // it goes again after the room is joined again
    if (error.temporary || error.code === 'busy') return this.#pause(room, key, error.retryAfterMs ?? PAUSE_MS);
    this.#outbox.refuse(key, error);
    this.#tell(key, ({ reject }) => reject(error));
    this.flush(room);
  }

  #pause(room, key, ms) {
    this.#outbox.postpone(key);
    room.paused = true;
    this.#timers.set(() => {
      room.paused = false;
      this.flush(room);
    }, ms);
  }

  #tell(key, tell) {
    const sender = this.#senders.get(key);
    this.#senders.delete(key);
    if (sender) tell(sender);
  }
}
