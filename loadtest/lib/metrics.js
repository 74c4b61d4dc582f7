// What is measured, and what it must be. The promises are those of the wire contract: no loss after the ack, one
// order, no duplicates.

import { Counter, Rate, Trend } from 'k6/metrics';

/** Sockets that were welcomed and joined their rooms. */
export const joined = new Rate('chat_joined');

/** Messages that were acked. */
export const acked = new Rate('chat_acked');

/** Acked messages times sockets in the room: whether each had it. */
export const delivered = new Rate('chat_delivered');

/** Events whose number was not the one after the last: a gap, a repeat, or another order. */
export const misnumbered = new Counter('chat_misnumbered');

/** Messages that a socket had more than once. */
export const duplicates = new Counter('chat_duplicates');

/** Commands that were answered with an error. */
export const refused = new Counter('chat_refused');

/** Connections that ended before they were closed. */
export const lost = new Counter('chat_lost');

/** From saying a message to its ack. */
export const ackTime = new Trend('chat_ack_time', true);

/** From saying a message to its delivery to one socket. */
export const deliveryTime = new Trend('chat_delivery_time', true);

/** What a run must fulfil. The times are generous: k6 itself takes most of them on a small machine. */
export const thresholds = {
  chat_joined: ['rate==1'],
  chat_acked: ['rate==1'],
  chat_delivered: ['rate==1'],
  chat_misnumbered: ['count==0'],
  chat_duplicates: ['count==0'],
  chat_refused: ['count==0'],
  chat_lost: ['count==0'],
  chat_ack_time: ['p(95)<500', 'p(99)<1500'],
  chat_delivery_time: ['p(95)<500', 'p(99)<1500'],
};

/** Lets a metric be known that nothing happened, so that its threshold is not passed for lack of a sample. */
export function countFromZero() {
  for (const counter of [misnumbered, duplicates, refused, lost]) {
    counter.add(0);
  }
}
