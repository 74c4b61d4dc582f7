// The small pure modules of the page.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Announcer } from '../../static/js/announcer.js';
import { directory, isRoom, neighbour } from '../../static/js/directory.js';
import { COLUMNS, EMOJIS, findEmojis, moveIn } from '../../static/js/emojis.js';
import { nameOfDay, stand } from '../../static/js/groups.js';
import { placeItem } from '../../static/js/item.js';
import { Pacer } from '../../static/js/pacer.js';
import { Roster, headcount } from '../../static/js/roster.js';
import { SHORTCUTS, isText, match } from '../../static/js/shortcuts.js';
import { Tabs } from '../../static/js/tabs.js';
import { Typing } from '../../static/js/typing.js';
import { describe } from '../../static/js/words.js';
import { FakeTimers, ana, ben, message } from './support.js';

const DAY = 86_400_000;
const NOON = new Date(2026, 4, 20, 12).getTime();

test('messages of one author stand together within five minutes and a day', () => {
  const first = message(1, { ts: NOON });
  const after = (more) => stand(message(2, { ts: NOON + 60_000, ...more }), first);
  assert.deepEqual(stand(first, null), { newDay: true, follows: false });
  assert.deepEqual(after(), { newDay: false, follows: true });
  assert.equal(after({ from: ana }).follows, false);
  assert.equal(after({ from: { ...ben, name: 'Benno' } }).follows, false, 'another name is to be seen');
  assert.equal(after({ ts: NOON + 300_000 }).follows, false);
  assert.equal(after({ replyTo: 'm1' }).follows, false);
  assert.deepEqual(after({ ts: NOON + DAY }), { newDay: true, follows: false });
});

test('days have the names people give them', () => {
  assert.equal(nameOfDay(NOON - 3_600_000, NOON), 'Today');
  assert.equal(nameOfDay(NOON - DAY, NOON), 'Yesterday');
  assert.ok(!nameOfDay(NOON - 5 * DAY, NOON).includes('2026'));
  assert.ok(nameOfDay(NOON - 400 * DAY, NOON).includes('2025'));
});

test('today is yesterday after midnight, also where it stands already', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: NOON });
  const day = { textContent: '' };
  const place = () => placeItem({ classList: { toggle() {} }, firstElementChild: day }, message(1, { ts: NOON }), null, false);
  place();
  assert.equal(day.textContent, 'Today');
  t.mock.timers.setTime(NOON + DAY);
  place();
  assert.equal(day.textContent, 'Yesterday');
});

test('a message alone is read out, many are counted, and not too often', () => {
  const timers = new FakeTimers();
  const said = [];
  const announcer = new Announcer((sentence) => said.push(sentence), timers);
  announcer.add(message(1));
  timers.pass(0);
  for (let seq = 2; seq < 1_000; seq += 1) announcer.add(message(seq));
  timers.pass(3_999);
  assert.deepEqual(said, ['Ben: text 1']);
  timers.pass(1);
  assert.deepEqual(said, ['Ben: text 1', '998 new messages']);
  timers.setClock(-3_600_000);
  announcer.add(message(1_000));
  timers.pass(4_000);
  assert.equal(said.splice(2).length, 1, 'also when the clock was set back');
  announcer.add(message(1_001));
  announcer.clear();
  timers.pass(60_000);
  assert.equal(said.length, 2, 'of a room that was left nothing is said');
});

test('what is said again is read out again', () => {
  const timers = new FakeTimers();
  const said = [];
  const announcer = new Announcer((sentence) => said.push(sentence), timers);
  for (let time = 0; time < 3; time += 1) {
    announcer.add(message(1));
    timers.pass(4_000);
  }
  assert.equal(said.length, 3);
  assert.ok(said[1] !== said[0] && said[2] !== said[1], 'the region changes each time');
  assert.ok(said.every((sentence) => sentence.trim() === 'Ben: text 1'));
});

test('a room list has other rooms only, fullest first, by what is typed', () => {
  const known = [{ room: 'tea', members: 1, lastTs: 1 }, { room: 'coffee', members: 3, lastTs: null }, { room: 'cocoa', members: 1, lastTs: 5 }, { room: 'global', members: 9, lastTs: 1 }];
  assert.deepEqual(directory(known, ['global'], '').map(({ room }) => room), ['coffee', 'cocoa', 'tea']);
  assert.deepEqual(directory(known, [], ' CO ').map(({ room }) => room), ['coffee', 'cocoa']);
  assert.equal(directory(Array.from({ length: 99 }, (_, at) => ({ room: `r${at}`, members: 0, lastTs: 0 })), [], '').length, 30);
});

