// A few stop reading, in rooms where much is said: the server cuts them off (4413), nobody else is slowed, and when they
// read again they come back with their positions and have all of it.
//
// The sockets of k6/websockets are read whatever their virtual user does, so the slow ones are of k6/ws, which reads no
// further while its handler sleeps. README.md says what can be set.

import { check, fail, sleep } from 'k6';
import { scenario as running } from 'k6/execution';
import http from 'k6/http';
import ws from 'k6/ws';

import { Feed, findings } from './lib/feed.js';
import { gatherings } from './lib/gatherings.js';
import * as metrics from './lib/metrics.js';
import { report } from './lib/report.js';
import { begin, readBack } from './lib/run.js';
import { options as scenario } from './lib/scenario.js';
import { CHAT_URLS, METRICS_KEY, METRICS_URLS, PATIENCE_MS, whole } from './lib/settings.js';

const VUS = whole('VUS', 2);
const SOCKETS = whole('SOCKETS', 12);
const ROOM = whole('ROOM', 2);
const SLOW = whole('SLOW', 3);
const TOTAL = VUS * SOCKETS;

/** As many characters as a text may have (PROTOCOL section 1), nearly, of three bytes each. */
const SIZE = 3_900;
const FILLER = '語';

/**
 * Together 60 messages or 700 KB a second, and whoever is slow is in all rooms: the buffers of the kernels on the way,
 * several MB each, are full long before the end.
 */
const rooms = gatherings({
  vus: VUS,
  sockets: SOCKETS,
  room: ROOM,
  intervalMs: whole('INTERVAL_MS', 400),
  durationMs: whole('DURATION_MS', 25_000),
});

/** How long the slow ones read nothing: until all is said. */
const STALL_S = rooms.endMs / 1_000 + 3;

export const options = scenario({
  vus: VUS,
  lastsMs: rooms.endMs,
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

export function setup() {
  return { ...begin(), closedBefore: closed() };
}

export default function others(data) {
  rooms.run(data, { size: SIZE, filler: FILLER });
}

/** One that stops reading, once it is in all rooms. */
export function slow({ run }) {
  const url = `${CHAT_URLS[running.iterationInTest % CHAT_URLS.length]}?room=&name=slow-${running.iterationInTest}`;
  const found = findings();
  const seats = new Map();
  rooms.rooms(run).forEach(({ name, senders }) => seats.set(name, { feed: new Feed(found), senders, live: false }));
  const every = (holds) => [...seats.values()].every(holds);
  const join = (socket, room, since) => socket.send(JSON.stringify({ type: 'join', room, ...(since && { since }) }));
  const hasAll = () => every(({ feed, senders }) => feed.isComplete(senders));

  // Joins all rooms, does something else once it is in, and takes what comes.
  const visit = (then) => ws.connect(url, {}, (socket) => {
    seats.forEach((seat) => {
      seat.live = false;
    });
    socket.on('open', () => seats.forEach(({ feed }, room) => join(socket, room, feed.position)));
    socket.on('message', (text) => {
      const event = JSON.parse(text);
      const seat = seats.get(event.room);
      if (event.type === 'joined') {
        seat.feed.joined(event);
        if (event.recovered && event.more) {
          join(socket, event.room, seat.feed.position);
          return;
        }
        seat.live = true;
        if (every(({ live }) => live)) then(socket);
      } else if (event.type === 'message') {
        seat.feed.event(event);
      }
    });
    // What the connection ended with, if k6 has read as far; no check stands on it.
    socket.on('error', (error) => console.info(`a slow reader: ${error.error()}`));
  });

  let cutOff = true;
  visit((socket) => {
    sleep(STALL_S);
    // Whoever was not cut off reads on, and closes by itself.
    socket.setTimeout(() => {
      cutOff = false;
      socket.close(1000);
    }, PATIENCE_MS);
  });
  check(cutOff, { 'who does not read is cut off': (is) => is });
  if (!every(({ live }) => live)) fail('a slow reader never joined');

  const until = Date.now() + PATIENCE_MS;
  visit((socket) => {
    socket.setInterval(() => {
      if (hasAll() || Date.now() > until) socket.close(1000);
    }, 100);
  });
  const ends = [...seats.values()].map(({ feed, senders }) => feed.close(senders));
  const missing = ends.reduce((sum, { lost, gaps }) => sum + lost + gaps, 0);
  if (missing + found.duplicates + found.reordered + found.resets > 0) {
    console.error(`a slow reader that came back: ${missing} missing, ${JSON.stringify(found)}`);
  }
  metrics.caughtUp.add(found.caughtUp);
  check(found, {
    'and comes back to all of it': ({ resets }) => hasAll() && missing + resets === 0,
    'once and in order': ({ duplicates, reordered }) => duplicates + reordered === 0,
  });
}

export function teardown({ run, closedBefore }) {
  readBack(rooms.rooms(run));
  if (closedBefore !== null) {
    const now = closed();
    check(now, { 'the server closed as many with 4413': (count) => count - closedBefore === SLOW });
    console.info(`closed with 4413: ${now - closedBefore} of ${SLOW} slow readers`);
  }
}

/** How many connections the servers closed with 4413 so far; null without a key. */
function closed() {
  if (METRICS_KEY === '') return null;
  let count = 0;
  for (const url of METRICS_URLS) {
    const { status, body } = http.get(`${url}/metrics/prometheus`, { headers: { Authorization: `Bearer ${METRICS_KEY}` } });
    if (status !== 200) fail(`${url}: the metrics are answered with ${status}`);
    const line = /^hubbub_closes_total\{[^}]*code="4413"[^}]*\} (\d+)/m.exec(body);
    count += line ? Number(line[1]) : 0;
  }
  return count;
}

export const handleSummary = report(`slow_reader: ${SLOW} of ${TOTAL + SLOW} sockets stop reading`);
