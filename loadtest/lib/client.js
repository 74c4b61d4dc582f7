// One client of the chat that keeps the wire contract: it comes back after every end that allows it, with the token that
// says who it is and the position it stands at, no sooner than it was told, and says again what was not acked, with the
// same key. It knows nothing of k6: sockets, timers and chance are given to it.

import { backoff, closeCode, isFinal, isTemporary } from './contract.js';
import { Feed } from './feed.js';
import { Outbox } from './outbox.js';

/** Close codes: of a client that leaves (RFC 6455 section 7.4.1), and of one that is to look as if it were lost. */
const LEAVING = 1000;
const CUT = 3000;

/** The longest an attempt to connect, or the answer to a `ping`, may take, milliseconds (the latter: PROTOCOL section 1). */
const CONNECT_MS = 15_000;
const PONG_MS = 5_000;

/** So long after it opened a socket without a `welcome` is asked whether one was sent, milliseconds. */
const WELCOME_MS = 1_000;

/** A client that saw nothing for so much longer than `heartbeatMs` asks, milliseconds (PROTOCOL section 1). */
const SILENCE_MS = 5_000;

/** How soon to try again what was refused for a moment, if the server does not say, milliseconds. */
const PAUSE_MS = 1_000;

/**
 * @typedef {object} World
 * @property {typeof WebSocket} WebSocket
 * @property {() => number} now milliseconds since 1970
 * @property {() => number} random uniform in [0, 1)
 * @property {(then: () => void, ms: number) => unknown} after
 */

export class Client {
  #world;
  #urls;
  #turn;
  #on;
  #found;
  #socket = null;
  #generation = 0;
  #asked = new Map();
  #ids = 0;
  #token = null;
  #attempt = 0;
  #error = null;
  #heartbeatMs = 25_000;
  #heardAt = 0;
  #askedAt = null;
  #connectingAt = null;
  #openAt = null;
  #reconnectInMs = null;
  #downAt = null;
  /** Whether it ever was in all its rooms. */
  wasReady = false;

  /** By room: the feed, and whether live events come. @type {Map<string, {feed: Feed, live: boolean, wanted: boolean}>} */
  rooms = new Map();
  outbox = new Outbox();
  /** Whether it will not come back. */
  ended = false;

  /**
   * @param {object} options
   * @param {string[]} options.urls of `/chat`, one after the other at each attempt
   * @param {number} options.turn the first of them
   * @param {string} options.name what the guest asks to be called
   * @param {World} options.world
   * @param {object} options.found where feeds count (`findings`)
   * @param {object} options.on what it tells: `ready()`, `heard(said, live)`, `acked(message, now)`, `refused(error)`,
   *   `unwelcomed()`, `interrupted(code)`, `back(ms)`, `ended(code)`
   */
  constructor({ urls, turn, name, world, found, on }) {
    this.#urls = urls;
    this.#turn = turn;
    this.name = name;
    this.#world = world;
    this.#found = found;
    this.#on = on;
  }

  /** Whether it is connected and in all the rooms it wants. */
  get isReady() {
    return this.#socket !== null && [...this.rooms.values()].every(({ live, wanted }) => live || !wanted);
  }

