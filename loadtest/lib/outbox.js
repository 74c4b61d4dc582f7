// What a client has said and does not know to be stored yet (PROTOCOL section 4, promises 3 and 4).

/**
 * One message of a room is on its way at a time, so that a refusal can never turn the order round. Each keeps its key, so
 * that a second attempt is never a second message.
 */
export class Outbox {
  constructor() {
    /** By room, oldest first. @type {Map<string, object[]>} */
    this.rooms = new Map();
    this.size = 0;
  }

  /** @param {{key: string, room: string, text: string, at: number}} message */
  add(message) {
    const waiting = this.rooms.get(message.room) ?? [];
    this.rooms.set(message.room, waiting);
    waiting.push({ ...message, tries: 0, sending: false });
    this.size += 1;
  }

  /** The message of a room to send now, marked as on its way; null if there is none. */
  take(room) {
    const first = this.rooms.get(room)?.[0];
    if (!first || first.sending) return null;
    first.sending = true;
    first.tries += 1;
    return first;
  }

  /** It is stored: forgets it. @returns {object | null} null if it was already */
  done(room, key) {
    const waiting = this.rooms.get(room) ?? [];
    const index = waiting.findIndex((message) => message.key === key);
    if (index < 0) return null;
    this.size -= 1;
    return waiting.splice(index, 1)[0];
  }

  /** It was taken in, but is not stored: it stays, and the next one waits. */
  provisional(room, key) {
    const first = this.rooms.get(room)?.[0];
    if (first?.key === key) first.provisional = true;
  }

  isProvisional(room, key) {
    const first = this.rooms.get(room)?.[0];
    return first?.key === key && first.provisional === true;
  }

  /** A refusal that passes: it may go again. */
  postpone(room) {
    const first = this.rooms.get(room)?.[0];
    if (first) Object.assign(first, { sending: false, provisional: false });
  }

  /** The connection ended: what has no ack goes again. */
  disconnected() {
    for (const room of this.rooms.keys()) this.postpone(room);
  }
}
