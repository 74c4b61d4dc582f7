import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Client } from '../../loadtest/lib/client.js';
import { backoff, closeCode, isFinal } from '../../loadtest/lib/contract.js';
import { Feed, findings } from '../../loadtest/lib/feed.js';
import { compose, parse } from '../../loadtest/lib/message.js';
import { Outbox } from '../../loadtest/lib/outbox.js';
import { countOf } from '../../loadtest/lib/plan.js';
import { failures, summary } from '../../loadtest/lib/summary.js';
import { FakeTimers } from './support.js';

const EPOCH = 'e1';
const SENDERS = ['ana', 'bob'];

let found;
let feed;
beforeEach(() => {
  found = findings();
  feed = new Feed(found);
  feed.joined({ epoch: EPOCH, seq: 0, recovered: false, entries: [] });
});

const message = (seq, sender, number, last = false) =>
  ({ type: 'message', seq, text: compose({ sender, number, at: 1, last }, 60) });

// Ana and Bob say three messages each, by turns.
const log = Array.from({ length: 6 }, (_, index) => message(index + 1, SENDERS[index % 2], index >> 1, index >= 4));
const wrong = () => ({ duplicates: found.duplicates, reordered: found.reordered, ...feed.close(SENDERS.length) });
const NOTHING = { duplicates: 0, reordered: 0, complete: 2, lost: 0, gaps: 0 };

test('a message says who, which, when and whether it is the last, in any length', () => {
  for (const size of [1, 60, 3_900]) {
    const said = { sender: 's17', number: 3, at: 1_795_279_066_515, last: true };
    assert.deepEqual(parse(compose(said, size)), said);
  }
  assert.equal(compose({ sender: 's', number: 0, at: 1, last: false }, 200, '語').length, 200);
  assert.equal(parse('somebody else says hello here'), null);
});

test('all of a log in its order is found to be complete', () => {
  log.forEach((entry) => feed.event(entry));
  assert.deepEqual(wrong(), NOTHING);
  assert.ok(feed.isComplete(2));
  assert.equal(found.delivered, 6);
});

test('each message that is lost on the way is found', () => {
  log.forEach((absent) => {
    found = findings();
    feed = new Feed(found);
    feed.joined({ epoch: EPOCH, seq: 0, recovered: false });
    log.filter((entry) => entry !== absent).forEach((entry) => feed.event(entry));
    const { lost, gaps, complete } = wrong();
    assert.equal(lost, 1, absent.text);
    assert.equal(complete, 1);
    // That nothing comes after the last number only the sender's own count tells.
    assert.equal(gaps, absent.seq === log.length ? 0 : 1);
    assert.ok(!feed.isComplete(2));
  });
});

test('a message that was acked and never logged is found, though the numbers of the log are whole', () => {
  const rest = log.filter((_, index) => index !== 2).map((entry, index) => ({ ...entry, seq: index + 1 }));
  rest.forEach((entry) => feed.event(entry));
  assert.deepEqual(wrong(), { ...NOTHING, complete: 1, lost: 1 });
});

test('each message that comes twice is found, under its number and under a new one', () => {
  log.forEach((twice, index) => {
    found = findings();
    feed = new Feed(found);
    feed.joined({ epoch: EPOCH, seq: 0, recovered: false });
    [...log.slice(0, index + 1), twice, ...log.slice(index + 1)].forEach((entry) => feed.event(entry));
    assert.deepEqual(wrong(), { ...NOTHING, duplicates: 1 });
  });
  feed.event({ ...log[1], seq: 7 });
  assert.equal(found.duplicates, 2, 'logged twice');
});

test('two that are swapped are found, on the way and in the log', () => {
  for (let index = 0; index + 1 < log.length; index += 1) {
    found = findings();
    feed = new Feed(found);
    feed.joined({ epoch: EPOCH, seq: 0, recovered: false });
    const swapped = [...log];
    [swapped[index], swapped[index + 1]] = [swapped[index + 1], swapped[index]];
    swapped.forEach((entry) => feed.event(entry));
    assert.deepEqual(wrong(), { ...NOTHING, reordered: 1 });
  }
  found = findings();
  feed = new Feed(found);
  feed.joined({ epoch: EPOCH, seq: 0, recovered: false });
  [message(1, 'ana', 1), message(2, 'ana', 0), message(3, 'ana', 2, true)].forEach((entry) => feed.event(entry));
  assert.equal(found.reordered, 1, "numbered in another order than the sender's");
});