  /** Connects. */
  open() {
    const generation = (this.#generation += 1);
    const current = (then) => (event) => {
      if (generation === this.#generation) then(event);
    };
    const url = this.#urls[this.#turn % this.#urls.length];
    this.#turn += 1;
    this.#connectingAt = this.#world.now();
    this.#openAt = null;
    this.#error = null;
    const who = this.#token === null ? ['hubbub.v1'] : ['hubbub.v1', `hubbub.token.${this.#token}`];
    const socket = new this.#world.WebSocket(`${url}?room=&name=${encodeURIComponent(this.name)}`, who);
    socket.onopen = current(() => {
      this.#openAt = this.#world.now();
    });
    socket.onmessage = current(({ data }) => this.#hear(JSON.parse(data)));
    socket.onerror = current(({ error, message }) => {
      this.#error = String(error ?? message ?? 'error');
    });
    socket.onclose = current((event) => this.#closed(closeCode(event, this.#error)));
    this.#socket = socket;
  }

  /** Joins a room, from where it was left if it was in it before. */
  join(room) {
    const seat = this.rooms.get(room) ?? { feed: new Feed(this.#found), live: false, wanted: false };
    if (seat.wanted) return;
    seat.wanted = true;
    this.rooms.set(room, seat);
    if (this.#isOpen) this.#sit(room, seat);
  }

  /** Leaves a room; what is said to it meanwhile waits. */
  leave(room) {
    Object.assign(this.rooms.get(room), { live: false, wanted: false });
    if (this.#isOpen) this.#ask({ type: 'leave', room }, () => {});
  }

  /** Says something, as soon as it may. */
  say(room, key, text) {
    this.outbox.add({ room, key, text, at: this.#world.now() });
    this.#flush(room);
  }

  /** Ends the connection as if it were lost, and comes back. */
  cut() {
    if (this.#socket === null) return;
    const socket = this.#socket;
    this.#generation += 1;
    close(socket, CUT);
    this.#closed(CUT);
  }

  /** Goes for good. */
  close() {
    this.ended = true;
    this.#generation += 1;
    if (this.#socket) close(this.#socket, LEAVING);
    this.#socket = null;
  }

  /** Looks for signs of life; to be called about once a second. */
  tick() {
    const now = this.#world.now();
    if (this.#connectingAt !== null) {
      if (now - this.#connectingAt > CONNECT_MS) {
        this.cut();
      } else if (this.#openAt !== null && this.#askedAt === null && now - this.#openAt > WELCOME_MS) {
        this.#askedAt = now;
        this.#send({ type: 'ping' });
      }
    } else if (this.#socket !== null && now - this.#heardAt > this.#heartbeatMs + SILENCE_MS) {
      if (this.#askedAt === null) {
        this.#askedAt = now;
        this.#send({ type: 'ping' });
      } else if (now - this.#askedAt > PONG_MS) {
        this.cut();
      }
    }
  }

  get #isOpen() {
    return this.#socket !== null && this.#connectingAt === null;
  }

  #send(command) {
    this.#socket.send(JSON.stringify(command));
  }

  #ask(command, done, failed = (error) => this.#on.refused(error)) {
    const id = (this.#ids += 1);
    this.#asked.set(id, { done, failed });
    this.#send({ id, ...command });
  }

  #hear(event) {
    this.#heardAt = this.#world.now();
    this.#askedAt = null;
    if (this.#connectingAt !== null && event.type !== 'welcome') {
      this.#unwelcomed(event);
      return undefined;
    }
    switch (event.type) {
      case 'welcome': return this.#welcome(event);
      case 'message': case 'edited': case 'deleted': case 'reaction': return this.#logged(event);
      case 'ack': case 'history': case 'who': return this.#take(event.id)?.done(event);
      case 'joined': return (this.#take(event.id)?.done ?? ((it) => this.#joined(it)))(event);
      case 'error': return (this.#take(event.id)?.failed ?? ((it) => this.#on.refused(it)))(event);
      case 'notice':
        if (event.kind === 'draining') this.#reconnectInMs = event.reconnectInMs;
        return undefined;
      default:
        // Presence and the like, and whatever a newer server adds.
        return undefined;
    }
  }

  // The server says `welcome` before all else. k6 1.1.0 starts to read a socket before it counts it as open, and drops what
  // it reads in between: then it opens anew.
  #unwelcomed({ reconnectInMs = 0 }) {
    this.#on.unwelcomed();
    this.#reconnectInMs = reconnectInMs;
    this.cut();
  }

  #take(id) {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    return asked;
  }

  #welcome({ resumeToken, heartbeatMs }) {
    this.#connectingAt = null;
    this.#token = resumeToken ?? this.#token;
    this.#heartbeatMs = heartbeatMs;
    for (const [room, seat] of this.rooms) if (seat.wanted) this.#sit(room, seat);
  }

  #sit(room, seat) {
    const since = seat.feed.position;
    // What still comes live is among what the answer brings.
    seat.live = false;
    this.#ask({ type: 'join', room, ...(since && { since }) }, (event) => this.#joined(event), (error) => {
      this.#on.refused(error);
      if (isTemporary(error.code)) this.#later(error, () => seat.wanted && !seat.live && this.#sit(room, seat));
    });
  }

  #joined(event) {
    const seat = this.rooms.get(event.room);
    if (!seat?.wanted) return;
    seat.feed.joined(event).forEach((said) => this.#on.heard(said, false));
    if (event.provisional) return;
    event.entries.forEach((entry) => this.#numbered(event.room, entry));
    if (event.recovered && event.more) {
      this.#sit(event.room, seat);
      return;
    }
    seat.live = true;
    this.#flush(event.room);
    if (this.isReady) this.#ready();
  }

  #ready() {
    this.#attempt = 0;
    if (this.#downAt !== null) {
      this.#on.back(this.#world.now() - this.#downAt);
      this.#downAt = null;
    }
    if (!this.wasReady) this.#on.ready();
    this.wasReady = true;
  }

  #logged(event) {
    const seat = this.rooms.get(event.room);
    // What was on its way when the room was left is told again at the next join.
    if (!seat?.live) return;
    const said = seat.feed.event(event);
    if (said) this.#on.heard(said, true);
    this.#numbered(event.room, event);
  }

  // An ack without a number is no ack (PROTOCOL section 4); its message is stored once it is seen with one.
  #numbered(room, { seq, key }) {
    if (seq !== undefined && this.outbox.isProvisional(room, key)) this.#stored(room, key);
  }

  #flush(room) {
    if (!this.#isOpen || !this.rooms.get(room)?.live) return;
    const message = this.outbox.take(room);
    if (!message) return;
    const { key, text } = message;
    this.#ask({ type: 'message', room, key, text }, (ack) => {
      if (ack.seq === undefined) this.outbox.provisional(room, key);
      else this.#stored(room, key);
    }, (error) => {
      this.#on.refused(error);
      if (isTemporary(error.code)) {
        this.#later(error, () => {
          this.outbox.postpone(room);
          this.#flush(room);
        });
      }
    });
  }

  #stored(room, key) {
    const message = this.outbox.done(room, key);
    if (message) this.#on.acked(message, this.#world.now());
    this.#flush(room);
  }

  #later(error, then) {
    const generation = this.#generation;
    this.#world.after(() => {
      if (generation === this.#generation) then();
    }, error.retryAfterMs ?? PAUSE_MS);
  }

  #closed(code) {
    const now = this.#world.now();
    const told = this.#reconnectInMs;
    this.#socket = null;
    this.#connectingAt = null;
    this.#askedAt = null;
    this.#reconnectInMs = null;
    this.#asked.clear();
    this.outbox.disconnected();
    const wasIn = this.wasReady && this.#downAt === null;
    this.rooms.forEach((seat) => {
      seat.live = false;
    });
    if (wasIn) {
      this.#downAt = now;
      this.#on.interrupted(code);
    }
    if (isFinal(code)) {
      this.ended = true;
      this.#on.ended(code);
      return;
    }
    this.#attempt += 1;
    const waitMs = told ?? backoff(this.#attempt, this.#world.random());
    this.#world.after(() => {
      if (!this.ended && this.#socket === null) this.open();
    }, waitMs);
  }
}

function close(socket, code) {
  try {
    socket.close(code);
  } catch {
    // It was closed already.
  }
}
