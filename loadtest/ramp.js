// More and more WebSockets, in steps: at how many do acks and deliveries become slow?
//
// Each step opens as many sockets again, in rooms of a few, and then holds; those of earlier steps go on talking. The
// summary has the times of each step. README.md says what can be set.

import { crowd } from './lib/crowd.js';
import { thresholds } from './lib/metrics.js';
import { countOf, messagesIn } from './lib/plan.js';
import { report } from './lib/report.js';
import { begin, readBack } from './lib/run.js';
import { options as scenario } from './lib/scenario.js';
import { CONNECTS_PER_SECOND, whole } from './lib/settings.js';

const VUS = whole('VUS', 10);
const SOCKETS = whole('SOCKETS', 100);
const STEPS = whole('STEPS', 5);
const ROOM = whole('ROOM', 10);
const INTERVAL_MS = whole('INTERVAL_MS', 5_000);
const TOTAL = VUS * SOCKETS;

/** A step opens its sockets, and then lets all talk for so long, milliseconds. */
const HOLD_MS = whole('HOLD_MS', 20_000);
const OPEN_MS = Math.ceil((countOf(TOTAL, STEPS, 0) * 1_000) / CONNECTS_PER_SECOND) + 1_000;
const STEP_MS = OPEN_MS + HOLD_MS;

export const options = scenario({
  vus: VUS,
  lastsMs: STEPS * STEP_MS,
  thresholds: thresholds({ vus: VUS, tags: Array.from({ length: STEPS }, (_, step) => `step:${step + 1}`) }),
});

export const setup = begin;

/** The rooms of a step, and who of the step is in which. */
function room(run, step, index) {
  const members = countOf(TOTAL, STEPS, step);
  const rooms = Math.ceil(members / ROOM);
  return { name: `${run}-${step}-${index % rooms}`, senders: countOf(members, rooms, index % rooms) };
}

export default function ramp({ run, start }) {
  crowd({
    start,
    sockets: SOCKETS,
    part: (socket) => {
      const step = socket % STEPS;
      const index = Math.floor(socket / STEPS);
      const mine = room(run, step, index);
      const talkAt = step * STEP_MS + OPEN_MS + (index % 100) * (INTERVAL_MS / 100);
      return {
        rooms: [mine],
        says: [mine.name],
        openAt: step * STEP_MS + (index * 1_000) / CONNECTS_PER_SECOND,
        talkAt,
        intervalMs: INTERVAL_MS,
        messages: messagesIn(STEPS * STEP_MS - talkAt, INTERVAL_MS),
      };
    },
    // Only what is said while a step holds is the step's; opening is a load of its own.
    tags: (ms) => (ms % STEP_MS < OPEN_MS || ms >= STEPS * STEP_MS ? {} : { step: String(Math.floor(ms / STEP_MS) + 1) }),
  });
}

export function teardown({ run }) {
  readBack(Array.from({ length: STEPS }, (_, step) => room(run, step, 0)));
}

export const handleSummary = report(`ramp: ${TOTAL} sockets in ${STEPS} steps, rooms of ${ROOM}`);
