/**
 * @typedef {object} Position a place in a room's log; the two only mean something together
 * @property {string} epoch
 * @property {number} seq
 *
 * @typedef {object} Message a message as it is now; replaced, never changed in place
 * @property {string} id
 * @property {number} [seq] missing while provisional
 * @property {number} ts milliseconds since 1970
 * @property {{id: string, name: string, role: string}} from
 * @property {string} text empty when deleted
 * @property {string} [key]
 * @property {string} [replyTo]
 * @property {number} [editedTs]
 * @property {boolean} [deleted]
 * @property {boolean} [provisional]
 * @property {{emoji: string, count: number, mine: boolean}[]} reactions
 */

/** Most messages kept while somebody reads back: a long room whole, and as much again while they do. */
const HELD_MAX = 200_000;

/**
 * What one room looks like, folded from its log (PROTOCOL.md section 3): a snapshot or the missed
 * entries from `joined`, then every event in order. An event that does not follow the position is
 * reported as a gap and not applied, so nothing is ever missing unnoticed.
 */
export class Timeline {
  #userId;
  #capacity;
  #position = null;
  #logged = [];
  #seqs = new Map(); // of the logged messages, by id
  #provisional = [];
  #doubtful = []; // provisional ones of a connection that is gone: the log has them by now, or soon, or nobody
  #older = false;
  #all = null; // both, until one changes

  /** How often it was read afresh: what was asked for before belongs to something else. */
  resets = 0;

  /** While somebody reads back in it, what is held stays, up to {@link HELD_MAX}. */
  held = false;

  /**
   * @param {object} [options]
   * @param {string} [options.userId] whose reactions are `mine`
   * @param {number} [options.capacity] messages kept while new ones arrive; older ones come back by history
   */
  constructor({ userId, capacity = 2_000 } = {}) {
    this.#userId = userId;
    this.#capacity = capacity;
  }

  /** @returns {Position | null} of the last entry applied; null before the first `joined` */
  get position() {
    return this.#position && { ...this.#position };
  }

  /** @returns {readonly Message[]} in log order, provisional ones last; the same array until something changes */
  get messages() {
    this.#all ??= [...this.#logged, ...this.#provisional];
    return this.#all;
  }

