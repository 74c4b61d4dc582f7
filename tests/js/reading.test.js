import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Emitter } from '../../static/js/emitter.js';
import { Markers } from '../../static/js/markers.js';
import { mentions } from '../../static/js/mentions.js';
import { notify } from '../../static/js/notify.js';
import { Reading } from '../../static/js/reading.js';
import { Room } from '../../static/js/room.js';
import { SafeStorage } from '../../static/js/storage.js';
import { asBadge, pageTitle, unread, UNREAD_MAX } from '../../static/js/unread.js';
import { FakeTimers, MemoryStorage, ana, ben, joined, message, settled } from './support.js';

let storage;
let timers;
let client;
let room;
let reading;

/** A page of the same browser. */
function openPage(user = ana) {
  timers = new FakeTimers();
  client = Object.assign(new Emitter(), { user, told: [], room: () => room, read: async (...told) => void client.told.push(told) });
  reading = new Reading(client, new Markers(new SafeStorage(storage)), timers);
  reading.open(user.id);
}

function join(more) {
  room.timeline.joined(joined(more));
  room.read = more.read;
  reading.joined(room, true);
}

beforeEach(() => {
  storage = new MemoryStorage();
  room = new Room('tea', ana.id);
  openPage();
});

test('a mention is the whole name, in any case', () => {
  assert.equal(mentions('hi @ana!', 'Ana'), true);
  assert.equal(mentions('@Ana', 'ana'), true);
  assert.equal(mentions('hi @anabel', 'Ana'), false);
  assert.equal(mentions('x@ana', 'Ana'), false);
  assert.equal(mentions('@anabel and @ana', 'Ana'), true);
  assert.equal(mentions('@ana-7f3a', 'Ana'), false, 'a guest who would like to be Ana');
  assert.equal(mentions('@ana.smith', 'Ana'), false);
  assert.equal(mentions('so says @ana.', 'Ana'), true);
  assert.equal(mentions('@ana - hi', 'Ana'), true);
  assert.equal(mentions('@ana-', 'Ana'), true);
  assert.equal(mentions('cc @Ana Maria.', 'Ana Maria'), true);
  assert.equal(mentions('ana', 'Ana'), false);
  assert.equal(mentions('@', undefined), false);
});

test('what others said after the marker is unread; mentions are counted apart', () => {
  const said = [message(4, { text: '@ana?' }), message(3, { from: ana }), message(2, { deleted: true, text: '@ana' }), message(1)];
  assert.deepEqual(unread(said, 0, ana), { count: 2, mentions: 1 });
  assert.deepEqual(unread(said, 3, ana), { count: 1, mentions: 1 });
  assert.deepEqual(unread(said, 4, ana), { count: 0, mentions: 0 });
  assert.deepEqual(unread(said, undefined, ana), { count: 0, mentions: 0 });
});

test('counting ends where the number says nothing more', () => {
  const many = Array.from({ length: 500 }, (_, at) => message(500 - at));
  const { count } = unread(many, 0, ana);
  assert.equal(count, UNREAD_MAX);
  assert.equal(asBadge(count), '99+');
  assert.equal(asBadge(99), '99');
});

test('the title tells of mentions first', () => {
  assert.equal(pageTitle('tea', { count: 3, mentions: 2 }), '(2) tea · Hubbub');
  assert.equal(pageTitle('tea', { count: 3, mentions: 0 }), '• tea · Hubbub');
  assert.equal(pageTitle('tea', { count: 0, mentions: 0 }), 'tea · Hubbub');
});

test('a room seen for the first time is read up to here', () => {
  join({ seq: 2, entries: [message(1), message(2)] });
  assert.equal(reading.divider, 2);
  assert.equal(reading.unread(room).count, 0);
  room.timeline.apply(message(3));
  assert.equal(reading.unread(room).count, 1);
});

test('a guest finds the place again after a reload, and only in the same epoch', () => {
  join({ seq: 2, entries: [message(1), message(2)] });
  openPage();
  reading.enter(room = new Room('tea', ana.id));
  join({ seq: 4, entries: [message(1), message(2), message(3), message(4)] });
  assert.equal(reading.divider, 2);
  assert.equal(reading.unread(room).count, 2);
  openPage();
  room = new Room('tea', ana.id);
  join({ epoch: 'e2', seq: 1, entries: [message(1)] });
  assert.equal(reading.unread(room).count, 0, 'numbers of another epoch say nothing');
});

