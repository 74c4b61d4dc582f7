// Measures the page: what it weighs, when the first message is on the screen, and how it feels under a flood.
// Says what it found, as a table; judges nothing, since a busy machine would.

import { talker } from './people.js';
import { perform } from './processes.js';
import { stage } from './stage.js';

/** How often the page is opened. */
const OPENINGS = Number(process.env.OPENINGS ?? 9);
/** Messages per second into the open room, and for how long, seconds. */
const RATE = Number(process.env.RATE ?? 1_000);
const SECONDS = Number(process.env.FLOOD_SECONDS ?? 10);
/** A key is pressed this often, milliseconds: as people write. */
const KEY_MS = 90;

/** Notes when the first message stands in the log, and how long each key took to its next frame. */
const NOTE = `
  globalThis.measured = { first: null, keys: [] };
  new MutationObserver((changes, self) => {
    if (!document.querySelector('#log li[data-id]')) return;
    self.disconnect();
    requestAnimationFrame(() => setTimeout(() => (measured.first = performance.now())));
  }).observe(document, { childList: true, subtree: true });
  new PerformanceObserver((list) => {
    for (const { name, duration } of list.getEntries()) if (name === 'keydown') measured.keys.push(duration);
  }).observe({ type: 'event', durationThreshold: 16 });
`;

const middle = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const worst = (numbers) => Math.max(...numbers);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function openings(page, url) {
  const found = [];
  for (let opening = 0; opening < OPENINGS; opening++) {
    await page.devtools('Network.clearBrowserCache');
    await page.goto('about:blank');
    await page.goto(url);
    await page.until(() => measured.first);
    found.push(await page.run(() => {
      const [{ loadEventEnd, encodedBodySize }] = performance.getEntriesByType('navigation');
      const resources = performance.getEntriesByType('resource');
      const bytes = resources.reduce((sum, each) => sum + each.encodedBodySize, encodedBodySize);
      return { bytes, files: resources.length + 1, load: loadEventEnd, first: measured.first };
    }));
  }
  const of = (name) => found.map((each) => each[name]);
  const after = found.map(({ first, load }) => Math.max(0, first - load));
  console.log(`bytes as packed for the wire ${worst(of('bytes'))} in ${worst(of('files'))} files, headers not counted`);
  console.log(`first message after opening  ${middle(of('first')).toFixed(0)} ms in the middle, ${worst(of('first')).toFixed(0)} ms at worst`);
  console.log(`first message after load     ${middle(after).toFixed(0)} ms in the middle, ${worst(after).toFixed(0)} ms at worst`);
}

async function flood(page, people) {
  const text = 'as many words as people usually say at once';
  let sent = 0;
  const start = Date.now();
  // What is due by now is sent on each tick: a late tick makes up for itself.
  const ticking = setInterval(() => {
    for (const due = Math.min(RATE * SECONDS, (Date.now() - start) * RATE / 1_000); sent < due; sent++) {
      people[sent % people.length](`${sent} ${text}`);
    }
  }, 10);
  await page.run(() => {
    measured.keys = [];
    document.querySelector('#text').focus();
  });
  let keys = 0;
  for (; Date.now() - start < SECONDS * 1_000; keys++) {
    await page.press('x');
    await pause(KEY_MS);
  }
  clearInterval(ticking);
  const waits = await page.run(() => measured.keys);
  // The browser reports only keys that took 16 ms or more.
  const all = [...waits, ...Array(Math.max(0, keys - waits.length)).fill(0)].toSorted((a, b) => a - b);
  const at = (share) => all[Math.min(all.length - 1, Math.floor(all.length * share))];
  const shown = await page.run(() => Number(document.querySelector('#log > li:last-child').dataset.seq));
  console.log(`flood                        ${sent} messages in ${SECONDS} s, the page has come to ${shown}`);
  console.log(`a key to its frame           ${at(0.5)} ms in the middle, ${at(0.98)} ms for 98 of 100, ${worst(all)} ms at worst (${keys} keys)`);
  console.log(`elements in the log          ${await page.run(() => document.querySelectorAll('#log *').length)}`);
}

async function main() {
  const { server, page } = await stage([1_280, 800, false]);
  const names = ['Maya', 'Jonas', 'Noor', 'Ida'];
  const people = await Promise.all(names.map((name) => talker(server.said, { name, role: 'member' }, 'global')));
  for (let n = 0; n < 60; n++) people[n % people.length](`message ${n}`);
  await page.devtools('Page.addScriptToEvaluateOnNewDocument', { source: NOTE });
  await openings(page, `${server.said}/`);
  await flood(page, people);
  await page.end();
}

await perform(main);
