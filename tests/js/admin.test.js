import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { keyed } from '../../static/js/admin/events.js';
import { History } from '../../static/js/admin/history.js';
import { Pages } from '../../static/js/admin/pages.js';
import { Poller } from '../../static/js/admin/poller.js';
import { path } from '../../static/js/admin/spark.js';
import { ago, bytes, duration, millis, percent, plural, rate } from '../../static/js/admin/units.js';
import { FakeTimers, settled } from './support.js';

const root = new URL('../../static/', import.meta.url);
const read = (file) => readFileSync(new URL(file, root), 'utf8');
const html = read('admin.html');
const MAIN = 'js/admin/main.js';

/** The modules a module needs before it runs, itself included. */
function needs(file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, name] of read(file).matchAll(/^(?:import|export) [^;]*?from '(\.[\w./]+)'/gm)) needs(posix.join(posix.dirname(file), name), found);
  return found;
}

test('all modules of the admin page are asked for at once, and none is left over', () => {
  const preloaded = [...html.matchAll(/rel="modulepreload" href="([^"]+)"/g)].map(([, file]) => file);
  assert.deepEqual(new Set([...preloaded, MAIN]), needs(MAIN));
  const own = readdirSync(new URL('js/admin/', root)).map((name) => `js/admin/${name}`);
  assert.deepEqual(own.filter((file) => !needs(MAIN).has(file)), []);
});

test('the admin page has nothing inline, and no module reads text as markup', () => {
  assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style|https?:/);
  for (const file of needs(MAIN)) {
    assert.doesNotMatch(read(file), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\('style'/, file);
  }
});

test('every id of the admin page is there once, and every label, link and module finds its own', () => {
  const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  const wanted = [...html.matchAll(/\s(?:for|aria-labelledby|aria-controls|aria-describedby)="([^"]+)"|href="#([\w-]+)"/g)].map(([, a, b]) => a ?? b);
  assert.deepEqual(wanted.filter((id) => !ids.includes(id)), []);
  for (const file of [...needs(MAIN)].filter((each) => each.startsWith('js/admin/'))) {
    for (const [, id] of read(file).matchAll(/\$\('([\w-]+)'\)/g)) assert.ok(ids.includes(id), `${file}: ${id}`);
  }
});

test('the admin page weighs at most 40 KB, compressed', () => {
  const files = ['admin.html', 'favicon.svg', 'css/app.css', 'css/admin.css', 'js/early.js', ...needs(MAIN)];
  const weight = files.reduce((sum, file) => sum + gzipSync(read(file)).length, 0);
  assert.ok(weight <= 40_000, `${weight} bytes`);
});

test('numbers are said with their units', () => {
  assert.deepEqual([0, 999, 24_400_000, 512e6, 3e9].map(bytes), ['0 B', '999 B', '24.4 MB', '512 MB', '3 GB']);
  assert.deepEqual([0, 0.031, 0.5, 1.25].map(percent), ['0.0 %', '3.1 %', '50 %', '125 %']);
  assert.deepEqual([0.8312, 12.34, 1_500].map(millis), ['0.83 ms', '12.3 ms', '1.50 s']);
  assert.deepEqual([0, 0.5, 1_234.5].map(rate), ['0/s', '0.50/s', '1235/s']);
  assert.deepEqual([400, 59_999, 61_000, 3_600_000, 90_000_000, 864_000_000].map(duration), ['0 s', '59 s', '1 min 1 s', '1 h', '1 d 1 h', '10 d']);
  assert.deepEqual([bytes(null), percent(undefined), millis(null), rate(null)], ['–', '–', '–', '–']);
  assert.deepEqual([ago(9_500, 10_000), ago(5_000, 10_000), ago(20_000, 10_000), ago(null, 1)], ['now', '5 s ago', 'now', '–']);
  assert.deepEqual([plural(1, 'client'), plural(2, 'client')], ['1 client', '2 clients']);
});

test('a line is drawn from what is known, newest at the right', () => {
  assert.equal(path([], 3), '');
  assert.equal(path([0, 10], 3), 'M60 26L120 2');
  assert.equal(path([10, null, 5, 5], 4), 'M0 2h0M80 14L120 14');
  assert.equal(path([1], 1, 4), 'M0 20h0');
  assert.equal(path([0, 0], 2), 'M0 26L120 26');
});

const vitals = (uptimeMs, more) => ({ uptimeMs, connectedClients: 3, memoryBytes: 9, cpuSeconds: 0, messagesPublished: 0, latencyCount: 0, latencySumMs: 0, ...more });
const instance = (told, startedAt = 1) => [{ instanceId: 'a', startedAt, vitals: told }];

test('what is counted since the start becomes how much lately', () => {
  const history = new History();
  history.add(instance(vitals(1_000)));
  assert.deepEqual(history.of('a'), [{ clients: 3, memory: 9, cpu: null, latency: null, messages: null }]);
  history.add(instance(vitals(3_000, { cpuSeconds: 0.5, messagesPublished: 8, latencyCount: 4, latencySumMs: 6 })));
  assert.deepEqual(history.of('a')[1], { clients: 3, memory: 9, cpu: 0.25, latency: 1.5, messages: 4 });
  history.add(instance(vitals(5_000, { cpuSeconds: 0.5, messagesPublished: 8, latencyCount: 4, latencySumMs: 6 })));
  assert.deepEqual(history.of('a')[2], { clients: 3, memory: 9, cpu: 0, latency: null, messages: 0 });
});

