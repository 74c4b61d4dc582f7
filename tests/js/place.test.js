import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Place } from '../../static/js/place.js';

const many = (count, from = 0) => Array.from({ length: count }, (_, at) => ({ id: `m${from + at}` }));

let now, height, tall, scroller, list, timeline, place;

/** What the browser does: the items of a drawing, one below the other, and no scrolling beyond the end. */
function layOut({ items = list.children.map(({ dataset }) => dataset.id), view = scroller.clientHeight } = {}) {
  let offsetTop = 0;
  list.children = items.map((id) => {
    const item = { dataset: { id }, offsetTop, offsetHeight: tall[id] ?? height };
    offsetTop += item.offsetHeight;
    return item;
  });
  scroller.scrollHeight = Math.max(offsetTop, view);
  scroller.clientHeight = view;
  scroller.scrollTop = scroller.scrollTop;
}

function draw() {
  place.settle(timeline);
  do fill(); while (place.range.start > 0 && scroller.scrollHeight < scroller.clientHeight + 400 && place.grow());
  place.keep();
}

function fill() {
  const { start, end } = place.range;
  layOut({ items: timeline.messages.slice(start, end).map(({ id }) => id) });
}

/** The reader scrolls by so much, and the browser tells of it. */
function scroll(by) {
  scroller.scrollTop += by;
  place.look();
}

/** The message at the top of the view, and how far above the top it begins. */
function read() {
  const item = list.children.find(({ offsetTop, offsetHeight }) => offsetTop + offsetHeight > scroller.scrollTop);
  return [item.dataset.id, item.offsetTop - scroller.scrollTop];
}

const below = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;

beforeEach(() => {
  now = 0;
  height = 30;
  tall = {};
  let top = 0;
  scroller = {
    clientHeight: 600,
    scrollHeight: 600,
    get scrollTop() {
      return top;
    },
    set scrollTop(value) {
      top = Math.max(0, Math.min(value, this.scrollHeight - this.clientHeight));
    },
  };
  list = { children: [] };
  timeline = { messages: many(1_000), hasOlder: true, held: false };
  place = new Place(scroller, list, () => now);
  place.fit(16);
  draw();
});

test('it goes along with the end', () => {
  for (let count = 1_001; count < 1_100; count += 7) {
    timeline.messages = many(count);
    draw();
    assert.equal(below(), 0);
    assert.equal(list.children.at(-1).dataset.id, `m${count - 1}`);
  }
  assert.deepEqual([place.following, place.atEnd, timeline.held], [true, true, false]);
});

test('who scrolls up stays there, however many draw before the event of it', () => {
  scroller.scrollTop -= 300; // no event yet
  const reading = read();
  for (let count = 1_001; count < 1_500; count += 50) {
    timeline.messages = many(count);
    draw();
    assert.deepEqual(read(), reading);
  }
  assert.deepEqual([place.following, place.atEnd, timeline.held], [false, false, true]);
});

test('who scrolls up slowly leaves the end in a flood too', () => {
  for (let frame = 1; frame <= 20; frame += 1) {
    now += 16;
    scroll(-5);
    timeline.messages = many(1_000 + frame);
    draw();
  }
  assert.equal(place.following, false);
  assert.ok(below() >= 20 * 30 + 20 * 5, `${below()} pixels from the end`);
});

test('who has scrolled up a little and stopped goes along again', () => {
  scroll(-20);
  assert.deepEqual([place.following, place.atEnd], [false, true]);
  draw();
  assert.equal(below(), 20, 'not while they may still be scrolling');
  now += 1_000;
  timeline.messages = many(1_001);
  draw();
  assert.deepEqual([place.following, below()], [true, 0]);
});

test('who scrolls down to the end goes along again', () => {
  scroll(-500);
  draw();
  scroll(500);
  draw();
  assert.deepEqual([place.following, below(), timeline.held], [true, 0, false]);
});

test('who is back at the end stays there when there is less room', () => {
  scroll(-53);
  scroll(53);
  assert.deepEqual([place.following, place.over], [false, true], 'there is reason to draw');
  now += 1_000;
  draw();
  layOut({ view: 300 });
  place.look();
  place.keep();
  assert.deepEqual([place.following, below()], [true, 0]);
});

test('pulled beyond the end, the browser brings it back', () => {
  scroll(-500);
  draw();
  const reading = read();
  const inside = Object.getOwnPropertyDescriptor(scroller, 'scrollTop');
  const beyond = scroller.scrollHeight - scroller.clientHeight + 90;
  Object.defineProperty(scroller, 'scrollTop', { ...inside, get: () => beyond, configurable: true });
  place.look();
  Object.defineProperty(scroller, 'scrollTop', { ...inside, configurable: true });
  place.keep();
  assert.deepEqual(read(), reading);
});

test('near the end nobody is moved before there is something new', () => {
  scroll(-500);
  draw();
  scroll(460);
  now += 1_000;
  draw();
  draw();
  assert.deepEqual([place.atEnd, below()], [true, 40]);
  timeline.messages = many(1_001);
  draw();
  assert.deepEqual([place.following, below()], [true, 0]);
});

