import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../../static/js/backoff.js';

test('the ceiling doubles from one second up to thirty', () => {
  const backoff = new Backoff({ random: () => 1 });
  assert.deepEqual(Array.from({ length: 8 }, () => backoff.next()), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
});

test('the jitter reaches down to half a second at every attempt', () => {
  const backoff = new Backoff({ random: () => 0 });
  assert.deepEqual([backoff.next(), backoff.next(), backoff.next()], [500, 500, 500]);
});

test('every wait lies within 0.5 and 30 seconds, even after a thousand failures', () => {
  const backoff = new Backoff();
  for (let attempt = 0; attempt < 2_000; attempt += 1) {
    const ms = backoff.next();
    assert.ok(Number.isInteger(ms) && ms >= 500 && ms <= 30_000, `${ms}`);
  }
});

test('a reset starts over', () => {
  const backoff = new Backoff({ random: () => 1 });
  backoff.next();
  backoff.next();
  backoff.reset();
  assert.equal(backoff.next(), 1_000);
});