test('an instance that does not answer leaves a gap, and the next answer counts from the one before', () => {
  const history = new History();
  history.add(instance(vitals(1_000)));
  history.add(instance(null));
  history.add(instance(vitals(5_000, { cpuSeconds: 2 })));
  assert.deepEqual(history.of('a').map(({ cpu }) => cpu), [null, null, 0.5]);
  history.add(instance(vitals(5_100, { cpuSeconds: 2.1 })));
  assert.equal(history.of('a').length, 3, 'a look too soon after the last says nothing');
});

test('an instance that starts again, or goes, leaves nothing behind', () => {
  const history = new History();
  history.add(instance(vitals(900_000, { cpuSeconds: 60 })));
  history.add(instance(vitals(1_000), 2));
  assert.deepEqual(history.of('a').map(({ cpu }) => cpu), [null]);
  history.add([]);
  assert.deepEqual(history.of('a'), []);
  for (let at = 1; at < 200; at += 1) history.add(instance(vitals(at * 2_000)));
  assert.equal(history.of('a').length, 60);
});

test('one goes on page by page and back', () => {
  const pages = new Pages();
  pages.before();
  assert.deepEqual([pages.cursor, pages.number], ['', 1]);
  pages.shown('x');
  pages.next();
  pages.next();
  assert.deepEqual([pages.cursor, pages.number], ['x', 2], 'the second click finds the page not there yet');
  pages.shown('y');
  pages.next();
  assert.deepEqual([pages.cursor, pages.number], ['y', 3]);
  pages.shown('z');
  pages.before();
  pages.next();
  assert.deepEqual([pages.cursor, pages.number], ['x', 2], 'what follows the page that was left');
  pages.shown('y');
  pages.first();
  pages.next();
  assert.deepEqual([pages.cursor, pages.number], ['', 1]);
  pages.shown('');
  pages.next();
  assert.equal(pages.number, 1, 'the last one');
});

test('a record keeps its key while it is repeated, and equal ones have keys of their own', () => {
  const event = (more) => ({ instance: 'a', kind: 'refusal', firstTs: 1, ts: 1, count: 1, detail: 'no', ...more });
  const [[before]] = keyed([event()]);
  const [[after]] = keyed([event({ ts: 9, count: 4 })]);
  assert.equal(before, after);
  const keys = keyed([event(), event(), event({ instance: 'b' })]).map(([key]) => key);
  assert.equal(new Set(keys).size, 3);
});

/** A poller whose looks the test ends. */
function polling() {
  const timers = new FakeTimers();
  const looks = [];
  let changes = 0;
  const poller = new Poller(() => new Promise((good, bad) => looks.push({ good, bad })), () => (changes += 1), timers);
  return { timers, looks, poller, changes: () => changes };
}

test('looks follow one another while somebody watches, and only then', async () => {
  const { timers, looks, poller, changes } = polling();
  timers.pass(10_000);
  assert.equal(looks.length, 0);
  poller.start();
  poller.start();
  timers.pass(10_000);
  assert.equal(looks.length, 1, 'a look under way is waited for');
  looks[0].good();
  await settled();
  assert.deepEqual([poller.ageMs, poller.old, changes()], [0, false, 1]);
  timers.pass(1_999);
  assert.equal(looks.length, 1);
  timers.pass(1);
  assert.equal(looks.length, 2);
  poller.stop();
  looks[1].good();
  await settled();
  timers.pass(60_000);
  assert.deepEqual([looks.length, poller.old], [2, true]);
  poller.start();
  assert.equal(looks.length, 3);
});

test('a look that fails says why until one does not, and what was seen grows old', async () => {
  const { timers, looks, poller } = polling();
  poller.start();
  looks[0].good();
  await settled();
  timers.pass(2_000);
  const gone = Object.assign(new Error('gone'), { retryAfterMs: 5_000 });
  looks[1].bad(gone);
  await settled();
  assert.deepEqual([poller.error, poller.ageMs, poller.old], [gone, 2_000, false]);
  timers.pass(4_999);
  assert.deepEqual([looks.length, poller.old], [2, true], 'it waits as long as it was told to');
  timers.pass(1);
  looks[2].good();
  await settled();
  assert.deepEqual([poller.error, poller.ageMs], [null, 0]);
  poller.forget();
  assert.deepEqual([poller.ageMs, poller.old], [null, false]);
});

test('what was asked for during a look is looked at again', async () => {
  const { timers, looks, poller } = polling();
  poller.now();
  assert.equal(looks.length, 0, 'nobody watches');
  poller.start();
  poller.now();
  poller.now();
  looks[0].good();
  await settled();
  timers.pass(0);
  assert.equal(looks.length, 2);
  looks[1].good();
  await settled();
  timers.pass(1_000);
  assert.equal(looks.length, 2);
  poller.now();
  assert.equal(looks.length, 3);
});
