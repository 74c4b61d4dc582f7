import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Span } from '../../static/js/span.js';

const many = (count, from = 0) => Array.from({ length: count }, (_, at) => ({ id: `m${from + at}` }));
let span;

beforeEach(() => {
  span = new Span();
});

test('it follows the newest', () => {
  assert.deepEqual(span.range(many(10)), { start: 0, end: 10 });
  assert.deepEqual(span.range(many(1_000)), { start: 960, end: 1_000 });
  assert.equal(span.following, true);
  assert.deepEqual(span.range([]), { start: 0, end: 0 });
});

test('following, it shows few, and more where they fit', () => {
  const sizes = [];
  do sizes.push(1_000 - span.range(many(1_000)).start); while (span.grow());
  assert.deepEqual(sizes, [40, 80, 120]);
  span.follow();
  assert.deepEqual(span.range(many(1_000)), { start: 960, end: 1_000 });
  span.hold('m960');
  assert.equal(span.grow(), false, 'held, it has its size');
});

test('held, it stays whatever comes behind or before it', () => {
  span.hold('m960');
  assert.deepEqual(span.range(many(1_500)), { start: 960, end: 1_080 });
  assert.deepEqual(span.range([...many(100, -100), ...many(1_000)]), { start: 1_060, end: 1_100 });
  span.follow();
  assert.deepEqual(span.range(many(1_500)), { start: 1_460, end: 1_500 });
});

test('it goes up and down in steps, and says where it ends', () => {
  const messages = many(300);
  assert.equal(span.down(messages), false, 'nothing below the newest');
  const seen = [span.range(messages).start];
  while (span.up(messages)) seen.push(span.range(messages).start);
  assert.deepEqual(seen, [260, 220, 180, 140, 100, 60, 20, 0]);
  while (span.down(messages)) assert.ok(span.range(messages).end - span.range(messages).start === 120);
  assert.deepEqual(span.range(messages), { start: 180, end: 300 });
});

test('on a high screen, what is in view stays when it steps', () => {
  const messages = many(1_000);
  for (const [count, size] of [[0, 120], [80, 120], [81, 160], [200, 240], [81, 240]]) {
    span.fit(count);
    span.around(messages, 'm500');
    const { start, end } = span.range(messages);
    assert.equal(end - start, size, `for ${count}`);
    span.up(messages);
    assert.deepEqual(span.range(messages), { start: start - 40, end: end - 40 });
    span.down(messages);
    assert.deepEqual(span.range(messages), { start, end });
  }
});

test('it goes to any message there is', () => {
  const messages = many(1_000);
  for (const at of [0, 5, 500, 995, 999]) {
    assert.equal(span.around(messages, `m${at}`), true);
    const { start, end } = span.range(messages);
    assert.ok(start <= at && at < end && end - start === 120, `${at} in ${start}–${end}`);
  }
  assert.equal(span.around(messages, 'none'), false);
});

test('it says when what it begins with is gone', () => {
  assert.equal(span.holds(many(10)), false, 'following, it begins with nothing');
  span.hold('m960');
  assert.equal(span.holds(many(1_500)), true);
  assert.equal(span.holds(many(50, 5_000)), false);
  assert.deepEqual(span.range(many(50, 5_000)), { start: 10, end: 50 });
});

test('an empty room can be held without harm', () => {
  span.hold(undefined);
  assert.equal(span.following, true);
  assert.equal(span.up([]), false);
});
