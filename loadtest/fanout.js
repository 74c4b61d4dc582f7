// One large room: a few speak, and everybody has to have it.
//
// README.md says what can be set.

import { crowd } from './lib/crowd.js';
import { thresholds } from './lib/metrics.js';
import { messagesIn, openingMs } from './lib/plan.js';
import { report } from './lib/report.js';
import { begin, readBack } from './lib/run.js';
import { options as scenario } from './lib/scenario.js';
import { CONNECTS_PER_SECOND, whole } from './lib/settings.js';

const VUS = whole('VUS', 10);
const SOCKETS = whole('SOCKETS', 100);
const SPEAKERS = whole('SPEAKERS', 5);
const INTERVAL_MS = whole('INTERVAL_MS', 2_000);
const DURATION_MS = whole('DURATION_MS', 30_000);
const TOTAL = VUS * SOCKETS;

if (SPEAKERS > TOTAL) throw new Error(`SPEAKERS must be at most ${TOTAL}, as many as there are sockets`);

const TALK_MS = openingMs(TOTAL, CONNECTS_PER_SECOND) + 2_000;
const MESSAGES = messagesIn(DURATION_MS, INTERVAL_MS);

export const options = scenario({ vus: VUS, lastsMs: TALK_MS + DURATION_MS, thresholds: thresholds({ vus: VUS }) });

export const setup = begin;

const hall = (run) => ({ name: `${run}-hall`, senders: SPEAKERS });

export default function fanout({ run, start }) {
  // Spread, so that no virtual user has them all.
  const every = Math.floor(TOTAL / SPEAKERS);
  crowd({
    start,
    sockets: SOCKETS,
    part: (index) => {
      const speaker = Math.floor(index / every);
      const speaks = index % every === 0 && speaker < SPEAKERS;
      return {
        rooms: [hall(run)],
        says: speaks ? [hall(run).name] : [],
        openAt: openingMs(index, CONNECTS_PER_SECOND),
        talkAt: TALK_MS + (speaks ? (speaker * INTERVAL_MS) / SPEAKERS : 0),
        intervalMs: INTERVAL_MS,
        messages: MESSAGES,
      };
    },
  });
}

export function teardown({ run }) {
  readBack([hall(run)]);
}

export const handleSummary = report(`fanout: ${TOTAL} sockets in one room, ${SPEAKERS} speak`);
