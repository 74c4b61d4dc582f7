// What is measured, and what it must be. The promises are those of the wire contract: no loss after the ack, one order, no
// duplicates (PROTOCOL section 4).

import { Counter, Rate, Trend } from 'k6/metrics';

import { LIMITS } from './settings.js';

/** Sockets that were welcomed and joined all their rooms. */
export const joined = new Rate('chat_joined');

/** Messages that were said, and whether each was acked. */
export const acked = new Rate('chat_acked');

/** Sockets times rooms times senders there: whether the socket had all that the sender said, up to its last. */
export const complete = new Rate('chat_complete');

/** Messages had live, and those had by coming back. */
export const delivered = new Counter('chat_delivered');
export const caughtUp = new Counter('chat_caught_up');

/** Messages that a socket never had. */
export const lost = new Counter('chat_lost');

/** Numbers of a room's log that a socket in it never had. */
export const gaps = new Counter('chat_gaps');

/** Messages that a socket had more than once. */
export const duplicates = new Counter('chat_duplicates');

/** Messages that came after one that was said, or numbered, later. */
export const reordered = new Counter('chat_reordered');

/** Rooms that had to be read afresh, as the server could not tell what was missed. */
export const resets = new Counter('chat_resets');

/** Messages and joins without a number, while the server is without its log. */
export const provisional = new Counter('chat_provisional');

/** Commands that were answered with an error. */
export const refused = new Counter('chat_refused');

/** Connections on which something else came before a `welcome`, as when k6 dropped it; they were opened anew. */
export const unwelcomed = new Counter('chat_unwelcomed');

/** Connections that ended before they were closed, and those of them that the server ended to restart (1012). */
export const interruptions = new Counter('chat_interruptions');
export const drained = new Counter('chat_drained');

/** From the end of a connection to being in all rooms again. */
export const interruptionTime = new Trend('chat_interruption_time', true);

/** Clients that may not come back by the contract, or did not. */
export const stayedAway = new Counter('chat_stayed_away');

/** From saying a message to its ack; only those acked at the first try, the others wait for a connection. */
export const ackTime = new Trend('chat_ack_time', true);

/** Messages that needed more than one try. */
export const retried = new Counter('chat_retried');

/** From saying a message to having it live at one socket. */
export const deliveryTime = new Trend('chat_delivery_time', true);

/** Virtual users that came to their end with everything counted. */
export const finished = new Counter('chat_finished');

/** Messages found in the rooms' logs at the end, and what was wrong there: lost, doubled, out of order. */
export const logRead = new Counter('chat_log_read');
export const logWrong = new Counter('chat_log_wrong');

/** Those that must be known to be 0 rather than not known. */
const ZERO = [delivered, caughtUp, lost, gaps, duplicates, reordered, resets, provisional, refused, unwelcomed, interruptions,
  drained, stayedAway, retried, finished, logRead, logWrong];

/** Lets every counter be known. */
export function countFromZero() {
  ZERO.forEach((counter) => counter.add(0));
}

/**
 * What a run must fulfil.
 * @param {object} run
 * @param {number} run.vus virtual users that must come to their end
 * @param {boolean} [run.faults] whether connections may end, and commands be refused for a moment
 * @param {string[]} [run.tags] `name:value` of parts of the run for which the times must hold too
 */
export function thresholds({ vus, faults = false, tags = [] }) {
  const { ackP95, ackP99, deliveryP95, deliveryP99 } = LIMITS;
  const ack = [`p(95)<${ackP95}`, `p(99)<${ackP99}`];
  const delivery = [`p(95)<${deliveryP95}`, `p(99)<${deliveryP99}`];
  const none = ['count==0'];
  return {
    chat_joined: ['rate==1'],
    chat_acked: ['rate==1'],
    chat_complete: ['rate==1'],
    chat_lost: none,
    chat_gaps: none,
    chat_duplicates: none,
    chat_reordered: none,
    chat_resets: none,
    chat_stayed_away: none,
    chat_log_wrong: none,
    chat_finished: [`count==${vus}`],
    chat_ack_time: ack,
    chat_delivery_time: delivery,
    ...(faults ? {} : { chat_refused: none, chat_interruptions: none }),
    ...Object.fromEntries(tags.map((tag) => [`chat_ack_time{${tag}}`, ack])),
    ...Object.fromEntries(tags.map((tag) => [`chat_delivery_time{${tag}}`, delivery])),
  };
}
