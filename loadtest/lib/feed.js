// What one socket is told of one room, held against the promises: one order, no loss, no duplicates (PROTOCOL section 4).

import { parse } from './message.js';

/** Counts of what was found; one object may serve many feeds. */
export function findings() {
  return { delivered: 0, caughtUp: 0, duplicates: 0, reordered: 0, resets: 0, provisional: 0 };
}

/** Which of 0, 1, 2, … came: the next one, one too early, one too late, one again. */
class Sequence {
  /** @param {number} next the one that is due */
  constructor(next) {
    this.next = next;
    /** Those that were passed over and did not come since. */
    this.missing = new Set();
  }

  /** @returns {'next' | 'ahead' | 'late' | 'again'} */
  take(number) {
    if (number === this.next) {
      this.next += 1;
      return 'next';
    }
    if (number > this.next) {
      this.reach(number - 1);
      this.next = number + 1;
      return 'ahead';
    }
    return this.missing.delete(number) ? 'late' : 'again';
  }

  /** All up to this one should have come. */
  reach(number) {
    for (; this.next <= number; this.next += 1) this.missing.add(this.next);
  }
}

/**
 * Two counts run beside each other. The server's `seq` must rise by one from where the room was joined, through every
 * reconnect: what the log holds came, once and in order. The number that each sender put into its own text must rise by
 * one too, to the one marked as the last: what was said is in the log, once and as it was sent. A message that the server
 * acked and never logged shows only in the second.
 */
export class Feed {
  /** @param {ReturnType<typeof findings>} found where to count */
  constructor(found) {
    this.found = found;
    /** Where this client stands, to come back to. @type {{epoch: string, seq: number} | null} */
    this.position = null;
    this.seqs = new Sequence(1);
    this.holes = 0;
    this.senders = new Map();
    this.fromStart = false;
  }

  /**
   * Takes in a `joined`.
   * @returns {import('./message.js').Said[]} what it brought that was not known
   */
  joined({ epoch, seq, recovered, entries = [], provisional }) {
    if (provisional) {
      this.found.provisional += 1;
      return [];
    }
    if (recovered && this.position?.epoch === epoch) {
      const fresh = entries.map((entry) => this.#take(entry)).filter((said) => said !== null);
      this.found.caughtUp += fresh.length;
      // What it says to have given and has not.
      this.seqs.reach(seq);
      this.position = { epoch, seq };
      return fresh;
    }
    if (this.position) this.found.resets += 1;
    // A room that nobody spoke in: every sender will start with its first.
    this.fromStart = this.position === null && seq === 0;
    this.holes += this.seqs.missing.size;
    this.seqs = new Sequence(seq + 1);
    this.position = { epoch, seq };
    return entries.map((entry) => this.#known(entry)).filter((said) => said !== null);
  }

  /**
   * Takes in a logged event that came live.
   * @returns {import('./message.js').Said | null} the message, if it is one of a load test and was not had before
   */
  event(event) {
    if (event.seq === undefined) {
      this.found.provisional += 1;
      return null;
    }
    const said = this.#take(event);
    if (said) this.found.delivered += 1;
    return said;
  }

  /**
   * What is missing at the end.
   * @param {number} senders how many speak in the room
   * @returns {{complete: number, lost: number, gaps: number}} senders of whom all was had up to the last; messages that
   *   were not; numbers of the log that never came
   */
  close(senders) {
    let complete = 0;
    let lost = 0;
    for (const { numbers, ended } of this.senders.values()) {
      complete += ended && numbers.missing.size === 0 ? 1 : 0;
      lost += numbers.missing.size + (ended ? 0 : 1);
    }
    // Of a sender that was never heard at least its last message is missing.
    lost += Math.max(0, senders - this.senders.size);
    return { complete, lost, gaps: this.holes + this.seqs.missing.size };
  }

  /** Whether everything of so many senders is here. */
  isComplete(senders) {
    let complete = 0;
    for (const { numbers, ended } of this.senders.values()) {
      if (numbers.missing.size > 0) return false;
      complete += ended ? 1 : 0;
    }
    return complete >= senders;
  }

  #take({ type = 'message', seq, text }) {
    const bySeq = this.seqs.take(seq);
    this.position = { epoch: this.position?.epoch, seq: this.seqs.next - 1 };
    const said = type === 'message' ? parse(text) : null;
    const bySender = said ? this.#sender(said).numbers.take(said.number) : 'next';
    if (said?.last) this.#sender(said).ended = true;
    if (bySeq === 'again' || bySender === 'again') {
      this.found.duplicates += 1;
      return null;
    }
    if (bySeq === 'late' || bySender === 'late') this.found.reordered += 1;
    return said;
  }

  // An entry of a page of what is known: what was had before is no duplicate.
  #known({ type = 'message', text }) {
    const said = type === 'message' ? parse(text) : null;
    if (!said) return null;
    const sender = this.#sender(said);
    sender.ended ||= said.last;
    return sender.numbers.take(said.number) === 'again' ? null : said;
  }

  #sender({ sender, number }) {
    let known = this.senders.get(sender);
    if (!known) {
      known = { numbers: new Sequence(this.fromStart ? 0 : number), ended: false };
      this.senders.set(sender, known);
    }
    return known;
  }
}
