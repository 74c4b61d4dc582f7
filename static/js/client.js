import { Calls } from './calls.js';
import { Connection } from './connection.js';
import { Courier, PAUSE_MS } from './courier.js';
import { Emitter } from './emitter.js';
import { HubbubError } from './errors.js';
import { Room } from './room.js';
import { SafeStorage, pageStorage } from './storage.js';

export { HubbubError };

/** The server passes `typing` once per user and this long (PROTOCOL.md section 3), milliseconds. */
const TYPING_MS = 3_000;

/** The page's own. @type {import('./connection.js').Timers} */
export const PAGE_TIMERS = {
  set: (then, ms) => setTimeout(then, ms),
  clear: (timer) => clearTimeout(timer),
  now: () => Date.now(),
};

/**
 * A Hubbub client: stays connected, keeps every joined room complete and in order, and delivers each
 * message once, through lost connections, reloads and restarts of the server. docs/client.md shows
 * how to use it; the rules are those of PROTOCOL.md.
 *
 * Every method that returns a promise rejects with a {@link HubbubError}; a promise may be ignored,
 * what became of a message is in the outbox too.
 */
export class HubbubClient {
  #emitter = new Emitter();
  #connection;
  #calls;
  #courier;
  #timers;
  #rooms = new Map();
  #typed = new Map();
  #user = null;

