// Many rooms, each socket in several, with coming and going: every room keeps its own order, and who leaves one and joins
// it again has all that was said meanwhile.
//
// README.md says what can be set.

import { crowd } from './lib/crowd.js';
import { thresholds } from './lib/metrics.js';
import { messagesIn, openingMs } from './lib/plan.js';
import { report } from './lib/report.js';
import { begin, readBack } from './lib/run.js';
import { options as scenario } from './lib/scenario.js';
import { CONNECTS_PER_SECOND, whole } from './lib/settings.js';

const VUS = whole('VUS', 5);
const SOCKETS = whole('SOCKETS', 40);
const ROOM = whole('ROOM', 10);
const ROOMS_EACH = whole('ROOMS_EACH', 5);
const INTERVAL_MS = whole('INTERVAL_MS', 5_000);
const DURATION_MS = whole('DURATION_MS', 30_000);
const TOTAL = VUS * SOCKETS;

/** Rooms of one circle: each socket is in one room of each of ROOMS_EACH circles. */
const CIRCLE = Math.ceil(TOTAL / ROOM);

/** How long somebody stays out of a room, and how often somebody of a virtual user goes, milliseconds. */
const AWAY_MS = Math.min(1_500, INTERVAL_MS / 3);
const LEAVE_EVERY_MS = whole('LEAVE_EVERY_MS', 250);

const TALK_MS = openingMs(TOTAL, CONNECTS_PER_SECOND) + 2_000;
const MESSAGES = messagesIn(DURATION_MS, INTERVAL_MS);

export const options = scenario({
  vus: VUS,
  lastsMs: TALK_MS + DURATION_MS,
  thresholds: { ...thresholds({ vus: VUS }), chat_caught_up: ['count>0'] },
});

export const setup = begin;

function room(run, circle, index) {
  // Another step in each circle, so that neighbours in one are not neighbours in the next.
  const seat = (index * (2 * circle + 1)) % TOTAL;
  return { name: `${run}-${circle}-${seat % CIRCLE}`, senders: members(circle, seat % CIRCLE) };
}

function members(circle, part) {
  let count = 0;
  for (let index = 0; index < TOTAL; index += 1) count += ((index * (2 * circle + 1)) % TOTAL) % CIRCLE === part ? 1 : 0;
  return count;
}

export default function rooms({ run, start }) {
  const away = [];
  let left = TALK_MS;
  crowd({
    start,
    sockets: SOCKETS,
    part: (index) => {
      const mine = Array.from({ length: ROOMS_EACH }, (_, circle) => room(run, circle, index));
      return {
        rooms: mine,
        says: mine.map(({ name }) => name),
        openAt: openingMs(index, CONNECTS_PER_SECOND),
        talkAt: TALK_MS + (index * INTERVAL_MS) / TOTAL,
        intervalMs: INTERVAL_MS,
        messages: MESSAGES,
      };
    },
    each: (people, ms) => {
      while (away.length > 0 && away[0].until <= ms) {
        const { client, name } = away.shift();
        client.join(name);
      }
      if (ms < left || ms > TALK_MS + DURATION_MS - AWAY_MS) return;
      left = ms + LEAVE_EVERY_MS;
      // Who is about to speak stays: what is said from outside waits, and would count as slow.
      const staying = people.filter(({ client, speaksAt }) => client.isReady && speaksAt - ms > 2 * AWAY_MS);
      const seats = staying.flatMap(({ client }) => [...client.rooms].map(([name, { live }]) => ({ client, name, live })));
      const taken = seats.filter(({ live }) => live);
      if (taken.length === 0) return;
      const { client, name } = taken[Math.floor(Math.random() * taken.length)];
      client.leave(name);
      away.push({ client, name, until: ms + AWAY_MS });
    },
  });
}

export function teardown({ run }) {
  readBack(Array.from({ length: ROOMS_EACH * CIRCLE }, (_, index) => {
    const circle = index % ROOMS_EACH;
    const part = Math.floor(index / ROOMS_EACH);
    return { name: `${run}-${circle}-${part}`, senders: members(circle, part) };
  }).filter(({ senders }) => senders > 0));
}

export const handleSummary = report(`rooms: ${TOTAL} sockets in ${ROOMS_EACH} rooms each, coming and going`);
