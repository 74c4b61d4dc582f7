import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Outbox } from '../../static/js/outbox.js';
import { SafeStorage } from '../../static/js/storage.js';
import { FakeTimers, MemoryStorage } from './support.js';

let timers;
let storage;
let outbox;
const open = (user = 'g:ana', web = storage) => {
  const opened = new Outbox({ storage: new SafeStorage(web), now: timers.now });
  opened.open(user);
  return opened;
};
const states = (box) => box.items.map(({ text, state }) => `${text} ${state}`);

beforeEach(() => {
  timers = new FakeTimers();
  storage = new MemoryStorage();
  outbox = open();
});

test('a message is taken once, and the next only after the answer', () => {
  const { key } = outbox.add({ room: 'tea', text: 'one' });
  outbox.add({ room: 'tea', text: 'two' });
  outbox.add({ room: 'cake', text: 'three' });
  assert.equal(outbox.take('tea').key, key);
  assert.equal(outbox.take('tea'), null);
  assert.equal(outbox.take('cake').text, 'three');
  outbox.acked(key, { messageId: 'm1', seq: 1, duplicate: false });
  assert.equal(outbox.take('tea').text, 'two');
});

test('a disconnect puts what is not stored back, with the same key and in the same order', () => {
  const { key } = outbox.add({ room: 'tea', text: 'one' });
  outbox.add({ room: 'tea', text: 'two' });
  outbox.take('tea');
  outbox.disconnected();
  assert.equal(outbox.take('tea').key, key);
  outbox.acked(key, { messageId: 'm1', provisional: true });
  assert.deepEqual(states(outbox), ['one provisional', 'two waiting']);
  outbox.disconnected();
  assert.equal(outbox.take('tea').key, key, 'a provisional ack is no promise');
});

test('what was acked with a seq is never sent again', () => {
  const { key } = outbox.add({ room: 'tea', text: 'one' });
  outbox.take('tea');
  outbox.acked(key, { messageId: 'm1', seq: 7, duplicate: false });
  outbox.disconnected();
  assert.deepEqual(states(outbox), ['one sent']);
  assert.equal(outbox.take('tea'), null);
  assert.deepEqual(open().items, [], 'and a reload does not bring it back');
  outbox.settle('tea');
  assert.deepEqual(outbox.items, []);
});

test('a message survives a reload, for its user only', () => {
  const { key } = outbox.add({ room: 'tea', text: 'one', replyTo: 'm0' });
  outbox.take('tea');
  const reloaded = open();
  assert.deepEqual(states(reloaded), ['one waiting']);
  assert.equal(reloaded.take('tea').key, key);
  assert.equal(reloaded.items[0].replyTo, 'm0');
  assert.deepEqual(open('m:ben').items, []);
});

test('two tabs of one user do not overwrite each other', () => {
  const other = open();
  outbox.add({ room: 'tea', text: 'one' });
  other.add({ room: 'tea', text: 'two' });
  assert.deepEqual(open().items.map(({ text }) => text), ['one', 'two']);
});

test('a message older than the server remembers asks, and goes again only when told', () => {
  const { key } = outbox.add({ room: 'tea', text: 'one' });
  outbox.take('tea');
  outbox.disconnected();
  timers.pass(600_001);
  assert.equal(outbox.take('tea'), null);
  assert.deepEqual(states(outbox), ['one asks']);
  outbox.retry(key);
  assert.equal(outbox.take('tea').key, key);
});

test('just inside the time it still goes by itself', () => {
  outbox.add({ room: 'tea', text: 'one' });
  timers.pass(600_000);
  assert.equal(outbox.take('tea').text, 'one');
});

test('a message refused for good keeps its text and its reason, through a reload too', () => {
  const { key } = outbox.add({ room: 'tea', text: 'one' });
  outbox.take('tea');
  outbox.refuse(key, { code: 'forbidden', message: 'No.' });
  assert.deepEqual(open().items[0].error, { code: 'forbidden', message: 'No.' });
  assert.equal(outbox.take('tea'), null);
  assert.equal(open().take('tea'), null);
});

test('an undelivered message asks', () => {
  const { key } = outbox.add({ room: 'tea', text: 'one' });
  outbox.take('tea');
  outbox.acked(key, { messageId: 'm1', provisional: true });
  outbox.undelivered(['m1']);
  assert.deepEqual(states(outbox), ['one asks']);
  assert.deepEqual(states(open()), ['one asks'], 'in every tab');
  outbox.retry(outbox.items[0].key);
  assert.deepEqual(states(open()), ['one waiting']);
});

test('what was written before the user is known becomes that user’s; another user takes nothing over', () => {
  const early = new Outbox({ storage: new SafeStorage(storage), now: timers.now });
  const { key } = early.add({ room: 'tea', text: 'early' });
  assert.deepEqual(early.open('g:ana'), []);
  assert.deepEqual(open().items.map(({ text }) => text), ['early']);
  assert.deepEqual(early.open('m:ben'), [key]);
  assert.deepEqual(early.items, []);
});

test('what was written before the user is known outlives the page', () => {
  const early = () => new Outbox({ storage: new SafeStorage(storage), now: timers.now });
  const { key } = early().add({ room: 'tea', text: 'early' });
  timers.pass(1);
  const reloaded = early();
  reloaded.add({ room: 'tea', text: 'later' });
  reloaded.open('g:ana');
  assert.deepEqual(states(reloaded), ['early waiting', 'later waiting']);
  assert.equal(reloaded.take('tea').key, key);
  assert.deepEqual(states(open()), ['early waiting', 'later waiting']);
  assert.deepEqual(states(open('m:ben')), [], 'nobody else finds it');
});

test('what a closed tab left is sent by one that is still open, once it is connected again', () => {
  outbox.add({ room: 'tea', text: 'mine' });
  const { key } = open().add({ room: 'tea', text: 'of the closed tab' });
  assert.deepEqual(outbox.open('g:ana'), []);
  assert.deepEqual(states(outbox).toSorted(), ['mine waiting', 'of the closed tab waiting']);
  outbox.open('g:ana');
  assert.equal(outbox.items.length, 2, 'and once');
  outbox.remove(key);
  assert.deepEqual(states(open()), ['mine waiting']);
});

test('it is bounded', () => {
  for (let at = 0; at < 100; at += 1) outbox.add({ room: 'tea', text: 'x' });
  assert.throws(() => outbox.add({ room: 'tea', text: 'x' }), { code: 'outbox_full' });
});

test('a storage that fails, lies or is missing stops nothing', () => {
  const broken = { get length() { throw new Error('denied'); }, setItem() { throw new Error('full'); }, removeItem() {} };
  for (const web of [broken, null]) {
    const box = open('g:ana', web);
    const { key } = box.add({ room: 'tea', text: 'one' });
    assert.equal(box.take('tea').key, key);
    box.open('g:ben');
    box.open('g:ana');
    assert.deepEqual(states(box), ['one waiting'], 'it is there until the page is left');
    box.remove(key);
    box.open('g:ben');
    box.open('g:ana');
    assert.deepEqual(box.items, []);
  }
  storage.setItem('hubbub.outbox.g:ana/x', '{"key":');
  storage.setItem('hubbub.outbox.g:ana/y', 'null');
  assert.deepEqual(open().items, []);
});
