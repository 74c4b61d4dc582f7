import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Timeline } from '../../static/js/timeline.js';
import { ana, ben, joined, message } from './support.js';

let timeline;
const texts = () => timeline.messages.map(({ text }) => text);

beforeEach(() => {
  timeline = new Timeline({ userId: ana.id });
  timeline.joined(joined({ seq: 2, entries: [message(1), message(2)] }));
});

test('a snapshot is shown and sets the position', () => {
  assert.deepEqual(texts(), ['text 1', 'text 2']);
  assert.deepEqual(timeline.position, { epoch: 'e1', seq: 2 });
  assert.equal(timeline.hasOlder, false, 'the first entry there is begins it');
});

test('events in order are applied, repeated ones are not', () => {
  assert.equal(timeline.apply(message(3)), 'applied');
  assert.equal(timeline.apply(message(3)), 'duplicate');
  assert.equal(timeline.apply(message(1)), 'duplicate');
  assert.deepEqual(texts(), ['text 1', 'text 2', 'text 3']);
});

test('an event that does not follow is a gap and changes nothing', () => {
  assert.equal(timeline.apply(message(4)), 'gap');
  assert.deepEqual(timeline.position, { epoch: 'e1', seq: 2 });
  assert.deepEqual(texts(), ['text 1', 'text 2']);
  assert.equal(new Timeline().apply(message(1)), 'gap', 'nor is there anything to follow before a join');
});

test('edits, deletes and reactions change the message, without changing it in place', () => {
  const [before] = timeline.messages;
  timeline.apply({ type: 'edited', seq: 3, ts: 3, messageId: 'm1', text: 'new', by: ben });
  assert.equal(before.text, 'text 1');
  assert.deepEqual([timeline.find('m1').text, timeline.find('m1').editedTs], ['new', 3]);
  timeline.apply({ type: 'reaction', seq: 4, ts: 4, messageId: 'm1', emoji: '👍', on: true, by: ben });
  timeline.apply({ type: 'reaction', seq: 5, ts: 5, messageId: 'm1', emoji: '👍', on: true, by: ana });
  assert.deepEqual(timeline.find('m1').reactions, [{ emoji: '👍', count: 2, mine: true }]);
  timeline.apply({ type: 'reaction', seq: 6, ts: 6, messageId: 'm1', emoji: '👍', on: false, by: ben });
  timeline.apply({ type: 'reaction', seq: 7, ts: 7, messageId: 'm1', emoji: '👍', on: false, by: ana });
  assert.deepEqual(timeline.find('m1').reactions, []);
  timeline.apply({ type: 'deleted', seq: 8, ts: 8, messageId: 'm1', by: ben });
  timeline.apply({ type: 'edited', seq: 9, ts: 9, messageId: 'm1', text: 'back?', by: ben });
  assert.deepEqual([timeline.find('m1').text, timeline.find('m1').deleted], ['', true]);
});

test('an event about a message not held, or of an unknown type, still moves the position', () => {
  assert.equal(timeline.apply({ type: 'edited', seq: 3, ts: 3, messageId: 'm0', text: 'x', by: ben }), 'applied');
  assert.equal(timeline.apply({ type: 'pinned', seq: 4, ts: 4 }), 'applied');
  assert.deepEqual(timeline.position, { epoch: 'e1', seq: 4 });
});

test('recovered entries continue what is there, duplicates left out', () => {
  const { outcome, applied } = timeline.joined(joined({ recovered: true, seq: 4, entries: [message(2), message(3), message(4)] }));
  assert.equal(outcome, 'recovered');
  assert.deepEqual(applied.map(({ seq }) => seq), [3, 4]);
  assert.deepEqual(texts(), ['text 1', 'text 2', 'text 3', 'text 4']);
});

test('recovered entries with a hole, of another epoch or without progress are a breach', () => {
  assert.equal(timeline.joined(joined({ recovered: true, seq: 4, entries: [message(4)] })).outcome, 'breach');
  assert.equal(timeline.joined(joined({ recovered: true, seq: 3, entries: [] })).outcome, 'breach');
  assert.equal(timeline.joined(joined({ recovered: true, seq: 2, entries: [], more: true })).outcome, 'breach');
  assert.equal(timeline.joined(joined({ recovered: true, epoch: 'e2', seq: 3, entries: [message(3)] })).outcome, 'breach');
});

test('a new epoch replaces the copy and the position as a pair', () => {
  timeline.joined(joined({ epoch: 'e2', seq: 1, entries: [message(1, { id: 'n1', text: 'afresh' })] }));
  assert.deepEqual(texts(), ['afresh']);
  assert.deepEqual(timeline.position, { epoch: 'e2', seq: 1 });
  assert.equal(timeline.apply(message(2, { id: 'n2' })), 'applied');
});

