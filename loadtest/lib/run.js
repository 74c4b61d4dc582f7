// What begins and ends every run: one name and one start for all virtual users, and the log read back at the end.

import http from 'k6/http';
import { sleep } from 'k6';

import { Feed, findings } from './feed.js';
import * as metrics from './metrics.js';
import { BASE_URLS, READ_BACK } from './settings.js';

/** Before the first socket opens: so long every virtual user may take to get going, milliseconds. */
const LEAD_MS = 1_000;

/** Most messages of a page (PROTOCOL section 2). */
const PAGE = 200;

/** How often a page that is refused for a moment is asked for again. */
const TRIES = 20;

/** A run: the prefix of its rooms, which no other run has, and when it starts. */
export function begin() {
  metrics.countFromZero();
  const now = Date.now();
  return { run: `load-${now.toString(36)}-${Math.floor(Math.random() * 1e6).toString(36)}`, start: now + LEAD_MS };
}

/**
 * Reads the logs of rooms and holds them against what was said: by `seq`, and by each sender's own count.
 * @param {{name: string, senders: number}[]} rooms
 */
export function readBack(rooms) {
  rooms.slice(0, READ_BACK).forEach(({ name, senders }, index) => {
    const found = findings();
    const feed = new Feed(found);
    let after = 0;
    let read = 0;
    for (let more = true; more; ) {
      const page = get(`${BASE_URLS[index % BASE_URLS.length]}/api/rooms/${name}/messages?after=${after}&limit=${PAGE}`);
      if (page === null) {
        metrics.logWrong.add(1);
        return;
      }
      const { entries } = page;
      if (read === 0 && entries.length > 0) {
        // The oldest may have been trimmed; what is left starts where it starts.
        feed.joined({ epoch: 'log', seq: entries[0].seq - 1, recovered: false });
      }
      entries.forEach((entry) => feed.event(entry));
      read += entries.length;
      after = entries.length > 0 ? entries[entries.length - 1].seq : after;
      more = page.more && entries.length > 0;
    }
    const { lost, gaps } = feed.close(senders);
    const wrong = lost + gaps + found.duplicates + found.reordered;
    if (wrong > 0) console.error(`the log of ${name}: ${lost} lost, ${gaps} gaps, ${JSON.stringify(found)}`);
    metrics.logRead.add(read);
    metrics.logWrong.add(wrong);
  });
}

function get(url) {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const answer = http.get(url, { responseType: 'text' });
    if (answer.status === 200) return answer.json();
    if (answer.status < 500 && answer.status !== 429 && answer.status !== 0) {
      console.error(`${url}: ${answer.status} ${answer.body}`);
      return null;
    }
    sleep(1);
  }
  console.error(`${url}: no answer`);
  return null;
}
