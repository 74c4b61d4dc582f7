// Many WebSockets talk at once: everything said must be acked and reach everyone, once and in order.
//
// Each virtual user has a room of its own, in which all of its sockets speak, and there is one room for all, in which the
// first socket of each speaks. README.md says what can be set.

import { crowd } from './lib/crowd.js';
import { thresholds } from './lib/metrics.js';
import { openingMs } from './lib/plan.js';
import { report } from './lib/report.js';
import { begin, readBack } from './lib/run.js';
import { options as scenario } from './lib/scenario.js';
import { CONNECTS_PER_SECOND, whole } from './lib/settings.js';

const VUS = whole('VUS', 5);
const SOCKETS = whole('SOCKETS', 20);
const MESSAGES = whole('MESSAGES', 20);
const INTERVAL_MS = whole('INTERVAL_MS', 500);

const TALK_MS = openingMs(VUS * SOCKETS, CONNECTS_PER_SECOND) + 1_000;

export const options = scenario({
  vus: VUS,
  lastsMs: TALK_MS + MESSAGES * INTERVAL_MS,
  thresholds: thresholds({ vus: VUS }),
});

export const setup = begin;

const own = (run, vu) => ({ name: `${run}-${vu}`, senders: SOCKETS });
const shared = (run) => ({ name: `${run}-all`, senders: VUS });

export default function smoke({ run, start }) {
  crowd({
    start,
    sockets: SOCKETS,
    part: (index) => {
      const rooms = [own(run, Math.floor(index / SOCKETS)), shared(run)];
      return {
        rooms,
        says: index % SOCKETS === 0 ? rooms.map(({ name }) => name) : [rooms[0].name],
        openAt: openingMs(index, CONNECTS_PER_SECOND),
        talkAt: TALK_MS + (index % SOCKETS) * (INTERVAL_MS / SOCKETS),
        intervalMs: INTERVAL_MS,
        messages: MESSAGES,
      };
    },
  });
}

export function teardown({ run }) {
  readBack([shared(run), ...Array.from({ length: VUS }, (_, vu) => own(run, vu))]);
}

export const handleSummary = report('smoke: everyone talks');