test('a sender that was never heard is lost', () => {
  [0, 1, 2].forEach((number) => feed.event(message(number + 1, 'ana', number, number === 2)));
  assert.deepEqual(wrong(), { ...NOTHING, complete: 1, lost: 1 });
});

test('coming back with a position brings exactly what was missed', () => {
  log.slice(0, 2).forEach((entry) => feed.event(entry));
  assert.deepEqual(feed.position, { epoch: EPOCH, seq: 2 });
  feed.joined({ epoch: EPOCH, seq: 4, recovered: true, entries: log.slice(2, 4) });
  log.slice(4).forEach((entry) => feed.event(entry));
  assert.deepEqual(wrong(), NOTHING);
  assert.equal(found.caughtUp, 2);
});

test('what a recovered page leaves out or brings again is found', () => {
  log.slice(0, 2).forEach((entry) => feed.event(entry));
  feed.joined({ epoch: EPOCH, seq: 4, recovered: true, entries: [log[1], log[2]] });
  log.slice(4).forEach((entry) => feed.event(entry));
  assert.deepEqual(wrong(), { ...NOTHING, complete: 1, duplicates: 1, lost: 1, gaps: 1 });
});

test('a room read afresh is a reset; what its page does not bring is lost', () => {
  feed.event(log[0]);
  feed.joined({ epoch: 'e2', seq: 9, recovered: false, entries: log.slice(0, 4) });
  [{ ...log[4], seq: 10 }, { ...log[5], seq: 11 }].forEach((entry) => feed.event(entry));
  assert.deepEqual(wrong(), NOTHING);
  assert.equal(found.resets, 1);
  feed.joined({ epoch: 'e3', seq: 20, recovered: false, entries: [message(20, 'ana', 9)] });
  assert.equal(feed.close(2).lost, 6, 'the numbers 3 to 8 of Ana');
});

test('who comes late counts from what is there', () => {
  feed = new Feed(found);
  feed.joined({ epoch: EPOCH, seq: 3, recovered: false, entries: log.slice(1, 3) });
  log.slice(3).forEach((entry) => feed.event(entry));
  assert.deepEqual(wrong(), NOTHING);
});

test('edits and the like take a number and are no messages', () => {
  feed.event(message(1, 'ana', 0));
  feed.event({ type: 'edited', seq: 2, text: 'x' });
  feed.event(message(3, 'ana', 1, true));
  assert.deepEqual(feed.close(1), { complete: 1, lost: 0, gaps: 0 });
});

test('the outbox sends one at a time, and again with the same key after a disconnect', () => {
  const outbox = new Outbox();
  ['k0', 'k1'].forEach((key) => outbox.add({ room: 'tea', key, text: key, at: 1 }));
  assert.equal(outbox.take('tea').key, 'k0');
  assert.equal(outbox.take('tea'), null);
  outbox.disconnected();
  assert.deepEqual([outbox.take('tea').key, outbox.take('tea')], ['k0', null]);
  assert.equal(outbox.done('tea', 'k0').tries, 2);
  assert.equal(outbox.done('tea', 'k0'), null);
  assert.equal(outbox.take('tea').key, 'k1');
  outbox.provisional('tea', 'k1');
  assert.ok(outbox.isProvisional('tea', 'k1'));
  assert.equal(outbox.size, 1);
});

test('the wait between attempts is spread over 0.5 to 30 seconds and more', () => {
  assert.deepEqual([1, 2, 3, 9].map((attempt) => backoff(attempt, 0)), [500, 500, 500, 500]);
  assert.deepEqual([1, 2, 3, 9].map((attempt) => backoff(attempt, 1)), [1_000, 2_000, 4_000, 30_000]);
});

test('close codes are read from the event, from the error, or known to be missing', () => {
  assert.equal(closeCode({ code: 1012 }, null), 1012);
  assert.equal(closeCode({}, 'websocket: close 4413: slow reader'), 4413);
  assert.equal(closeCode({}, 'read tcp: connection reset by peer'), 1006);
  assert.equal(closeCode({}, null), 1000);
  assert.deepEqual([1000, 1006, 1012, 4403, 4413].map(isFinal), [true, false, false, true, false]);
});