test('names of rooms, and the room beside another', () => {
  for (const name of ['a', '0.a_b-c', 'a'.repeat(64)]) assert.ok(isRoom(name), name);
  for (const name of ['', 'A', '-a', 'a b', 'a'.repeat(65), 'ä']) assert.ok(!isRoom(name), name);
  assert.equal(neighbour(['a', 'b', 'c'], 'c', 1), 'a');
  assert.equal(neighbour(['a', 'b', 'c'], 'a', -1), 'c');
  assert.equal(neighbour([], 'a', 1), 'a');
});

test('reactions are found by name, and arrows stay in the grid', () => {
  assert.equal(findEmojis('').length, EMOJIS.length);
  assert.deepEqual(findEmojis('roc').map(([emoji]) => emoji), ['🚀']);
  assert.deepEqual(findEmojis('no such thing'), []);
  assert.equal(new Set(EMOJIS.map(([emoji]) => emoji)).size, EMOJIS.length);
  for (const [emoji] of EMOJIS) assert.ok(new TextEncoder().encode(emoji).length <= 32, emoji);
  assert.equal(moveIn('ArrowDown', 0, 20), COLUMNS);
  assert.equal(moveIn('ArrowDown', 15, 20), 15);
  assert.equal(moveIn('ArrowLeft', 0, 20), 0);
  assert.equal(moveIn('a', 0, 20), null);
});

test('what comes within a frame is drawn once', () => {
  const frames = [];
  let drawn = 0;
  const pacer = new Pacer(() => (drawn += 1), { frame: (then) => frames.push(then), later: assert.fail, painted: (then) => then(), now: () => 0 });
  pacer.request();
  pacer.request();
  assert.equal(frames.length, 1);
  frames.pop()();
  pacer.request();
  frames.pop()();
  assert.equal(drawn, 2);
});

test('a page that gets no frames any more is drawn all the same, and only once', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const frames = new Map();
  globalThis.requestAnimationFrame = (then) => (frames.set(frames.size + 1, then), frames.size);
  globalThis.cancelAnimationFrame = (frame) => frames.delete(frame);
  t.after(() => ['request', 'cancel'].forEach((name) => delete globalThis[`${name}AnimationFrame`]));
  let drawn = 0;
  const pacer = new Pacer(() => (drawn += 1));
  pacer.request();
  t.mock.timers.tick(200);
  assert.equal(drawn, 1, 'hidden between the request and the frame');
  assert.equal(frames.size, 0);
  t.mock.timers.tick(1);
  pacer.request();
  frames.get(1)();
  t.mock.timers.tick(1_000);
  assert.equal(drawn, 2);
});

test('after a dear drawing there is time for other things', () => {
  let now = 0;
  const rests = [];
  const paints = [];
  const pacer = new Pacer(() => (now += 10), {
    frame: (then) => then(), later: (then, ms) => rests.push(ms), painted: (then) => paints.push(then), now: () => now,
  });
  pacer.request();
  pacer.request();
  assert.deepEqual(rests, [], 'while it is painted nothing is known of what it costs');
  now += 10;
  paints.pop()();
  pacer.request();
  assert.deepEqual(rests, [60]);
});

test('people stand by rank and name; a crowd is a number', () => {
  const roster = new Roster();
  const admin = { id: 'u:root', name: 'Root', role: 'admin' };
  roster.reset([ben, ana]);
  roster.enter([admin]);
  assert.deepEqual(roster.groups(null).map(({ title, users }) => [title, users.map(({ name }) => name)]), [['Admins', ['Root']], ['Guests', ['Ana', 'Ben']]]);
  roster.leave([ana]);
  assert.deepEqual(roster.groups({ guests: 900, members: 0, admins: 1 }).map(({ count }) => count), [1, 900]);
  roster.reset(Array.from({ length: 250 }, (_, at) => ({ id: `g:${at}`, name: `n${at}`, role: 'guest' })));
  assert.equal(roster.groups(null)[0].users.length, 200);
});

test('the headcount says what it knows', () => {
  assert.equal(headcount(null), '');
  assert.equal(headcount({ guests: 2, members: 1, admins: 0 }), '3 here (2 guests, 1 member)');
  assert.equal(headcount({ guests: 1, members: 0, admins: 0, stale: true }), '1 here (1 guest), may be out of date');
});

