import { $ } from './dom.js';
import { buildItem, placeItem } from './item.js';
import { Place } from './place.js';
import { Toolbar } from './toolbar.js';

/** Where the line stands for who comes to a room with much that is new, pixels from the top. */
const LINE_FROM_TOP = 48;
/** What is above the newest messages while they are followed, pixels at least: enough to begin to scroll. */
const ABOVE = 400;
/** How long a message that was gone to stands out, milliseconds. */
const FOUND_MS = 2_000;
/** After history could not be read it is not asked for again by itself, milliseconds. */
const REST_MS = 3_000;
/** Pages of history read at most to find a message that is answered. */
const SEARCH_PAGES = 10;

/**
 * @typedef {object} LogActs
 * @property {() => void} draw something to show has changed
 * @property {() => Promise<unknown>} older reads a page of history
 * @property {(name: string, message: import('./timeline.js').Message, detail: any) => void} act a
 *   button or a key: `react`, `toggle`, `reply`, `edit`, `delete`
 */

/** The list of messages. One that did not change keeps its element, and only those near are there. */
export class LogView {
  #log = $('log');
  #scroll = $('scroll');
  #again = null;
  #place = new Place(this.#scroll, this.#log);
  #toolbar = new Toolbar();
  #shown = new Map();
  #open = new Set();
  #room = null;
  #me = null;
  #arriving = true;
  #loading = null;
  #restUntil = 0;
  #divider = { after: undefined, id: null };
  #acts;

  /** @param {LogActs} acts */
  constructor(acts) {
    this.#acts = acts;
    this.#scroll.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    // A keyboard that opens, a banner or a larger text must not take away from readers what they read.
    const sizes = new ResizeObserver((changes) => this.#resized(changes));
    sizes.observe(this.#scroll);
    sizes.observe(this.#log);
    $('latest').addEventListener('click', () => this.toEnd());
    $('older').addEventListener('click', () => this.#older(true));
    this.#log.addEventListener('click', (event) => this.#clicked(event));
    this.#log.addEventListener('pointerover', ({ target }) => !this.#toolbar.focused && this.#attach(itemOf(target)));
    this.#log.addEventListener('pointerleave', ({ pointerType }) => pointerType === 'mouse' && this.#left(document.activeElement));
    this.#log.addEventListener('focusout', ({ relatedTarget }) => relatedTarget && !this.#log.matches(':hover') && this.#left(relatedTarget));
    let pressing = false;
    this.#log.addEventListener('pointerdown', () => (pressing = true));
    for (const end of ['pointerup', 'pointercancel']) addEventListener(end, () => (pressing = false));
    this.#log.addEventListener('focusin', ({ target }) => {
      this.pointedAt = pressing;
      this.#focused(itemOf(target));
    });
  }

  /** Whether the message that has the focus was pressed with a pointer: keys are then no shortcuts. */
  pointedAt = false;

  /** @returns {boolean} whether the newest message is in view */
  get atEnd() {
    return this.#place.atEnd;
  }

  /**
   * @param {import('./room.js').Room} room
   * @param {{id: string, name: string, role: string} | null} me
   * @param {number | undefined} divider `seq` after which a line says that it is new
   */
  show(room, me, divider) {
    if (room !== this.#room) this.#clear(room);
    this.#me = me;
    this.#place.settle(room.timeline);
    this.#render(divider);
    const { following, near, range } = this.#place;
    const wanted = following ? this.#wantsMore() : near === 'top';
    if (wanted && range.start === 0 && room.timeline.hasOlder) {
      this.#older();
      const rest = this.#restUntil - performance.now();
      if (rest > 0) this.#drawIn(rest);
    }
  }

  /** To the newest message, and along with it. */
  toEnd() {
    this.#place.follow();
    this.#acts.draw();
  }

  /** There is no room in view. */
  clear() {
    if (this.#room) this.#clear(null);
    $('older').hidden = $('latest').hidden = true;
  }

  /** Puts the focus on the message that had it last, or on the newest. */
  focus() {
    (this.#log.querySelector('li[tabindex="0"]') ?? this.#log.lastElementChild)?.focus();
  }

  /** A key on the focused message. @param {string} name as in shortcuts.js */
  key(name) {
    const item = itemOf(document.activeElement);
    const message = item && this.#shown.get(item.dataset.id)?.message;
    if (!message) return;
    if (name === 'previous' || name === 'next') this.#step(item, name === 'next');
    else if (name === 'end') this.#toNewest();
    else if (name === 'jump') this.#jump(message.replyTo);
    else if (name === 'unfold') this.#unfold(message.id);
    else this.#act(name, message, item);
  }

  #render(divider) {
    const { messages, hasOlder } = this.#room.timeline;
    const first = this.#log.firstElementChild;
    const firstNew = this.#firstNew(divider);
    do this.#update(messages, firstNew); while (this.#place.range.start > 0 && this.#wantsMore() && this.#place.grow());
    this.#place.keep();
    if (this.#arriving && this.#room.live) this.#arrive();
    this.#offer($('older'), hasOlder && this.#place.range.start === 0, first);
    this.#offer($('latest'), !this.atEnd, this.#log.lastElementChild);
    this.#place.keep();
  }

  // A button that goes leaves the focus to a message.
  #offer(button, there, heir) {
    if (!there && document.activeElement === button) heir?.focus({ preventScroll: true });
    button.hidden = !there;
  }

  #drawIn(ms) {
    this.#again ??= setTimeout(() => {
      this.#again = null;
      this.#acts.draw();
    }, ms);
  }

  // Another room starts at its end.
  #clear(room) {
    this.#place.follow();
    this.#room = room;
    this.#shown.clear();
    this.#open.clear();
    this.#log.replaceChildren();
    this.#arriving = true;
    this.#restUntil = 0;
    this.#divider = { after: undefined, id: null };
  }

