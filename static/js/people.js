import { $, element, face, setText } from './dom.js';
import { Roster, headcount } from './roster.js';

/** The people in the room in view, by rank. */
export class People {
  #roster = new Roster();
  #shown = '';

  /** @returns {{id: string, name: string, role: string}[]} */
  get users() {
    return this.#roster.users;
  }

  /** @param {{users: object[]}} who */
  reset({ users }) {
    this.#roster.reset(users);
  }

  /** @param {object[]} users */
  enter(users) {
    this.#roster.enter(users);
  }

  /** Somebody said something: who has taken another name meanwhile is told by no other event. @param {object} user */
  heard(user) {
    const known = this.#roster.find(user.id);
    if (known && known.name !== user.name) this.#roster.enter([user]);
  }

  /** @param {object[]} users */
  leave(users) {
    this.#roster.leave(users);
  }

  /**
   * @param {{guests: number, members: number, admins: number, stale?: boolean} | null} presence
   * @param {string | undefined} myId
   */
  show(presence, myId) {
    setText($('count'), headcount(presence));
    const now = JSON.stringify([this.#roster.changes, presence, myId]);
    if (now === this.#shown) return;
    this.#shown = now;
    const groups = this.#roster.groups(presence);
    $('people').replaceChildren(...groups.map((group) => section(group, myId)));
  }
}

function section({ role, title, count, users }, myId) {
  const heading = element('h2', { id: `people-${role}` }, `${title} · ${count}`);
  const list = element('ul', { role: 'list' }, ...users.map((user) =>
    element('li', { data: { user: user.id } }, face(user), element('bdi', {}, user.name),
      user.id === myId ? element('span', { className: 'faint' }, '(you)') : null)));
  const rest = count - users.length;
  const shown = element('section', { className: 'group' }, heading, list, rest > 0 ? element('p', { className: 'faint' }, `and ${rest} more`) : null);
  list.setAttribute('aria-labelledby', heading.id);
  return shown;
}