test('another user has markers of their own', () => {
  join({ seq: 2, entries: [message(1), message(2)] });
  openPage(ben);
  room = new Room('tea', ben.id);
  join({ seq: 3, entries: [message(1), message(2), message(3)] });
  assert.equal(reading.divider, 3);
});

test('the line stays where it was while one reads on', () => {
  join({ seq: 1, entries: [message(1)] });
  reading.away(room);
  room.timeline.apply(message(2));
  assert.equal(reading.seen(room), true);
  assert.equal(reading.divider, 1);
  assert.equal(reading.unread(room).count, 0);
  assert.equal(reading.seen(room), false, 'nothing new');
});

test('who looks away with something unread keeps the line', () => {
  join({ seq: 1, entries: [message(1)] });
  reading.away(room);
  room.timeline.apply(message(2));
  reading.away(room);
  assert.equal(reading.divider, 1);
});

test('the server is told of a member, once for many, and never of a guest', () => {
  const member = { ...ana, role: 'member' };
  openPage(member);
  join({ seq: 1, entries: [message(1)], read: 1 });
  for (const seq of [2, 3]) {
    room.timeline.apply(message(seq));
    reading.seen(room);
  }
  timers.pass(2_000);
  assert.deepEqual(client.told, [['tea', 3]]);
  openPage();
  room.timeline.apply(message(4));
  reading.seen(room);
  timers.pass(10_000);
  assert.deepEqual(client.told, []);
});

test('the server learns of a room that a member sees for the first time', async () => {
  openPage({ ...ana, role: 'member' });
  join({ seq: 2, entries: [message(1), message(2)] });
  reading.seen(room);
  timers.pass(2_000);
  await settled();
  reading.seen(room);
  timers.pass(10_000);
  assert.deepEqual(client.told, [['tea', 2]]);
});

test('somebody else who logs in has a line of their own', () => {
  join({ seq: 2, entries: [message(1), message(2)] });
  reading.open('u:carol');
  room.reset('u:carol');
  join({ seq: 2, entries: [message(1), message(2)], read: 1 });
  assert.equal(reading.divider, 1);
});

test('what was read on another device is read here', () => {
  join({ seq: 1, entries: [message(1)] });
  room.timeline.apply(message(2));
  client.emit('read', { room: 'tea', user: ben, seq: 2 });
  assert.equal(reading.unread(room).count, 1);
  client.emit('read', { room: 'tea', user: ana, seq: 2 });
  assert.equal(reading.unread(room).count, 0);
});

test('without a storage that takes anything a place is still kept, and news once', () => {
  storage = { getItem: () => null, setItem() { throw new Error('full'); } };
  openPage();
  join({ seq: 1, entries: [message(1)] });
  room.timeline.apply(message(2));
  assert.equal(reading.seen(room), true);
  assert.equal(reading.seen(room), false);
  assert.equal(reading.unread(room).count, 0);
});

test('nobody is told on the desktop of what they read in another tab', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const shown = [];
  globalThis.document = { hasFocus: () => false };
  globalThis.Notification = class {
    static permission = 'granted';
    constructor(title, { body }) { shown.push(`${title}: ${body}`); }
  };
  t.after(() => ['document', 'Notification'].forEach((name) => delete globalThis[name]));
  storage.setItem('hubbub.notify', 'on');
  join({ seq: 1, entries: [message(1)] });
  const [here, tab] = [reading, new Reading(client, new Markers(new SafeStorage(storage)), timers)];
  tab.open(ana.id);
  const comes = (seq) => {
    room.timeline.apply(message(seq));
    notify(new SafeStorage(storage), message(seq), () => here.has(message(seq)));
  };
  comes(2);
  tab.seen(room);
  comes(3);
  assert.deepEqual(shown, [], 'the other tab has a moment for it');
  t.mock.timers.tick(1_000);
  assert.deepEqual(shown, ['Ben in #tea: text 3']);
});

test('a marker that nobody can read is none', () => {
  storage.setItem(`hubbub.read.${ana.id}/tea`, '{broken');
  join({ seq: 2, entries: [message(1), message(2)] });
  assert.equal(reading.divider, 2);
});
