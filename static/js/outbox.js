import { HubbubError } from './errors.js';

/** Most messages kept at once; a person who reaches this is not being heard. */
const CAPACITY = 100;

/**
 * @typedef {object} OutboxItem
 * @property {string} key idempotency key, the same on every attempt
 * @property {string} room
 * @property {string} text
 * @property {string} [replyTo]
 * @property {number} at when the user sent it, milliseconds since 1970
 * @property {'waiting' | 'sending' | 'provisional' | 'sent' | 'asks' | 'failed'} state
 *   `provisional`: acked without a `seq` while Redis is away; `sent`: acked with a `seq`, its event
 *   about to arrive; `asks`: too old to send again without asking; `failed`: refused for good.
 * @property {string} [messageId] known once acked
 * @property {{code: string, message: string}} [error] why it failed
 */

/**
 * Messages the user has sent and that are not yet known to be stored (PROTOCOL.md section 4,
 * promises 3 and 4). An item keeps its key, so a second attempt is never a second message; it
 * survives a reload through the storage, apart for each user. Each item has its own storage key:
 * two tabs of one user never overwrite each other's.
 */
export class Outbox {
  #storage;
  #now;
  #userId = null;
  #items = [];
  #order = 0;

  /** Age up to which the server knows a key again, milliseconds (`welcome.limits.idempotencyMs`). */
  idempotencyMs = 600_000;

  /**
   * @param {object} options
   * @param {import('./storage.js').SafeStorage} options.storage
   * @param {() => number} options.now milliseconds since 1970
   */
  constructor({ storage, now }) {
    this.#storage = storage;
    this.#now = now;
  }

  /** @returns {OutboxItem[]} as sent, oldest first; copies */
  get items() {
    return this.#items.map((item) => ({ ...item }));
  }