  /**
   * @param {string} url of `/chat`, `ws:` or `wss:`
   * @param {object} [options]
   * @param {string | (() => string | Promise<string>)} [options.token] JWT, or how to get one; without it a guest
   * @param {string} [options.name] display name a new guest asks for
   * @param {Storage | null} [options.storage] keeps the resume token and the outbox; the page's localStorage
   * @param {typeof WebSocket} [options.WebSocket]
   * @param {typeof fetch} [options.fetch]
   * @param {() => number} [options.random] uniform in [0, 1)
   * @param {import('./connection.js').Timers} [options.timers]
   */
  constructor(url, options = {}) {
    const storage = new SafeStorage(options.storage === undefined ? pageStorage() : options.storage);
    this.#timers = options.timers ?? PAGE_TIMERS;
    this.#connection = new Connection(url, {
      WebSocket: options.WebSocket ?? globalThis.WebSocket,
      fetch: options.fetch ?? ((...request) => fetch(...request)),
      random: options.random ?? Math.random,
      storage,
      timers: this.#timers,
      onState: (state) => this.#emitter.emit('state', state),
      onEvent: (event) => this.#receive(event),
      onDown: () => this.#down(),
    });
    this.#connection.token = options.token ?? null;
    this.#connection.name = options.name ?? null;
    this.#calls = new Calls(this.#connection);
    this.#courier = new Courier({
      storage,
      timers: this.#timers,
      calls: this.#calls,
      onChange: () => this.#emitter.emit('outbox', { items: this.outbox }),
    });
  }

  /** @returns {import('./connection.js').State} */
  get state() {
    return this.#connection.state;
  }

  /** Who the server says this is; kept while reconnecting. @returns {{id: string, name: string, role: string} | null} */
  get user() {
    return this.#user;
  }

  /** @returns {import('./outbox.js').OutboxItem[]} messages not yet known to be stored */
  get outbox() {
    return this.#courier.items;
  }

  /** @returns {Room[]} the rooms joined or wanted */
  get rooms() {
    return [...this.#rooms.values()];
  }

  /** @param {string} name @returns {Room | undefined} */
  room(name) {
    return this.#rooms.get(name);
  }

  /**
   * Listens to `state`, `outbox`, or an event of the server by its `type`: `welcome`, `joined`,
   * `message`, `edited`, `deleted`, `reaction`, `presence`, `entered`, `left`, `typing`, `read`,
   * `notice`, `error` (one that answers no command of this client). The room is up to date before
   * its event is told. Messages of a snapshot come with `joined` and not one by one.
   * @param {string} name
   * @param {(detail: any) => void} listener
   * @returns {() => void} ends the subscription
   */
  on(name, listener) {
    return this.#emitter.on(name, listener);
  }

  /**
   * Connects, and stays connected; at once when it was waiting for its next attempt.
   * @param {{token?: string | (() => string | Promise<string>) | null, name?: string | null}} [who] what changes
   */
  connect({ token, name } = {}) {
    if (token !== undefined) this.#connection.token = token;
    if (name !== undefined) this.#connection.name = name;
    if (token !== undefined || name !== undefined) this.#connection.close();
    this.#connection.open();
  }

  /** Disconnects for good. Rooms and outbox stay, for a later `connect`. */
  close() {
    this.#connection.close();
  }

  /** Forgets who the guest is, as before a login: a resume token would win over the cookie. */
  forget() {
    this.#connection.forget();
  }

  /**
   * Joins a room and stays in it through every disconnect.
   * @param {string} name
   * @returns {Promise<Room>} once joined
   */
  join(name) {
    let room = this.#rooms.get(name);
    if (!room) {
      room = new Room(name, this.#user?.id);
      this.#rooms.set(name, room);
      this.#position(room);
    }
    return quiet(room.ready);
  }

  /** @param {string} name @returns {Promise<object>} the `ack` */
  leave(name) {
    const room = this.#rooms.get(name);
    room?.refuse(new HubbubError('not_joined', 'The room was left.', { room: name }));
    room?.lost();
    this.#rooms.delete(name);
    this.#courier.settle(name);
    return this.#ask({ type: 'leave', room: name });
  }

  /**
   * Sends a message: kept in the outbox until stored, sent again after a disconnect, never twice.
   * @param {string} room one that was joined
   * @param {string} text
   * @param {{replyTo?: string}} [options]
   * @returns {Promise<object>} the `ack`; `provisional` while the server is without Redis
   */
  send(room, text, { replyTo } = {}) {
    const joined = this.#rooms.get(room);
    if (!joined) return quiet(Promise.reject(new HubbubError('not_joined', 'Join the room first.', { room })));
    return quiet(this.#courier.send(joined, text.trim(), replyTo));
  }

  /** Sends a message that asks or has failed once more. @param {string} key */
  retry(key) {
    this.#courier.retry(key);
    this.rooms.forEach((room) => this.#courier.flush(room));
  }

  /** Gives a message of the outbox up. @param {string} key */
  discard(key) {
    this.#courier.discard(key);
  }

  /** @param {string} room @param {string} messageId @param {string} text @returns {Promise<object>} the `ack` */
  edit(room, messageId, text) {
    return this.#ask({ type: 'edit', room, messageId, text: text.trim() });
  }

  /** @param {string} room @param {string} messageId @returns {Promise<object>} the `ack` */
  remove(room, messageId) {
    return this.#ask({ type: 'delete', room, messageId });
  }

  /** @param {string} room @param {string} messageId @param {string} emoji @param {boolean} [on] @returns {Promise<object>} the `ack` */
  react(room, messageId, emoji, on = true) {
    return this.#ask({ type: 'react', room, messageId, emoji, on });
  }

  /** Says that the user is typing; call it on every key, it passes on what the server would. @param {string} room */
  typing(room) {
    const now = this.#timers.now();
    // A clock that was set back is no reason to keep it quiet.
    if (this.state.status !== 'online' || Math.abs(now - (this.#typed.get(room) ?? -Infinity)) < TYPING_MS) return;
    this.#typed.set(room, now);
    this.#connection.send({ type: 'typing', room });
  }

  /** @param {string} room @param {number} seq of the last message read @returns {Promise<object>} the `ack` */
  read(room, seq) {
    return this.#ask({ type: 'read', room, seq });
  }

  /**
   * Reads older messages; those of a joined room are put before what it holds.
   * @param {string} room
   * @param {{before?: number, limit?: number}} [page] `before` a `seq`, default the oldest held
   * @returns {Promise<{entries: object[], more: boolean}>} oldest first
   */
  async history(room, { before = this.#rooms.get(room)?.timeline.oldestSeq, limit } = {}) {
    const asked = this.#rooms.get(room)?.timeline;
    const resets = asked?.resets;
    const page = await this.#ask({ type: 'history', room, before, limit });
    const timeline = this.#rooms.get(room)?.timeline;
    // A page asked for before the room was read afresh belongs to something else, even in the same epoch: what was
    // edited or deleted meanwhile comes with no event any more.
    if (timeline && timeline === asked && timeline.resets === resets && timeline.oldestSeq === before) timeline.prepend(page.entries, page.more);
    return page;
  }

  /** @param {string} room @param {{limit?: number}} [options] @returns {Promise<object>} `who` */
  who(room, { limit } = {}) {
    return this.#ask({ type: 'who', room, limit });
  }

  #receive(event) {
    switch (event.type) {
      case 'welcome': return this.#welcome(event);
      case 'joined': case 'ack': case 'history': case 'who': return this.#reply(event);
      case 'message': case 'edited': case 'deleted': case 'reaction': return this.#logged(event);
      case 'error': return this.#error(event);
      case 'notice': return this.#notice(event);
      case 'presence': return this.#presence(event);
      case 'entered': case 'left': case 'typing': case 'read': return this.#emitter.emit(event.type, event);
      default: // unknown events are for later versions
    }
  }

  #welcome(event) {
    const changed = event.user.id !== this.#user?.id;
    this.#user = event.user;
    this.#calls.welcome(event);
    this.#courier.welcome(event);
    this.#emitter.emit('welcome', event);
    for (const room of this.rooms) {
      if (changed) room.reset(event.user.id);
      this.#position(room);
    }
  }

  // Joins from the position held, or afresh.
  #position(room, since = room.timeline.position) {
    if (this.state.status !== 'online') return;
    Object.assign(room, { live: false, joining: true });
    const command = { type: 'join', room: room.name, ...(since && { since }) };
    this.#calls.request(command, (event) => this.#joined(event), (error) => this.#unjoined(room, error));
  }

  #unjoined(room, error) {
    if (error.code === 'disconnected' || this.#rooms.get(room.name) !== room) return;
    if (error.temporary || error.code === 'busy') {
      this.#timers.set(() => room.joining && this.#position(room), error.retryAfterMs ?? PAUSE_MS);
      return;
    }
    this.#rooms.delete(room.name);
    room.refuse(error);
    this.#courier.shut(room.name, error);
    this.#emitter.emit('error', error);
  }

  #joined(event) {
    const room = this.#rooms.get(event.room);
    if (!room) return; // left meanwhile
    const epoch = room.timeline.position?.epoch;
    const { outcome, applied } = room.timeline.joined(event);
    if (outcome === 'breach') return this.#position(room, null);
    room.presence = event.presence ?? room.presence;
    // A marker counts in its epoch only.
    room.read = event.read ?? (outcome === 'reset' && event.epoch !== epoch ? undefined : room.read);
    room.provisional = outcome === 'provisional';
    if (outcome === 'reset') {
      event.entries.forEach((entry) => this.#seen(entry));
      this.#courier.settle(room.name);
    }
    this.#emitter.emit('joined', event);
    applied.forEach((entry) => this.#tell(entry));
    if (outcome === 'recovered' && event.more) return this.#position(room);
    room.settle();
    this.#courier.flush(room);
  }

  #logged(event) {
    const room = this.#rooms.get(event.room);
    if (!room) return;
    const outcome = room.timeline.apply(event);
    if (outcome === 'applied' || outcome === 'provisional') this.#tell(event);
    if (outcome === 'gap' && !room.joining) this.#position(room);
  }

  #tell(event) {
    this.#seen(event);
    this.#emitter.emit(event.type, event);
  }

  // Keys are the sender's own: another user may have chosen the same.
  #seen(event) {
    if (event.key !== undefined && event.from?.id === this.#user?.id) this.#courier.seen(event);
  }

  #notice(event) {
    if (event.kind === 'undelivered') {
      this.#courier.undelivered(event.ids);
      this.#rooms.get(event.room)?.timeline.drop(event.ids);
    }
    this.#emitter.emit('notice', event);
  }

  #presence(event) {
    const room = this.#rooms.get(event.room);
    if (room) room.presence = { guests: event.guests, members: event.members, admins: event.admins, stale: event.stale };
    this.#emitter.emit('presence', event);
  }

  #error(event) {
    const error = new HubbubError(event.code, event.message, event);
    const asked = this.#calls.answer(event.id);
    if (asked) asked.fail(error);
    else this.#emitter.emit('error', error);
  }

  #ask(command) {
    return quiet(new Promise((resolve, reject) => this.#calls.request(command, resolve, reject)));
  }

  // A `joined` may also come unasked.
  #reply(event) {
    const asked = this.#calls.answer(event.id);
    if (asked) asked.done(event);
    else if (event.type === 'joined') this.#joined(event);
  }

  #down() {
    this.#calls.down();
    this.rooms.forEach((room) => room.lost());
    this.#courier.down();
  }
}

// An ignored rejection is no accident here: the same news is in the state, the outbox or an event.
function quiet(promise) {
  promise.catch(() => {});
  return promise;
}
