// The same for hours: everybody talks, and now and then somebody's connection is lost. Is the end as fast as the start?
//
// The summary has the times of the first and of the last fifth. README.md says what can be set.

import { gatherings } from './lib/gatherings.js';
import { thresholds } from './lib/metrics.js';
import { report } from './lib/report.js';
import { begin, readBack } from './lib/run.js';
import { options as scenario } from './lib/scenario.js';
import { whole } from './lib/settings.js';

const VUS = whole('VUS', 5);
const SOCKETS = whole('SOCKETS', 60);
const TOTAL = VUS * SOCKETS;
const DURATION_MS = whole('DURATION_MS', 3_600_000);

/** How often a virtual user loses one of its connections, milliseconds. */
const CUT_EVERY_MS = whole('CUT_EVERY_MS', 2_000);

const rooms = gatherings({
  vus: VUS,
  sockets: SOCKETS,
  room: whole('ROOM', 10),
  intervalMs: whole('INTERVAL_MS', 5_000),
  durationMs: DURATION_MS,
});

export const options = scenario({
  vus: VUS,
  lastsMs: rooms.endMs,
  thresholds: thresholds({ vus: VUS, faults: true, tags: ['part:first', 'part:last'] }),
});

export const setup = begin;

export default function soak(data) {
  let cut = rooms.talkMs;
  rooms.run(data, {
    each: (people, ms) => {
      if (ms < cut || ms > rooms.endMs) return;
      cut = ms + CUT_EVERY_MS;
      const { client } = people[Math.floor(Math.random() * people.length)];
      if (client.isReady) client.cut();
    },
    tags: (ms) => {
      const part = (ms - rooms.talkMs) / DURATION_MS;
      if (part < 0.2) return { part: 'first' };
      return part >= 0.8 ? { part: 'last' } : {};
    },
  });
}

export function teardown({ run }) {
  readBack(rooms.rooms(run));
}

export const handleSummary = report(`soak: ${TOTAL} sockets for ${Math.round(DURATION_MS / 60_000)} minutes`);
