import { $, element, hue, roleBadge } from './dom.js';

/** Names listed at most; a larger crowd is a number. */
const SHOWN_MAX = 200;

/** The rooms one is in, with what is unread. */
export class RoomList {
  #unread = new Map();

  /** Counts a message in a room not in view. @param {string} room */
  add(room) {
    this.#unread.set(room, (this.#unread.get(room) ?? 0) + 1);
  }

  /**
   * @param {string[]} rooms
   * @param {string} current
   */
  show(rooms, current) {
    this.#unread.delete(current);
    $('rooms').replaceChildren(...rooms.map((room) => {
      const unread = this.#unread.get(room);
      const link = element('a', { href: `#${room}`, data: { room } }, element('span', {}, `# ${room}`),
        unread ? element('b', { className: 'unread', ariaLabel: `${unread} unread` }, String(unread)) : null);
      if (room === current) link.ariaCurrent = 'page';
      return element('li', {}, link);
    }));
  }
}

/** Who is in the room in view, and how many. */
export class People {
  #users = new Map();

  /** @param {{users: object[]}} who */
  reset({ users }) {
    this.#users = new Map(users.map((user) => [user.id, user]));
    this.#show();
  }

  /** @param {object[]} users */
  enter(users) {
    for (const user of users) this.#users.set(user.id, user);
    this.#show();
  }

  /** @param {object[]} users */
  leave(users) {
    for (const { id } of users) this.#users.delete(id);
    this.#show();
  }

  /** @param {{guests: number, members: number, admins: number, stale?: boolean} | null} presence */
  count(presence) {
    if (!presence) return void ($('count').textContent = '');
    const { guests, members, admins, stale } = presence;
    const parts = [[guests, 'guest'], [members, 'member'], [admins, 'admin']].filter(([count]) => count > 0);
    const names = parts.map(([count, name]) => `${count} ${name}${count === 1 ? '' : 's'}`);
    $('count').textContent = `${guests + members + admins} here${names.length ? ` (${names.join(', ')})` : ''}${stale ? ', may be out of date' : ''}`;
  }

  #show() {
    const users = [...this.#users.values()].sort((a, b) => a.name.localeCompare(b.name)).slice(0, SHOWN_MAX);
    $('people').replaceChildren(...users.map((user) =>
      element('li', { data: { user: user.id } }, element('b', { data: { hue: hue(user.id) } }, user.name), ' ', roleBadge(user))));
  }
}