  /** @returns {Iterable<Message>} what is in the log, newest first; for those who need only the end */
  *backward() {
    for (let at = this.#logged.length - 1; at >= 0; at -= 1) yield this.#logged[at];
  }

  /** @returns {number | undefined} of the oldest message held: where older history ends */
  get oldestSeq() {
    return this.#logged[0]?.seq;
  }

  /** @returns {boolean} whether the server may hold older messages */
  get hasOlder() {
    return this.#older;
  }

  /**
   * Takes in a `joined` event.
   * @param {object} event
   * @returns {{outcome: 'provisional' | 'recovered' | 'reset' | 'breach', applied: object[]}}
   *   `applied` are the missed entries, in order; `breach`: they do not follow the position, so the
   *   room must be joined afresh
   */
  joined(event) {
    if (event.provisional) return { outcome: 'provisional', applied: [] };
    this.#all = null;
    if (event.recovered) return this.#recover(event);
    this.resets += 1;
    this.#logged = [];
    this.#seqs.clear();
    this.#provisional = [];
    this.#doubtful = [];
    for (const entry of event.entries) this.#append(toMessage(entry));
    this.#position = { epoch: event.epoch, seq: event.seq };
    this.#older = this.#logged.length > 0 && this.oldestSeq > 1;
    return { outcome: 'reset', applied: [] };
  }

  /**
   * Takes in `message`, `edited`, `deleted` or `reaction`.
   * @param {object} event
   * @returns {'applied' | 'provisional' | 'duplicate' | 'gap'} after `gap` the room must be joined again with `since`
   */
  apply(event) {
    this.#all = null;
    if (event.seq === undefined) return this.#hold(event);
    if (this.#position && event.seq <= this.#position.seq) return 'duplicate';
    if (event.seq !== this.#position?.seq + 1) return 'gap';
    this.#fold(event);
    this.#position = { epoch: this.#position.epoch, seq: event.seq };
    return 'applied';
  }

  /**
   * Puts a `history` page before the messages held.
   * @param {object[]} entries oldest first
   * @param {boolean} more whether there are still older ones
   */
  prepend(entries, more) {
    this.#all = null;
    // What lies after the position arrives as events.
    const end = this.oldestSeq ?? (this.#position?.seq ?? 0) + 1;
    const page = entries.filter((entry) => Number.isInteger(entry.seq) && entry.seq < end);
    this.#logged = [...page.map(toMessage), ...this.#logged];
    for (const { id, seq } of page) this.#seqs.set(id, seq);
    this.#older = more;
  }

  /** The connection is gone. */
  lost() {
    this.#doubtful = this.#provisional.map(({ id }) => id);
  }

  /** Removes provisional messages the server could not store (`notice undelivered`). @param {string[]} ids */
  drop(ids) {
    this.#all = null;
    this.#provisional = this.#provisional.filter((message) => !ids.includes(message.id));
  }

  /** @param {string} id @returns {Message | undefined} */
  find(id) {
    return this.#logged[this.#indexOf(id)] ?? this.#provisional.find((message) => message.id === id);
  }

  // By halves: the log is in the order of `seq`.
  #indexOf(id) {
    const seq = this.#seqs.get(id);
    if (seq === undefined) return -1;
    let [low, high] = [0, this.#logged.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#logged[middle].seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #recover(event) {
    if (event.epoch !== this.#position?.epoch) return { outcome: 'breach', applied: [] };
    this.drop(this.#doubtful);
    this.#doubtful = [];
    const applied = event.entries.filter((entry) => this.apply(entry) === 'applied');
    const whole = this.#position.seq >= event.seq && (!event.more || applied.length > 0);
    return { outcome: whole ? 'recovered' : 'breach', applied };
  }

  #hold(event) {
    if (event.type !== 'message' || this.find(event.id)) return 'duplicate';
    this.#provisional.push(toMessage(event));
    return 'provisional';
  }

  #fold(event) {
    switch (event.type) {
      case 'message':
        this.drop([event.id]);
        return this.#append(toMessage(event));
      case 'edited':
        return this.#change(event.messageId, (message) =>
          message.deleted ? message : { ...message, text: event.text, editedTs: event.ts });
      case 'deleted':
        return this.#change(event.messageId, (message) => ({ ...message, text: '', deleted: true }));
      case 'reaction':
        return this.#change(event.messageId, (message) => ({ ...message, reactions: this.#react(message.reactions, event) }));
      default: // a logged type of a later version: it has its place, and nothing to show
    }
  }

  #append(message) {
    this.#logged.push(message);
    this.#seqs.set(message.id, message.seq);
    const most = this.held ? HELD_MAX : this.#capacity;
    if (this.#logged.length <= most) return;
    // An eighth at once, so that a full timeline does not move its whole array for each message.
    const gone = this.#logged.splice(0, this.#logged.length - most + Math.floor(most / 8));
    for (const { id } of gone) this.#seqs.delete(id);
    this.#older = true;
  }

  #change(id, change) {
    const at = this.#indexOf(id);
    if (at >= 0) this.#logged[at] = change(this.#logged[at]);
  }

  #react(reactions, { emoji, on, by }) {
    const me = by.id === this.#userId;
    const old = reactions.find((reaction) => reaction.emoji === emoji) ?? { emoji, count: 0, mine: false };
    if (me && old.mine === on) return reactions; // a history page already counted it
    const now = { emoji, count: Math.max(0, old.count + (on ? 1 : -1)), mine: me ? on : old.mine };
    const next = reactions.includes(old) ? reactions.map((each) => (each === old ? now : each)) : [...reactions, now];
    return next.filter((reaction) => reaction.count > 0);
  }
}

function toMessage({ type, room, instance, ...entry }) {
  return { ...entry, reactions: entry.reactions ?? [] };
}