  // Who comes to a room goes on reading at the line, if not all that is new can be seen at once.
  #arrive() {
    this.#arriving = false;
    const { id } = this.#divider;
    if (!id || !this.#place.following) return;
    if (!this.#shown.has(id) && this.#place.around(id)) this.#update(this.#room.timeline.messages, id);
    const line = this.#shown.get(id)?.node;
    if (line && (!this.#place.following || line.offsetTop < this.#scroll.scrollTop)) this.#place.holdAt(line, LINE_FROM_TOP);
  }

  // Too little to scroll.
  #wantsMore() {
    return this.#place.following && this.#scroll.scrollHeight < this.#scroll.clientHeight + ABOVE;
  }

  #update(messages, firstNew) {
    const { start, end } = this.#place.range;
    const wanted = new Set();
    for (let at = start; at < end; at += 1) wanted.add(messages[at].id);
    const holder = this.pointedAt ? null : itemOf(document.activeElement);
    const heir = holder && nearest(holder, wanted);
    for (const [id, { node }] of this.#shown) {
      if (wanted.has(id)) continue;
      node.remove();
      this.#shown.delete(id);
    }
    let previous = null;
    for (let at = start; at < end; at += 1) {
      const node = this.#node(messages[at]);
      placeItem(node, messages[at], messages[at - 1] ?? null, messages[at].id === firstNew);
      const place = previous ? previous.nextElementSibling : this.#log.firstElementChild;
      if (node !== place) this.#log.insertBefore(node, place);
      previous = node;
    }
    // A message that goes leaves the focus to the nearest that stays.
    if (holder && !wanted.has(holder.dataset.id)) (this.#shown.get(heir)?.node ?? previous)?.focus({ preventScroll: true });
  }

  // An element that is replaced stands where the old one stood, with what was focused in it.
  #node(message) {
    const shown = this.#shown.get(message.id);
    const me = this.#me;
    const quoted = message.replyTo ? this.#room.timeline.find(message.replyTo) : undefined;
    const open = this.#open.has(message.id);
    const reader = `${me?.id} ${me?.name} ${me?.role} ${open}`;
    if (shown?.message === message && shown.reader === reader && shown.quoted === quoted) return shown.node;
    const node = buildItem(message, { me, quoted, open });
    this.#shown.set(message.id, { message, reader, quoted, node });
    if (shown) this.#replace(shown.node, node);
    return node;
  }

  #replace(old, node) {
    const { activeElement } = document;
    const focused = old.contains(activeElement) ? activeElement : null;
    const tools = old.querySelector('.actions');
    if (old.tabIndex === 0) letTab(node);
    old.before(node);
    if (tools) this.#attach(node);
    if (focused === old) node.focus();
    else if (focused) (sameButton(node, focused.dataset) ?? node).focus();
    old.remove();
  }

