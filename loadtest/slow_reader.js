// A few stop reading in a room where much is said: the server cuts them off (4413), nobody else is slowed, and when they
// read again they come back with their position and have all of it.
//
// The sockets of k6/websockets are read whatever their virtual user does, so the slow ones are of k6/ws, which reads no
// further while its handler sleeps. README.md says what can be set.

import { check, fail, sleep } from 'k6';
import { scenario as running } from 'k6/execution';
import http from 'k6/http';
import ws from 'k6/ws';

import { crowd } from './lib/crowd.js';
import { Feed, findings } from './lib/feed.js';
import * as metrics from './lib/metrics.js';
import { messagesIn, openingMs } from './lib/plan.js';
import { report } from './lib/report.js';
import { begin, readBack } from './lib/run.js';
import { options as scenario } from './lib/scenario.js';
import { BASE_URLS, CHAT_URLS, CONNECTS_PER_SECOND, METRICS_KEY, PATIENCE_MS, whole } from './lib/settings.js';

const VUS = whole('VUS', 2);
const SOCKETS = whole('SOCKETS', 10);
const SPEAKERS = whole('SPEAKERS', 5);
const SLOW = whole('SLOW', 3);

/** Together about 1.2 MB a second, so that the buffers of the kernel, several MB, are full long before the end. */
const INTERVAL_MS = whole('INTERVAL_MS', 50);
const DURATION_MS = whole('DURATION_MS', 20_000);

/** As many characters as a text may have (PROTOCOL section 1), nearly, of three bytes each. */
const SIZE = 3_900;
const FILLER = '語';

const TOTAL = VUS * SOCKETS;
const TALK_MS = openingMs(TOTAL, CONNECTS_PER_SECOND) + 2_000;
const MESSAGES = messagesIn(DURATION_MS, INTERVAL_MS);

/** How long the slow ones read nothing: until all is said. */
const STALL_S = (TALK_MS + DURATION_MS) / 1_000 + 3;

export const options = scenario({
  vus: VUS,
  lastsMs: TALK_MS + DURATION_MS,
  thresholds: {
    ...metrics.thresholds({ vus: VUS }),
    // Cut off, and back with nothing missing.
    checks: ['rate==1'],
  },
  scenarios: {
    slow: {
      executor: 'per-vu-iterations',
      exec: 'slow',
      vus: SLOW,
      iterations: 1,
      maxDuration: `${Math.ceil(STALL_S + (2 * PATIENCE_MS) / 1_000)}s`,
      gracefulStop: '0s',
    },
  },
});


const hall = (run) => ({ name: `${run}-hall`, senders: SPEAKERS });

export function setup() {
  return { ...begin(), closedBefore: closed() };
}

export default function others({ run, start }) {
  crowd({
    start,
    sockets: SOCKETS,
    size: SIZE,
    filler: FILLER,
    part: (index) => ({
      rooms: [hall(run)],
      says: index < SPEAKERS ? [hall(run).name] : [],
      openAt: openingMs(index, CONNECTS_PER_SECOND),
      talkAt: TALK_MS + (index < SPEAKERS ? (index * INTERVAL_MS) / SPEAKERS : 0),
      intervalMs: INTERVAL_MS,
      messages: MESSAGES,
    }),
  });
}

/** One that stops reading, once it is in the room. */
export function slow({ run }) {
  const url = `${CHAT_URLS[running.iterationInTest % CHAT_URLS.length]}?room=&name=slow-${running.iterationInTest}`;
  const { name, senders } = hall(run);
  const found = findings();
  const feed = new Feed(found);
  let cutOff = true;
  let position = null;
  const join = (socket, since) => socket.send(JSON.stringify({ type: 'join', room: name, ...(since && { since }) }));

  // Asks to join, takes what comes until `then` does something else.
  const visit = (then) => ws.connect(url, {}, (socket) => {
    socket.on('open', () => join(socket, feed.position));
    socket.on('message', (text) => {
      const event = JSON.parse(text);
      if (event.type === 'joined') {
        feed.joined(event);
        if (event.recovered && event.more) join(socket, feed.position);
        else then(socket);
      } else if (event.type === 'message') {
        feed.event(event);
      }
    });
    // What the connection ended with, if k6 has read as far; the check below does not stand on it.
    socket.on('error', (error) => console.info(`a slow reader: ${error.error()}`));
  });

  visit((socket) => {
    sleep(STALL_S);
    // Reads on for a while: whoever was not cut off gets everything, and closes by itself.
    socket.setTimeout(() => {
      cutOff = false;
      socket.close(1000);
    }, PATIENCE_MS);
  });
  position = feed.position;
  check(cutOff, { 'who does not read is cut off': (is) => is });
  if (!position) fail('a slow reader never joined');

  const until = Date.now() + PATIENCE_MS;
  visit((socket) => {
    socket.setInterval(() => {
      if (feed.isComplete(senders) || Date.now() > until) socket.close(1000);
    }, 100);
  });
  const { lost, gaps } = feed.close(senders);
  if (lost + gaps + found.duplicates + found.reordered + found.resets > 0) {
    console.error(`a slow reader that came back: ${lost} lost, ${gaps} gaps, ${JSON.stringify(found)}`);
  }
  metrics.caughtUp.add(found.caughtUp);
  check(feed, {
    'and comes back to all of it': () => feed.isComplete(senders) && lost + gaps + found.resets === 0,
    'once and in order': () => found.duplicates + found.reordered === 0,
  });
}

export function teardown({ run, closedBefore }) {
  readBack([hall(run)]);
  if (closedBefore !== null) {
    const now = closed();
    check(now, { 'the server closed as many with 4413': (count) => count - closedBefore === SLOW });
    console.info(`closed with 4413: ${now - closedBefore} of ${SLOW} slow readers`);
  }
}

/** How many connections the servers closed with 4413 so far; null without a key. Needs each server in BASE_URLS. */
function closed() {
  if (METRICS_KEY === '') return null;
  let count = 0;
  for (const url of BASE_URLS) {
    const { body } = http.get(`${url}/metrics/prometheus`, { headers: { Authorization: `Bearer ${METRICS_KEY}` } });
    const line = /^hubbub_closes_total\{[^}]*code="4413"[^}]*\} (\d+)/m.exec(body);
    count += line ? Number(line[1]) : 0;
  }
  return count;
}

export const handleSummary = report(`slow_reader: ${SLOW} of ${TOTAL + SLOW} sockets stop reading`);
