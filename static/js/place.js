import { Span } from './span.js';

/** How far from the end still counts as being there, pixels. */
const NEAR = 80;
/** How near an end of what is in the document more of it is put there, pixels. */
const AHEAD = 600;
/** The lowest a message can be, rem: a line of text without its author. */
const LOWEST = 1.5;
/** Who has scrolled up this long ago has stopped, milliseconds. */
const STOPPED_MS = 150;

/**
 * Where the reader stands in a list of messages, and which of them are in the document for that. Who is at the end goes
 * along with it; who has scrolled up is held at the message they read, whatever changes around it.
 *
 * As long as the scroller is where it was put nobody has scrolled, however its content or its own size has changed. So
 * a drawing sees what a reader did before the event of it comes, and takes nothing for it that they did not do.
 *
 * What the scroller says is of what is drawn; the messages may be further by then.
 */
export class Place {
  #scroller;
  #list;
  #now;
  #timeline = null;
  #span = new Span();
  #put = null; // where the scroller was put, or scrolled to; null: the next drawing puts it
  #roseAt = -Infinity;
  #anchor = null; // while held: a message in view, and how far from the top it is

  /**
   * @param {HTMLElement} scroller what the items' `offsetTop` counts from
   * @param {HTMLElement} list its items have the messages' ids as `data-id`
   * @param {() => number} [now] milliseconds
   */
  constructor(scroller, list, now = () => performance.now()) {
    this.#scroller = scroller;
    this.#list = list;
    this.#now = now;
  }

  /** @returns {boolean} whether the reader goes along with the newest message */
  get following() {
    return this.#span.following;
  }

  /** @returns {boolean} whether the newest message is in view, or nearly */
  get atEnd() {
    return this.following || (this.range.end === this.#timeline.messages.length && this.#below < NEAR);
  }

  /** @returns {boolean} whether there is nothing below what is in view */
  get over() {
    return this.#below <= 1;
  }

  /** @returns {{start: number, end: number}} which messages are to be in the document */
  get range() {
    return this.#span.range(this.#timeline.messages);
  }

  /** @returns {'top' | 'bottom' | null} which end of what is in the document is near, if there is more beyond it */
  get near() {
    const { start, end } = this.range;
    const { messages, hasOlder } = this.#timeline;
    if (this.#scroller.scrollTop < AHEAD && (start > 0 || hasOlder)) return 'top';
    const drawn = this.#last === messages[end - 1]?.id;
    return drawn && this.#below < AHEAD && end < messages.length ? 'bottom' : null;
  }

  get #below() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  get #last() {
    return this.#list.children[this.#list.children.length - 1]?.dataset.id;
  }

  /** The scroller or the text has another size. @param {number} rem pixels */
  fit(rem) {
    this.#span.fit(Math.ceil((this.#scroller.clientHeight + 2 * AHEAD) / (LOWEST * rem)));
  }

  /** Shows more while following. @returns {boolean} whether that is allowed */
  grow() {
    return this.#span.grow();
  }

  /** Goes to the end, and along with it. */
  follow() {
    this.#span.follow();
    this.#put = this.#anchor = null;
    if (this.#timeline) this.#timeline.held = false;
  }

  /** Sees whether the reader has scrolled. */
  look() {
    const { scrollTop } = this.#scroller;
    if (this.#below < -1) return; // some browsers let one pull beyond the end, and come back by themselves
    if (this.#put === null || Math.abs(scrollTop - this.#put) < 1) return;
    // Nobody gets to the end by scrolling up: what was below them is not there any more.
    if (scrollTop < this.#put && this.over) return this.keep();
    this.#roseAt = scrollTop < this.#put ? this.#now() : -Infinity;
    this.#put = scrollTop;
    if (!this.following) this.#anchor = this.#first();
    else if (!this.over) this.#hold();
  }

  /** Before a drawing: where the reader is by now, with all that has come. @param {import('./timeline.js').Timeline} timeline */
  settle(timeline) {
    this.#timeline = timeline;
    this.look();
    if (this.following) return;
    const { messages } = timeline;
    timeline.held = true;
    // What it began with is gone when the room was read afresh; what the reader reads may be there all the same.
    const lost = !this.#span.holds(messages) && !this.#span.around(messages, this.#anchor?.id);
    const stopped = this.#now() - this.#roseAt >= STOPPED_MS;
    const more = this.#last !== messages.at(-1)?.id;
    if (lost || (this.atEnd && stopped && (more || this.over))) this.follow();
    // One step for a drawing: how near an end is says nothing about messages that are not in the document yet.
    else if (this.near === 'top') this.#span.up(messages);
    else if (this.near === 'bottom') this.#span.down(messages);
  }

  /** After a drawing, or when sizes have changed: the reader stays where they are. */
  keep() {
    const scroller = this.#scroller;
    if (this.following) scroller.scrollTop = scroller.scrollHeight;
    else {
      const item = Array.prototype.find.call(this.#list.children, ({ dataset }) => dataset.id === this.#anchor?.id);
      // Of one that has become lower, as when a long text is folded, something stays in view.
      const wanted = item && item.offsetTop - Math.max(this.#anchor.offset, 1 - item.offsetHeight);
      if (item && Math.abs(scroller.scrollTop - wanted) >= 1) scroller.scrollTop = wanted;
      if (!item) this.#anchor = this.#first();
    }
    this.#put = scroller.scrollTop;
  }

  /** Has a message in the document, with some before it. @param {string} id @returns {boolean} whether it is there */
  around(id) {
    const there = this.#span.around(this.#timeline.messages, id);
    if (there) this.#timeline.held = true;
    return there;
  }

  /** Holds the reader where an item is so far from the top. @param {HTMLElement} item @param {number} offset pixels */
  holdAt(item, offset) {
    if (this.following) this.#hold();
    this.#anchor = { id: item.dataset.id, offset };
    this.keep();
  }

  #hold() {
    this.#span.hold(this.#list.children[0]?.dataset.id);
    this.#timeline.held = !this.following;
    this.#anchor = this.#first();
  }

  // By halves: there may be hundreds.
  #first() {
    const { scrollTop } = this.#scroller;
    const items = this.#list.children;
    let [low, high] = [0, items.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (items[middle].offsetTop + items[middle].offsetHeight <= scrollTop + 1) low = middle + 1;
      else high = middle;
    }
    return items[low] ? { id: items[low].dataset.id, offset: items[low].offsetTop - scrollTop } : null;
  }
}