  /**
   * Makes this the outbox of `userId`: takes over what was written before the user was known, and
   * loads what other pages of the same user left. Pages that both have a message send it with the
   * same key.
   * @param {string} userId
   * @returns {string[]} keys of items that belong to another user and are no longer here
   */
  open(userId) {
    const known = this.#userId !== null;
    const foreign = known && userId !== this.#userId ? this.#items : [];
    const own = foreign.length > 0 ? [] : this.#items;
    const early = known ? [] : [...own, ...this.#load()];
    early.forEach((item) => this.#forget(item));
    this.#userId = userId;
    early.forEach((item) => this.#save(item));
    const held = new Set(own.map(({ key }) => key));
    this.#items = [...this.#load().filter(({ key }) => !held.has(key)), ...own];
    this.#order = Math.max(this.#order, ...this.#items.map((item) => item.order));
    return foreign.map(({ key }) => key);
  }

  /**
   * @param {{room: string, text: string, replyTo?: string}} message
   * @returns {OutboxItem}
   * @throws {HubbubError} `outbox_full`
   */
  add({ room, text, replyTo }) {
    if (this.#items.length >= CAPACITY) throw new HubbubError('outbox_full', 'Too many messages are waiting.');
    const item = { key: newKey(), room, text, replyTo, at: this.#now(), order: ++this.#order, state: 'waiting' };
    this.#items.push(item);
    this.#save(item);
    return { ...item };
  }

  /**
   * Takes the next message of a room to send, and marks those too old as `asks`. One at a time per
   * room: a refusal in the middle can then never turn the order round.
   * @param {string} room
   * @returns {OutboxItem | null}
   */
  take(room) {
    const oldest = this.#now() - this.idempotencyMs;
    const mine = this.#items.filter((item) => item.room === room);
    for (const item of mine) if (item.state === 'waiting' && item.at < oldest) item.state = 'asks';
    if (mine.some((item) => item.state === 'sending')) return null;
    const next = mine.find((item) => item.state === 'waiting');
    if (!next) return null;
    next.state = 'sending';
    return { ...next };
  }

  /**
   * Takes in the server's answer. With a `seq` the message is stored and leaves the storage; it
   * stays in view until its event comes, unless that has long been (`duplicate`).
   * @param {string} key
   * @param {{messageId: string, seq?: number, duplicate?: boolean, provisional?: boolean}} ack
   */
  acked(key, ack) {
    const item = this.#find(key);
    if (!item) return;
    item.messageId = ack.messageId;
    if (ack.provisional || ack.seq === undefined) item.state = 'provisional';
    else if (ack.duplicate) this.remove(key);
    else {
      item.state = 'sent';
      this.#forget(item);
    }
  }

  /** Marks a message whose event came without a `seq`. @param {string} key @param {string} messageId @returns {boolean} whether it was here */
  seenProvisional(key, messageId) {
    const item = this.#find(key);
    if (item) Object.assign(item, { state: 'provisional', messageId });
    return item !== undefined;
  }

  /** Back in line after a temporary refusal. @param {string} key */
  postpone(key) {
    const item = this.#find(key);
    if (item?.state === 'sending') item.state = 'waiting';
  }

  /** Refused for good: kept, so that the text is not lost. @param {string} key @param {HubbubError} error */
  refuse(key, error) {
    const item = this.#find(key);
    if (!item) return;
    Object.assign(item, { state: 'failed', error: { code: error.code, message: error.message } });
    this.#save(item);
  }

  /** The connection ended: what is not stored for certain goes again, with the same key. */
  disconnected() {
    for (const item of this.#items) {
      if (item.state === 'sending' || item.state === 'provisional') item.state = 'waiting';
    }
  }

  /** The server could not store these after all; the user decides. @param {string[]} messageIds */
  undelivered(messageIds) {
    for (const item of this.#items.filter((each) => messageIds.includes(each.messageId))) {
      Object.assign(item, { state: 'asks', asked: true });
      this.#save(item); // another page is to ask too
    }
  }

  /** Drops what is stored and whose event will not come any more: the room was read afresh. @param {string} room */
  settle(room) {
    this.#items = this.#items.filter((item) => item.room !== room || item.state !== 'sent');
  }

  /**
   * Sends a message that `asks` or has `failed` once more, as the user wants it. The key stays: if
   * the server does remember it, it is still one message.
   * @param {string} key
   */
  retry(key) {
    const item = this.#find(key);
    if (item?.state !== 'asks' && item?.state !== 'failed') return;
    Object.assign(item, { state: 'waiting', at: this.#now(), error: undefined, asked: undefined });
    this.#save(item);
  }

  /** Drops a message: it was seen with its `seq`, or the user gave it up. @param {string} key @returns {boolean} whether it was here */
  remove(key) {
    const item = this.#find(key);
    if (!item) return false;
    this.#items.splice(this.#items.indexOf(item), 1);
    this.#forget(item);
    return true;
  }

  #find(key) {
    return this.#items.find((item) => item.key === key);
  }

  // Without a user for what is written before one is known.
  get #prefix() {
    return `hubbub.outbox.${this.#userId ?? ''}/`;
  }

  #save({ state, ...item }) {
    this.#storage.set(this.#prefix + item.key, JSON.stringify(item));
  }

  #forget(item) {
    this.#storage.remove(this.#prefix + item.key);
  }

  #load() {
    return this.#storage
      .keys(this.#prefix)
      .map((key) => parse(this.#storage.get(key)))
      .filter((item) => item !== null)
      .sort((a, b) => a.at - b.at || a.order - b.order)
      .slice(-CAPACITY)
      .map((item) => ({ ...item, state: item.error ? 'failed' : item.asked ? 'asks' : 'waiting' }));
  }
}

/** 128 random bits. Not `randomUUID`: browsers offer that to pages behind TLS only. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function parse(json) {
  try {
    const item = JSON.parse(json);
    return typeof item?.key === 'string' && typeof item.room === 'string' && typeof item.text === 'string' ? item : null;
  } catch {
    return null;
  }
}