  // The first message of somebody else after the marker; it stays the same while the room is in view.
  #firstNew(after) {
    if (after !== this.#divider.after) this.#divider = { after, id: null };
    if (after === undefined || this.#divider.id) return this.#divider.id;
    for (const { id, seq, from } of this.#room.timeline.backward()) {
      if (seq <= after) break;
      if (from.id !== this.#me?.id) this.#divider.id = id;
    }
    return this.#divider.id;
  }

  #scrolled() {
    if (!this.#room) return;
    this.#place.look();
    const { atEnd, following, near, over } = this.#place;
    // Following a flood scrolls at each drawing: that is no reason to draw again.
    if (atEnd !== $('latest').hidden || (!following && (near || over))) this.#acts.draw();
  }

  // What was in view stays. A larger screen has room for more.
  #resized(changes) {
    if (changes.some(({ target }) => target === this.#scroll)) {
      this.#place.fit(parseFloat(getComputedStyle(document.documentElement).fontSize));
      this.#acts.draw();
    }
    if (!this.#room) return;
    this.#place.look();
    this.#place.keep();
  }

  // After a failure by itself only some time later: what asked for it is still so.
  #older(asked = false) {
    if (!this.#room.timeline.hasOlder || (!asked && performance.now() < this.#restUntil)) return Promise.resolve();
    this.#loading ??= this.#acts.older().catch(() => (this.#restUntil = performance.now() + REST_MS)).then(() => {
      this.#loading = null;
      this.#acts.draw();
    });
    return this.#loading;
  }

  #attach(item) {
    const shown = item && this.#shown.get(item.dataset.id);
    if (shown) this.#toolbar.attach(item, shown.message, this.#me);
  }

  // Nobody is at a message any more. A dialog gives the focus back to the button that opened it.
  #left(to) {
    if (!this.#log.contains(to) && !document.querySelector('dialog[open]')) this.#toolbar.attach(null);
  }

  // One message at a time can be tabbed to, with the buttons in it.
  #focused(item) {
    if (!item) return;
    if (item.tabIndex !== 0) {
      for (const other of this.#log.querySelectorAll(':scope > [tabindex="0"]')) other.tabIndex = -1;
      letTab(item);
    }
    if (!this.#toolbar.focused) this.#attach(item);
  }

  #clicked({ target }) {
    const item = itemOf(target);
    const button = target.closest('button');
    const message = item && this.#shown.get(item.dataset.id)?.message;
    if (!message || !button) return;
    const { action, emoji } = button.dataset;
    if (action === 'jump') this.#jump(message.replyTo);
    else if (action === 'unfold') this.#unfold(message.id);
    else this.#act(action, message, action === 'toggle' ? emoji : button);
  }

  #act(action, message, detail) {
    const own = message.from.id === this.#me?.id;
    if (message.deleted || message.provisional) return;
    if (action === 'edit' && !own) return;
    if (action === 'delete' && !own && this.#me?.role !== 'admin') return;
    this.#acts.act(action, message, detail);
  }

  #unfold(id) {
    if (!this.#open.delete(id)) this.#open.add(id);
    const { node } = this.#shown.get(id);
    this.#place.holdAt(node, Math.max(0, node.offsetTop - this.#scroll.scrollTop));
    this.#render(this.#divider.after);
    this.#acts.draw();
  }

  #step(item, down) {
    const next = down ? item.nextElementSibling : item.previousElementSibling;
    if (next) {
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: 'nearest' });
    } else if (down) $('text').focus();
  }

  #toNewest() {
    this.toEnd();
    this.show(this.#room, this.#me, this.#divider.after);
    this.#log.lastElementChild.focus({ preventScroll: true });
  }

  async #jump(id) {
    const room = this.#room;
    const { timeline } = room;
    const here = () => room === this.#room && timeline === room.timeline; // nor has the room become another user's
    if (!id) return;
    for (let page = 0; page < SEARCH_PAGES && here() && !timeline.find(id) && timeline.hasOlder; page += 1) {
      timeline.held = true; // or what is read would go again while more comes
      await this.#older();
    }
    const there = here() && this.#place.around(id);
    timeline.held = here() && !this.#place.following;
    if (!there) return;
    this.#render(this.#divider.after);
    const { node } = this.#shown.get(id);
    this.#place.holdAt(node, Math.max(0, (this.#scroll.clientHeight - node.offsetHeight) / 2));
    node.focus({ preventScroll: true });
    node.classList.add('found');
    setTimeout(() => node.classList.remove('found'), FOUND_MS);
    this.#acts.draw();
  }
}

const itemOf = (node) => node.closest('#log > li');

// Of a message that stays that is itself; those after it go first, as they come first when reading on.
function nearest(item, wanted) {
  for (const step of ['nextElementSibling', 'previousElementSibling']) {
    for (let at = item; at; at = at[step]) if (wanted.has(at.dataset.id)) return at.dataset.id;
  }
  return null;
}

function letTab(item) {
  item.tabIndex = 0;
  for (const button of item.querySelectorAll('[tabindex="-1"]')) button.tabIndex = 0;
}

// Of reactions there are many: each is known by its emoji.
function sameButton(item, { action, emoji }) {
  return [...item.querySelectorAll('[data-action]')].find(({ dataset }) => dataset.action === action && dataset.emoji === emoji);
}
