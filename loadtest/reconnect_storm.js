// All connections are lost at once, several times, while everybody talks: all come back on their own, spread by their
// backoff, and nobody misses or doubles anything.
//
// README.md says what can be set.

import { gatherings } from './lib/gatherings.js';
import { thresholds } from './lib/metrics.js';
import { report } from './lib/report.js';
import { begin, readBack } from './lib/run.js';
import { options as scenario } from './lib/scenario.js';
import { whole } from './lib/settings.js';

const VUS = whole('VUS', 5);
const SOCKETS = whole('SOCKETS', 100);
const STORMS = whole('STORMS', 3);
const STORM_EVERY_MS = whole('STORM_EVERY_MS', 10_000);
const TOTAL = VUS * SOCKETS;

/** Longest that anybody may be away, milliseconds. The server's default limit lets 50 a second of an address back in. */
const BACK_MS = whole('BACK_MS', 15_000);

const rooms = gatherings({
  vus: VUS,
  sockets: SOCKETS,
  room: whole('ROOM', 10),
  intervalMs: whole('INTERVAL_MS', 3_000),
  durationMs: (STORMS + 1) * STORM_EVERY_MS,
});

export const options = scenario({
  vus: VUS,
  lastsMs: rooms.endMs,
  thresholds: {
    ...thresholds({ vus: VUS, faults: true }),
    chat_interruptions: [`count>=${Math.ceil(0.9 * STORMS * TOTAL)}`],
    chat_interruption_time: [`max<${BACK_MS}`],
  },
});

export const setup = begin;

export default function reconnectStorm(data) {
  let storms = 0;
  rooms.run(data, {
    each: (people, ms) => {
      if (storms === STORMS || ms < rooms.talkMs + (storms + 1) * STORM_EVERY_MS) return;
      storms += 1;
      people.forEach(({ client }) => client.cut());
    },
  });
}

export function teardown({ run }) {
  readBack(rooms.rooms(run));
}

export const handleSummary = report(`reconnect_storm: ${TOTAL} sockets lost at once, ${STORMS} times`);
