// Rooms of a few for many sockets, whose members are of different virtual users; everybody speaks. What most scripts that
// break connections stand on.

import { crowd } from './crowd.js';
import { countOf, messagesIn, openingMs } from './plan.js';
import { CONNECTS_PER_SECOND } from './settings.js';

/**
 * @param {object} of
 * @param {number} of.vus
 * @param {number} of.sockets of each
 * @param {number} of.room most members of a room
 * @param {number} of.intervalMs between two messages of a socket
 * @param {number} of.durationMs how long they talk
 */
export function gatherings({ vus, sockets, room, intervalMs, durationMs }) {
  const total = vus * sockets;
  const count = Math.ceil(total / room);
  const talkMs = openingMs(total, CONNECTS_PER_SECOND) + 2_000;
  const messages = messagesIn(durationMs, intervalMs);
  const place = (run, part) => ({ name: `${run}-${part}`, senders: countOf(total, count, part) });
  return {
    /** When talking begins, and when all should be said, milliseconds from the start. */
    talkMs,
    endMs: talkMs + durationMs,
    /** The rooms of a run. */
    rooms: (run) => Array.from({ length: count }, (_, part) => place(run, part)),
    /** Runs the sockets of this virtual user; `more` goes to `crowd`. */
    run: ({ run, start }, more = {}) => crowd({
      start,
      sockets,
      part: (index) => {
        const mine = place(run, index % count);
        return {
          rooms: [mine],
          says: [mine.name],
          openAt: openingMs(index, CONNECTS_PER_SECOND),
          talkAt: talkMs + (index * intervalMs) / total,
          intervalMs,
          messages,
        };
      },
      ...more,
    }),
  };
}
