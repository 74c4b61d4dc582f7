// What one virtual user's clients said, and who had it.

import * as metrics from './metrics.js';

export class Account {
  /** @param {number} clients how many must have every message */
  constructor(clients) {
    this.clients = clients;
    /** By key: when it was said, whether it was acked, and how many clients had it. */
    this.messages = new Map();
    this.acks = 0;
    this.complete = 0;
  }

  say(key) {
    this.messages.set(key, { said: Date.now(), acked: false, had: 0 });
  }

  ack(key) {
    const message = this.messages.get(key);
    if (message && !message.acked) {
      message.acked = true;
      this.acks += 1;
      metrics.ackTime.add(Date.now() - message.said);
    }
  }

  /** A client had a message; those of other virtual users are not in this account. */
  deliver(key) {
    const message = this.messages.get(key);
    if (message) {
      message.had += 1;
      this.complete += message.had === this.clients ? 1 : 0;
      metrics.deliveryTime.add(Date.now() - message.said);
    }
  }

  /** Whether `count` messages were said, acked, and had by everyone. */
  isSettled(count) {
    return this.acks === count && this.complete === count;
  }

  /** Counts what arrived and what is missing; once, at the end. */
  close(count) {
    for (let missing = this.messages.size; missing < count; missing += 1) {
      metrics.acked.add(false);
    }
    for (const { acked, had } of this.messages.values()) {
      metrics.acked.add(acked);
      for (let client = 0; acked && client < this.clients; client += 1) {
        metrics.delivered.add(client < had);
      }
    }
  }
}