test('who reads is not moved by however many that come at once', () => {
  for (const [more, line] of [[30, 30], [100, 60], [130, 30], [130, 60], [500, 60]]) {
    height = line;
    const count = timeline.messages.length;
    place.follow();
    draw();
    timeline.messages = many(count + more); // come, and not drawn yet
    scroll(-300);
    const reading = read();
    draw();
    assert.deepEqual(read(), reading, `${more} more of ${line} pixels`);
    timeline.messages = many(count + 2 * more);
    draw();
    draw();
    assert.deepEqual(read(), reading, `${more} more again`);
  }
});

test('what is cut off below a reader does not make them go along', () => {
  scroll(-300);
  draw();
  const [id] = read();
  layOut({ view: 1_100 });
  place.look(); // the browser tells of it as of any scrolling
  place.keep();
  now += 1_000;
  layOut({ view: 600 });
  place.look();
  place.keep();
  assert.deepEqual([read()[0], place.following], [id, false]);
});

test('a part of a pixel is no scrolling', () => {
  layOut({ view: 500 });
  scroller.scrollTop -= 0.7;
  draw();
  assert.equal(place.following, true);
});

test('of a message that becomes low something stays in view', () => {
  tall.m970 = 2_000;
  layOut();
  place.keep();
  scroller.scrollTop = 1_300;
  place.look();
  assert.deepEqual(read(), ['m970', -1_000]);
  delete tall.m970;
  layOut();
  place.keep();
  assert.equal(read()[0], 'm970');
});

test('no other size makes a reader leave the end', () => {
  for (const [view, line] of [[400, 30], [900, 30], [900, 60], [300, 20], [600, 45]]) {
    height = line;
    layOut({ view });
    place.look(); // of what the browser cuts off it tells as of any scrolling
    place.keep();
    assert.deepEqual([place.following, below()], [true, 0], `${view} pixels, messages of ${line}`);
  }
});

test('with any other size a reader goes on reading the same', () => {
  scroll(-615);
  const [id] = read();
  for (const [view, line] of [[400, 30], [500, 60], [600, 24]]) {
    height = line;
    layOut({ view });
    place.look();
    place.keep();
    assert.equal(read()[0], id, `${view} pixels, messages of ${line}`);
  }
});

test('it reads back to the first message and on to the last without a jump', () => {
  const step = (by) => {
    scroll(by);
    const reading = read();
    draw();
    assert.deepEqual(read(), reading);
  };
  const pages = 1_000 / 20;
  for (let page = 0; page < 2 * pages; page += 1) step(-Math.min(600, scroller.scrollTop));
  assert.equal(read()[0], 'm0');
  for (let page = 0; page < 2 * pages; page += 1) step(600);
  assert.deepEqual([place.following, below()], [true, 0]);
});

test('at rest nothing moves, on any screen', () => {
  for (const view of [200, 600, 1_000, 2_000, 4_000]) {
    place = new Place(scroller, list, () => now);
    layOut({ view });
    place.fit(16);
    draw();
    scroll(-30 * 30);
    for (let step = 0; step < 200; step += 1) {
      scroll(-50);
      draw();
      draw();
      const { start } = place.range;
      draw();
      assert.equal(place.range.start, start, `${view} pixels high, at ${scroller.scrollTop}`);
    }
  }
});

test('to the end means to the end, also for who is still scrolling', () => {
  scroll(-5_000);
  draw();
  place.follow();
  scroll(-100);
  draw();
  assert.deepEqual([place.following, below()], [true, 0]);
});

test('read afresh, a room goes on where its reader is, if that is still there', () => {
  scroll(-900);
  draw();
  const reading = read();
  timeline = { messages: many(300, 930), hasOlder: true, held: false };
  draw();
  assert.deepEqual(read(), reading);
  assert.equal(timeline.held, true);
  timeline = { messages: many(300, 5_000), hasOlder: true, held: false };
  draw();
  assert.deepEqual([place.following, below(), timeline.held], [true, 0, false]);
});

test('it goes to a message, and follows when that is the end of the room', () => {
  for (const [id, follows] of [['m500', false], ['m999', true]]) {
    assert.equal(place.around(id), true);
    assert.equal(timeline.held, true);
    fill();
    place.keep();
    place.holdAt(list.children.find(({ dataset }) => dataset.id === id), 285);
    assert.equal(place.atEnd, follows);
    draw();
    assert.equal(place.following, follows);
  }
  assert.equal(place.around('nowhere'), false);
});

test('who is held at a line of a room that they come to has not seen its end', () => {
  place.holdAt(list.children[5], 48);
  assert.deepEqual([place.following, place.atEnd, list.children[5].offsetTop - scroller.scrollTop], [false, false, 48]);
  const reading = read();
  draw();
  assert.deepEqual(read(), reading);
});

test('an empty room is followed', () => {
  timeline = { messages: [], hasOlder: false, held: false };
  place = new Place(scroller, list, () => now);
  draw();
  place.look();
  assert.deepEqual([place.following, place.atEnd, place.near], [true, true, null]);
});