test('who speaks in which room adds up', () => {
  assert.deepEqual([0, 1, 2].map((part) => countOf(10, 3, part)), [4, 3, 3]);
  assert.deepEqual([0, 1].map((part) => countOf(1, 3, part)), [1, 0]);
});

class FakeSocket {
  static all = [];
  sent = [];
  constructor(url, protocols) {
    Object.assign(this, { url, protocols });
    FakeSocket.all.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close(code) {
    this.closedWith = code;
  }
  tell(event) {
    this.onmessage({ data: JSON.stringify(event) });
  }
  fail(error) {
    this.onerror({ error });
    this.onclose({});
  }
}

function client(rooms = ['tea']) {
  FakeSocket.all = [];
  const timers = new FakeTimers();
  const told = [];
  const tell = (name) => (...values) => told.push([name, ...values]);
  const names = ['ready', 'heard', 'acked', 'refused', 'unwelcomed', 'interrupted', 'back', 'ended'];
  const on = Object.fromEntries(names.map((name) => [name, tell(name)]));
  const world = { WebSocket: FakeSocket, now: timers.now, random: () => 0, after: timers.set };
  const made = new Client({ urls: ['ws://a/chat', 'ws://b/chat'], turn: 0, name: 'Ana', world, found, on });
  rooms.forEach((room) => made.join(room));
  made.open();
  const enter = (socket, joined) => {
    socket.tell({ type: 'welcome', resumeToken: 'token', heartbeatMs: 25_000 });
    const { id } = socket.sent.find(({ type }) => type === 'join');
    socket.tell({ type: 'joined', id, room: 'tea', epoch: EPOCH, seq: 0, recovered: false, entries: [], ...joined });
  };
  return { made, timers, told, enter, socket: (index = -1) => FakeSocket.all.at(index), names: () => told.map(([name]) => name) };
}

test('a client comes back to the next server with its token, its position and what was not acked', () => {
  const { made, timers, told, enter, socket, names } = client();
  enter(socket());
  assert.deepEqual(names(), ['ready']);
  made.say('tea', 'k0', log[0].text);
  assert.equal(socket().sent.at(-1).key, 'k0');
  socket().tell({ ...message(1, 'bob', 0), room: 'tea' });
  socket().fail('read: connection reset');
  timers.pass(499);
  assert.equal(FakeSocket.all.length, 1, 'not before its time');
  timers.pass(1);
  assert.equal(socket().url.split('?')[0], 'ws://b/chat');
  assert.deepEqual(socket().protocols, ['hubbub.v1', 'hubbub.token.token']);
  enter(socket(), { seq: 1, recovered: true });
  assert.deepEqual(socket().sent[0].since, { epoch: EPOCH, seq: 1 });
  const again = socket().sent.at(-1);
  assert.deepEqual([again.type, again.key], ['message', 'k0']);
  socket().tell({ type: 'ack', id: again.id, seq: 2 });
  assert.deepEqual(names(), ['ready', 'heard', 'interrupted', 'back', 'acked']);
  assert.deepEqual(told[2], ['interrupted', 1006]);
  assert.equal(told[4][1].tries, 2);
  assert.equal(made.outbox.size, 0);
});

test('a client whose welcome was dropped asks, and opens anew', () => {
  const { made, timers, enter, socket, names } = client();
  socket().onopen({});
  const look = () => {
    timers.pass(1_000);
    made.tick();
  };
  look();
  assert.deepEqual(socket().sent, [], 'it may be on its way');
  look();
  look();
  assert.deepEqual(socket().sent, [{ type: 'ping' }]);
  socket().tell({ type: 'pong' });
  assert.equal(socket().closedWith, 3000);
  timers.pass(0);
  assert.equal(FakeSocket.all.length, 2);
  enter(socket());
  assert.deepEqual(names(), ['unwelcomed', 'ready']);
});

test('a drained client waits as long as it was told', () => {
  const { timers, enter, socket } = client();
  enter(socket());
  socket().tell({ type: 'notice', kind: 'draining', closeInMs: 10, reconnectInMs: 3_000 });
  socket().fail('websocket: close 1012 (service restart)');
  timers.pass(2_999);
  assert.equal(FakeSocket.all.length, 1);
  timers.pass(1);
  assert.equal(FakeSocket.all.length, 2);
});

test('a client stays away when the contract says so', () => {
  const { made, timers, told, enter, socket } = client();
  enter(socket());
  socket().fail('websocket: close 4403: kicked');
  timers.pass(60_000);
  assert.equal(FakeSocket.all.length, 1);
  assert.deepEqual(told.at(-1), ['ended', 4403]);
  assert.ok(made.ended);
});

test('a page with more above is followed by the next, and only then is the client ready', () => {
  const { enter, socket, names } = client();
  enter(socket());
  const again = { type: 'joined', room: 'tea', epoch: EPOCH, recovered: true };
  socket().tell({ ...again, seq: 1, more: true, entries: [log[0]] });
  const { id, since } = socket().sent.at(-1);
  assert.deepEqual(since, { epoch: EPOCH, seq: 1 });
  socket().tell({ ...again, id, seq: 2, more: false, entries: [log[1]] });
  assert.deepEqual(names(), ['ready', 'heard', 'heard']);
});

test('an ack without a number is no ack, and an event with one is', () => {
  const { made, enter, socket, names } = client();
  enter(socket());
  made.say('tea', 'k0', log[0].text);
  socket().tell({ type: 'ack', id: socket().sent.at(-1).id, messageId: 'm', provisional: true });
  assert.equal(made.outbox.size, 1);
  socket().tell({ ...log[0], room: 'tea', key: 'k0' });
  assert.deepEqual(names(), ['ready', 'heard', 'acked']);
  assert.equal(made.outbox.size, 0);
});

test('a page that brings the number of a provisional message stores it', () => {
  const { made, enter, socket, names } = client();
  enter(socket());
  made.say('tea', 'k0', log[0].text);
  socket().tell({ type: 'ack', id: socket().sent.at(-1).id, messageId: 'm', provisional: true });
  socket().tell({ type: 'joined', room: 'tea', provisional: true });
  assert.equal(made.outbox.size, 1);
  const entries = [{ ...log[0], key: 'k0' }];
  socket().tell({ type: 'joined', room: 'tea', epoch: EPOCH, seq: 1, recovered: true, more: false, entries });
  assert.deepEqual(names(), ['ready', 'heard', 'acked']);
  assert.equal(made.outbox.size, 0);
});

test('a command that is refused for a moment goes again, and keeps its place', () => {
  const { made, timers, enter, socket } = client();
  enter(socket());
  made.say('tea', 'k0', 'one');
  made.say('tea', 'k1', 'two');
  socket().tell({ type: 'error', id: socket().sent.at(-1).id, code: 'rate_limited', message: '', retryAfterMs: 200 });
  timers.pass(200);
  assert.equal(socket().sent.at(-1).key, 'k0');
});

test('a client that hears nothing asks, and then comes back', () => {
  const { made, timers, enter, socket } = client();
  enter(socket());
  timers.pass(30_001);
  made.tick();
  assert.equal(socket().sent.at(-1).type, 'ping');
  timers.pass(5_001);
  made.tick();
  assert.equal(socket().closedWith, 3000);
  timers.pass(500);
  assert.equal(FakeSocket.all.length, 2);
});

test('the summary names what failed, and the longest interruption', () => {
  const metrics = {
    chat_joined: { values: { passes: 2, fails: 0, rate: 1 }, thresholds: { 'rate==1': { ok: true } } },
    chat_lost: { values: { count: 3 }, thresholds: { 'count==0': { ok: false } } },
    chat_interruptions: { values: { count: 2 } },
    chat_interruption_time: { values: { med: 800, 'p(95)': 900, 'p(99)': 900, max: 912.3 } },
  };
  assert.deepEqual(failures({ metrics }), ['chat_lost: count==0']);
  const text = summary('smoke', { metrics });
  assert.match(text, /lost 3/);
  assert.match(text, /longest 912 ms/);
  assert.match(text, /FAILED: chat_lost: count==0/);
  delete metrics.chat_lost;
  assert.match(summary('smoke', { metrics }), /PASSED/);
});
