// Everybody talks while the servers are restarted, one after the other, by somebody else (`hubbub cluster restart`, or
// SIGTERM and a start): nobody loses or doubles anything, and everybody comes back. Prints the longest interruption.
//
// README.md says what can be set, and what to do meanwhile.

import { gatherings } from './lib/gatherings.js';
import { thresholds } from './lib/metrics.js';
import { report } from './lib/report.js';
import { begin, readBack } from './lib/run.js';
import { options as scenario } from './lib/scenario.js';
import { whole } from './lib/settings.js';

const VUS = whole('VUS', 5);
const SOCKETS = whole('SOCKETS', 60);
const TOTAL = VUS * SOCKETS;

/** Longest that anybody may be away, milliseconds: as the server told, and the way back. */
const BACK_MS = whole('BACK_MS', 30_000);

/** Connections that must have been ended by a restart, or the run showed nothing. */
const RESTARTED = whole('RESTARTED', 1);

const rooms = gatherings({
  vus: VUS,
  sockets: SOCKETS,
  room: whole('ROOM', 10),
  intervalMs: whole('INTERVAL_MS', 2_000),
  durationMs: whole('DURATION_MS', 120_000),
});

export const options = scenario({
  vus: VUS,
  lastsMs: rooms.endMs,
  thresholds: {
    ...thresholds({ vus: VUS, faults: true }),
    chat_drained: [`count>=${RESTARTED}`],
    chat_interruption_time: [`max<${BACK_MS}`],
  },
});

export const setup = begin;

export default function rollingRestart(data) {
  rooms.run(data);
}

export function teardown({ run }) {
  readBack(rooms.rooms(run));
}

export const handleSummary = report(`rolling_restart: ${TOTAL} sockets talk while servers restart`);