test('a provisional message stands last until it comes with its seq', () => {
  const provisional = message(undefined, { id: 'p', text: 'soon', provisional: true });
  assert.equal(timeline.joined(joined({ provisional: true })).outcome, 'provisional');
  assert.equal(timeline.apply(provisional), 'provisional');
  assert.equal(timeline.apply(provisional), 'duplicate');
  assert.equal(timeline.apply(message(3)), 'applied');
  assert.deepEqual(texts(), ['text 1', 'text 2', 'text 3', 'soon']);
  assert.equal(timeline.apply(message(4, { id: 'p', text: 'soon' })), 'applied');
  assert.deepEqual(timeline.messages.map(({ id, seq }) => [id, seq]).at(-1), ['p', 4]);
  assert.equal(timeline.messages.length, 4);
});

test('after a lost connection, what was provisional is in the log or nowhere', () => {
  timeline.apply(message(undefined, { id: 'p', text: 'of the instance that died', provisional: true }));
  timeline.lost();
  assert.equal(timeline.joined(joined({ provisional: true })).outcome, 'provisional');
  timeline.apply(message(undefined, { id: 'q', text: 'soon', provisional: true }));
  assert.deepEqual(texts().slice(2), ['of the instance that died', 'soon'], 'still without a log to tell');
  const entries = [message(3, { text: 'sent again' })];
  assert.equal(timeline.joined(joined({ recovered: true, seq: 3, entries })).outcome, 'recovered');
  assert.deepEqual(texts(), ['text 1', 'text 2', 'sent again', 'soon']);
});

test('what could not be stored is dropped', () => {
  timeline.apply(message(undefined, { id: 'p', provisional: true }));
  timeline.drop(['p', 'm1']);
  assert.deepEqual(texts(), ['text 1', 'text 2']);
});

test('history goes before, and only once', () => {
  timeline.joined(joined({ seq: 9, entries: [message(8), message(9)] }));
  assert.equal(timeline.hasOlder, true);
  const page = [message(6, { reactions: [{ emoji: '👍', count: 1, mine: true }] }), message(7)];
  timeline.prepend(page, true);
  timeline.prepend(page, true);
  assert.deepEqual(timeline.messages.map(({ seq }) => seq), [6, 7, 8, 9]);
  timeline.prepend([message(5)], false);
  assert.equal(timeline.hasOlder, false);
  timeline.apply({ type: 'reaction', seq: 10, ts: 1, messageId: 'm6', emoji: '👍', on: true, by: ana });
  assert.equal(timeline.find('m6').reactions[0].count, 1, 'the page had counted the own reaction');
});

test('a page does not bring what is still to come as an event', () => {
  timeline.joined(joined({ seq: 5, entries: [] }));
  timeline.prepend([message(4), message(6)], false);
  timeline.apply(message(6));
  assert.deepEqual(timeline.messages.map(({ seq }) => seq), [4, 6]);
});

test('it forgets the oldest when it grows too long, and knows so', () => {
  timeline = new Timeline({ capacity: 16 });
  timeline.joined(joined({ entries: [] }));
  for (let seq = 1; seq <= 100; seq += 1) timeline.apply(message(seq));
  assert.ok(timeline.messages.length <= 16);
  assert.equal(timeline.messages.at(-1).seq, 100);
  assert.equal(timeline.hasOlder, true);
});

test('however events are repeated, dropped and swapped, what is shown is a prefix of the log', () => {
  let seed = 1;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  for (let round = 0; round < 200; round += 1) {
    const subject = new Timeline();
    subject.joined(joined());
    for (let step = 0; step < 60; step += 1) {
      const seq = 1 + Math.floor(random() * 20);
      const next = subject.position.seq + 1;
      assert.equal(subject.apply(message(seq)), seq === next ? 'applied' : seq < next ? 'duplicate' : 'gap');
    }
    assert.deepEqual(subject.messages.map(({ seq }) => seq), Array.from({ length: subject.position.seq }, (_, at) => at + 1));
  }
});

test('while somebody reads back nothing is taken away, and after that it is', () => {
  timeline = new Timeline({ userId: ana.id, capacity: 16 });
  timeline.joined(joined({ seq: 0 }));
  timeline.held = true;
  for (let seq = 1; seq <= 100; seq += 1) timeline.apply(message(seq));
  assert.equal(timeline.messages.length, 100);
  timeline.held = false;
  timeline.apply(message(101));
  assert.ok(timeline.messages.length <= 16);
  assert.equal(timeline.messages.at(-1).id, 'm101');
  assert.equal(timeline.hasOlder, true);
  assert.equal(timeline.find('m1'), undefined, 'what is gone is not found');
});

test('a message is found by its id, wherever it came from', () => {
  timeline.joined(joined({ seq: 30, entries: [message(20), message(25), message(30)] }));
  timeline.prepend([message(3), message(11)], true);
  timeline.apply(message(31));
  timeline.apply(message(undefined, { id: 'p' }));
  for (const id of ['m3', 'm11', 'm20', 'm25', 'm30', 'm31', 'p']) assert.equal(timeline.find(id)?.id, id);
  assert.equal(timeline.find('m1'), undefined, 'it went with the old snapshot');
  timeline.apply({ type: 'edited', seq: 32, ts: 32, messageId: 'm11', text: 'new', by: ben });
  assert.equal(timeline.find('m11').text, 'new');
});

test('the log can be read from its end', () => {
  timeline.apply(message(3));
  assert.deepEqual([...timeline.backward()].map(({ seq }) => seq), [3, 2, 1]);
});
