import { directory } from './directory.js';
import { $, element } from './dom.js';
import { asBadge } from './unread.js';

/** Rooms asked for; those typed in are found by name whatever the number. */
const ASKED = 200;
/** How long a list of rooms is good for, milliseconds. */
const FRESH_MS = 15_000;

/** The rooms one is in with what is unread there, and those one may look into. */
export class RoomList {
  #shown = '';
  #known = [];
  #offered = '';
  #askedAt = -Infinity;

  constructor() {
    $('room').addEventListener('focus', () => this.refresh());
    $('room').addEventListener('input', () => this.#more());
  }

  /**
   * @param {{name: string, count: number, mentions: number}[]} rooms
   * @param {string} current
   */
  show(rooms, current) {
    const now = JSON.stringify([rooms, current]);
    if (now === this.#shown) return;
    this.#shown = now;
    arrange($('rooms'), rooms, (link, room) => fill(link, room, room.name === current));
    const elsewhere = rooms.filter(({ name }) => name !== current).reduce((sum, { count }) => sum + count, 0);
    $('elsewhere').hidden = elsewhere === 0;
    $('elsewhere').textContent = asBadge(elsewhere);
    $('show-rooms').ariaLabel = elsewhere ? `Rooms, ${elsewhere} unread` : 'Rooms';
    this.#more();
  }

  /** Asks for the rooms there are, unless it just did. */
  async refresh() {
    if (performance.now() - this.#askedAt < FRESH_MS) return;
    this.#askedAt = performance.now();
    try {
      const { rooms } = await (await fetch(`api/rooms?limit=${ASKED}`)).json();
      this.#known = rooms ?? [];
      this.#more();
    } catch {
      // Only an offer: any name can be typed.
    }
  }

  #more() {
    const joined = [...$('rooms').querySelectorAll('a')].map(({ dataset }) => dataset.room);
    const rooms = directory(this.#known, joined, $('room').value).map(({ room, members }) => ({ name: room, members }));
    const now = JSON.stringify(rooms);
    if (now === this.#offered) return;
    this.#offered = now;
    $('more').hidden = rooms.length === 0;
    arrange($('known'), rooms, (link, { name, members }) => link.replaceChildren(element('span', {}, `# ${name}`),
      ...(members > 0 ? [element('small', { title: `${members} here` }, `${members} here`)] : [])));
  }
}

// The links stay the same elements: one that has the focus, or is just pressed, must not be lost to a number.
function arrange(list, rooms, show) {
  const { activeElement } = document;
  const old = new Map([...list.children].map((item) => [item.firstElementChild.dataset.room, item]));
  const items = rooms.map((room) => {
    const item = old.get(room.name) ?? element('li', {}, element('a', { href: `#${room.name}`, data: { room: room.name } }));
    old.delete(room.name);
    show(item.firstElementChild, room);
    return item;
  });
  old.forEach((item) => item.remove());
  items.forEach((item, at) => list.children[at] !== item && list.insertBefore(item, list.children[at] ?? null));
  if (document.activeElement !== activeElement && list.contains(activeElement)) activeElement.focus(); // it was moved
}

function fill(link, { name, count, mentions }, current) {
  const badge = (number, className, label) => (number ? element('b', { className, ariaLabel: `${number} ${label}` }, asBadge(number)) : null);
  link.replaceChildren(...[element('span', {}, `# ${name}`), badge(mentions, 'badge called', 'mentions'),
    badge(count, 'badge unread', 'unread')].filter(Boolean));
  link.classList.toggle('has-unread', count > 0);
  if (current) link.ariaCurrent = 'page';
  else link.removeAttribute('aria-current');
}
