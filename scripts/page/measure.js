// Measures the page: what it weighs, when the first message is on the screen, how it feels under a flood, and
// in a room of 100,000 messages.
// Says what it found, as a table; judges nothing, since a busy machine would.

import { talker } from './people.js';
import { perform } from './processes.js';
import { stage } from './stage.js';

/** How often the page is opened. */
const OPENINGS = Number(process.env.OPENINGS ?? 9);
/** Messages per second into the open room, and for how long, seconds. */
const RATE = Number(process.env.RATE ?? 1_000);
const SECONDS = Number(process.env.FLOOD_SECONDS ?? 10);
/** Messages of a long room. */
const LONG = Number(process.env.LONG ?? 100_000);
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
    await page.received();
    await page.goto(url);
    await page.until(() => measured.first);
    const received = await page.received();
    const bytes = received.reduce((sum, each) => sum + each, 0);
    const [load, first] = await page.run(() => [performance.getEntriesByType('navigation')[0].loadEventEnd, measured.first]);
    found.push({ bytes, files: received.length, load, first });
  }
  const of = (name) => found.map((each) => each[name]);
  const after = found.map(({ first, load }) => Math.max(0, first - load));
  console.log(`bytes received, with headers  ${worst(of('bytes'))} in ${worst(of('files'))} answers`);
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

// Reads a long room back, a screen at each frame, from where the log says that it begins.
async function readBack(page, maya) {
  for (let said = 0; said < LONG; said += 100) {
    for (let n = 0; n < 100; n++) maya(`${said + n} of long ago`);
    await pause(10);
  }
  await page.goto(`${await page.run(() => location.origin)}/#long`);
  await page.until((last) => Number(document.querySelector('#log > li:last-child')?.dataset.seq) === last, LONG);
  await page.run(() => {
    const scroll = document.querySelector('#scroll');
    measured.most = measured.jumps = 0;
    measured.frames = [];
    let seen = null;
    let before = performance.now();
    const step = (now) => {
      measured.frames.push(now - before);
      before = now;
      const items = [...document.querySelectorAll('#log > li')];
      measured.most = Math.max(measured.most, document.querySelectorAll('#log *').length);
      if (seen?.node.isConnected && Math.abs(seen.node.getBoundingClientRect().top - seen.top) > 2) measured.jumps += 1;
      if (measured.over) return;
      scroll.scrollTop -= Math.min(scroll.scrollTop, 600);
      const node = items.find((each) => each.getBoundingClientRect().bottom > scroll.getBoundingClientRect().top + 1);
      seen = { node, top: node.getBoundingClientRect().top };
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  await pause(SECONDS * 1_000);
  const { most, jumps, frames, back } = await page.run((last) => {
    measured.over = true;
    return { ...measured, back: last - Number(document.querySelector('#log > li').dataset.seq) };
  }, LONG);
  const sorted = frames.toSorted((a, b) => a - b);
  console.log(`a room of ${LONG} messages  read back ${back} in ${SECONDS} s, ${jumps} jumps, ${most} elements in the log at most`);
  console.log(`a frame of it                ${middle(frames).toFixed(0)} ms in the middle, ${sorted[Math.floor(sorted.length * 0.98)].toFixed(0)} ms for 98 of 100, ${worst(frames).toFixed(0)} ms at worst`);
}

async function main() {
  const { server, page } = await stage([1_280, 800, false], { HUBBUB__HISTORY__MAX_ENTRIES: LONG });
  const names = ['Maya', 'Jonas', 'Noor', 'Ida'];
  const people = await Promise.all(names.map((name) => talker(server.said, { name, role: 'member' }, 'global')));
  for (let n = 0; n < 60; n++) people[n % people.length](`message ${n}`);
  await page.devtools('Page.addScriptToEvaluateOnNewDocument', { source: NOTE });
  await openings(page, `${server.said}/`);
  await flood(page, people);
  await readBack(page, await talker(server.said, { name: 'Maya', role: 'member' }, 'long'));
  await page.end();
}

await perform(main);
