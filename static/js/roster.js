/** Names listed at most; a larger crowd is a number. */
const SHOWN_MAX = 200;

const ROLES = [['admin', 'Admins'], ['member', 'Members'], ['guest', 'Guests']];

/** Who is in a room. */
export class Roster {
  #users = new Map();

  /** How often it changed: who draws it looks here first. */
  changes = 0;

  /** @returns {{id: string, name: string, role: string}[]} */
  get users() {
    return [...this.#users.values()];
  }

  /** @param {string} id @returns {{id: string, name: string, role: string} | undefined} */
  find(id) {
    return this.#users.get(id);
  }

  /** @param {object[]} users all of them */
  reset(users) {
    this.changes += 1;
    this.#users = new Map(users.map((user) => [user.id, user]));
  }

  /** @param {object[]} users */
  enter(users) {
    this.changes += 1;
    for (const user of users) this.#users.set(user.id, user);
  }

  /** @param {object[]} users */
  leave(users) {
    this.changes += 1;
    for (const { id } of users) this.#users.delete(id);
  }

  /**
   * @param {{guests: number, members: number, admins: number} | null} presence the counts, which hold
   *   for large rooms too
   * @returns {{role: string, title: string, count: number, users: object[]}[]} by rank, then by name
   */
  groups(presence) {
    let room = SHOWN_MAX;
    return ROLES.map(([role, title]) => {
      const users = this.users.filter((user) => user.role === role).sort((a, b) => a.name.localeCompare(b.name));
      const shown = users.slice(0, room);
      room -= shown.length;
      return { role, title, count: Math.max(users.length, presence?.[`${role}s`] ?? 0), users: shown };
    }).filter(({ count }) => count > 0);
  }
}

/**
 * @param {{guests: number, members: number, admins: number, stale?: boolean} | null} presence
 * @returns {string}
 */
export function headcount(presence) {
  if (!presence) return '';
  const { guests, members, admins, stale } = presence;
  const parts = [[guests, 'guest'], [members, 'member'], [admins, 'admin']].filter(([count]) => count > 0);
  const names = parts.map(([count, name]) => `${count} ${name}${count === 1 ? '' : 's'}`);
  return `${guests + members + admins} here${names.length ? ` (${names.join(', ')})` : ''}${stale ? ', may be out of date' : ''}`;
}