test('who stops typing, or is not heard of for six seconds, is no longer named', () => {
  const timers = new FakeTimers();
  let shown = '';
  const typing = new Typing((sentence) => (shown = sentence), timers);
  typing.start(ana);
  assert.equal(shown, 'Ana is typing…');
  timers.pass(3_000);
  typing.start(ana);
  typing.start(ben);
  assert.equal(shown, 'Ana, Ben are typing…');
  typing.stop(ben.id);
  timers.pass(5_999);
  assert.equal(shown, 'Ana is typing…');
  timers.pass(1);
  assert.equal(shown, '');
  for (const name of ['a', 'b', 'c', 'd']) typing.start({ id: name, name });
  assert.equal(shown, 'Several people are typing…');
  typing.clear();
  assert.equal(shown, '');
});

test('keys do what the list says, and in a field characters are text', () => {
  const key = (name, more) => ({ key: name, code: '', altKey: false, ctrlKey: false, metaKey: false, isComposing: false, ...more });
  const page = { inMessage: false, inField: false };
  assert.equal(match(key('?'), page), 'help');
  assert.equal(match(key('?'), { ...page, inField: true }), null);
  assert.equal(match(key('k', { ctrlKey: true }), { ...page, inField: true }), 'find-room');
  assert.equal(match(key('ArrowUp', { altKey: true }), { ...page, inField: true }), 'room-before');
  assert.equal(match(key('r'), page), null);
  assert.equal(match(key('r'), { ...page, inMessage: true }), 'reply');
  assert.equal(match(key('r', { ctrlKey: true }), { ...page, inMessage: true }), null, 'that reloads the page');
  assert.equal(match(key('?', { isComposing: true }), page), null);
  assert.equal(match(key('?', { keyCode: 229 }), page), null, 'Safari says it like this');
  assert.ok(SHORTCUTS.flatMap(([, keys]) => keys).every(({ keys, says }) => keys.length > 0 && says));
});

test('what writes something is text, in any script', () => {
  const key = (name, more) => ({ key: name, altKey: false, ctrlKey: false, metaKey: false, ...more });
  for (const name of ['a', 'ß', 'م', '😀']) assert.equal(isText(key(name)), true, name);
  for (const name of ['Enter', 'F5', ' ', 'ArrowUp']) assert.equal(isText(key(name)), false, name);
  assert.equal(isText(key('a', { ctrlKey: true })), false);
});

test('tabs tell each other who they are, and believe nothing odd', () => {
  const heard = [];
  class Channel {
    static all = [];
    constructor() { Channel.all.push(this); }
    postMessage(data) { for (const other of Channel.all) if (other !== this) other.onmessage({ data }); }
  }
  const one = new Tabs(() => assert.fail('a tab does not hear itself'), Channel);
  new Tabs((user) => heard.push(user), Channel);
  one.tell({ ...ana, role: 'admin' });
  Channel.all[0].postMessage('x');
  Channel.all[0].postMessage({ kind: 'identity' });
  assert.deepEqual(heard, [{ id: ana.id, name: ana.name }]);
  new Tabs(assert.fail, null).tell(ana);
});

test('the connection in words', () => {
  const words = (state, seen) => describe(state, { room: { live: true }, draining: false, offline: false, ...seen });
  const { status, short, more, button } = words({ status: 'online', mode: 'standalone' });
  assert.deepEqual([status, short, more, button], ['online', 'Connected', '', null]);
  assert.equal(words({ status: 'online' }, { room: { live: false } }).short, 'Connected, catching up…');
  assert.equal(words({ status: 'online', mode: 'degraded' }).status, 'degraded');
  assert.equal(words({ status: 'online' }, { draining: true }).status, 'draining');
  assert.equal(words({ status: 'connecting' }).status, 'connecting');
  assert.match(words({ status: 'waiting', reason: 'unreachable' }).more, /cannot be reached.*kept/);
  assert.equal(words({ status: 'waiting', reason: 'unreachable' }, { offline: true }).short, 'You are offline.');
  assert.equal(words({ status: 'waiting', reason: 'x', message: 'Full.' }).short, 'Full.');
  assert.equal(words({ status: 'waiting' }).button, 'Connect now');
  assert.equal(words({ status: 'stopped', reason: 'unauthorized' }).button, 'Go on as a guest');
  assert.equal(words({ status: 'stopped', reason: 'forbidden', message: 'You are banned.' }).more, 'You are banned.');
  assert.equal(words({ status: 'idle' }).button, 'Connect');
});
