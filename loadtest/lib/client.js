// One WebSocket of a chat: joins rooms, says messages, and checks what it is told against the wire contract.

import * as metrics from './metrics.js';
import { CHAT_URL } from './settings.js';
import { WebSocket } from './websocket.js';

/** Close code of a client that leaves (RFC 6455 section 7.4.1). */
const LEAVING = 1000;

export class Client {
  /**
   * Connects a guest.
   * @param {string} name what the guest asks to be called
   * @param {string[]} rooms what it joins
   * @param {object} on what it tells: `ready()`, `acked(key)`, `message(event)`, `ended()`
   */
  constructor(name, rooms, on) {
    this.on = on;
    this.rooms = rooms;
    /** The last number seen in each room that was joined. */
    this.last = new Map();
    /** The keys of the messages had, to find repeats. */
    this.had = new Set();
    /** The keys of what was said, by command id. */
    this.said = new Map();
    this.leaving = false;
    const query = `room=${rooms.join(',')}&name=${encodeURIComponent(name)}`;
    this.socket = new WebSocket(`${CHAT_URL}?${query}`);
    this.socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    this.socket.onclose = () => this.ended();
    // An error is followed by a close, which counts it.
    this.socket.onerror = () => {};
  }

  get ready() {
    return this.last.size === this.rooms.length;
  }

  /** Says `text` under an idempotency key. */
  say(room, key, text) {
    const id = this.said.size + 1;
    this.said.set(id, key);
    this.socket.send(JSON.stringify({ type: 'message', id, room, key, text }));
  }

  /** Closes the connection. */
  leave() {
    this.leaving = true;
    this.socket.close(LEAVING);
  }

  hear(event) {
    switch (event.type) {
      case 'joined':
        this.last.set(event.room, event.seq);
        if (this.ready) {
          this.on.ready();
        }
        break;
      case 'message':
        this.number(event);
        if (event.key && this.had.has(event.key)) {
          metrics.duplicates.add(1);
        } else {
          this.had.add(event.key);
          this.on.message(event);
        }
        break;
      case 'ack':
        this.on.acked(this.said.get(event.id));
        break;
      case 'error':
        console.error(`refused: ${event.code}: ${event.message}`);
        metrics.refused.add(1);
        break;
      default:
        // Presence and the like, and whatever a newer server adds.
        break;
    }
  }

  number({ room, seq }) {
    if (seq !== this.last.get(room) + 1) {
      console.error(`${room}: number ${seq} came after ${this.last.get(room)}`);
      metrics.misnumbered.add(1);
    }
    this.last.set(room, seq);
  }

  ended() {
    if (!this.leaving) {
      metrics.lost.add(1);
    }
    this.on.ended();
  }
}
