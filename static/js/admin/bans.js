import { $, element, setText } from '../dom.js';
import { call, get } from './api.js';
import { Rows } from './rows.js';
import { duration } from './units.js';

/** Rows at most; who else is refused is so for less long. */
const LIMIT = 200;

/** Who is refused, and for how long still. */
export class Bans {
  #rows = new Rows($('bans-list'), (ban) => this.#row(ban), $('bans-title'));
  #done;

  /** @param {(sentence: string, bad?: boolean) => void} done says what came of it */
  constructor(done) {
    this.#done = done;
  }

  /** Asks and shows. */
  async look() {
    try {
      this.#show(await get('api/bans', { limit: LIMIT }));
    } catch (error) {
      setText($('bans-problem'), error.message);
      throw error;
    }
  }

  /** Shows nothing more. */
  clear() {
    for (const id of ['bans-sum', 'bans-problem']) setText($(id), '');
    this.#rows.show([]);
  }

  #show({ bans, more }) {
    setText($('bans-problem'), '');
    setText($('bans-sum'), bans.length === 0 ? 'None' : `${bans.length}${more ? '+' : ''}`);
    this.#rows.show(bans.map((ban) => [ban.userId, ban]));
  }

  #row({ userId }) {
    const left = element('td', { role: 'cell', data: { label: 'For' } });
    const lift = element('button', { type: 'button', className: 'quiet', ariaLabel: `Lift the ban of ${userId}` }, 'Lift');
    lift.addEventListener('click', () => this.#lift(userId));
    const node = element('tr', { role: 'row', data: { user: userId } },
      element('td', { role: 'cell', data: { label: 'User' } }, userId), left, element('td', { role: 'cell', data: { label: 'Actions' } }, lift));
    return { node, show: ({ until }) => setText(left, duration(Math.max(0, until - Date.now()))) };
  }

  async #lift(userId) {
    try {
      await call('DELETE', `api/users/${encodeURIComponent(userId)}/ban`);
      this.#done(`${userId} may come back.`);
    } catch ({ message }) {
      this.#done(`${userId} is still banned: ${message}`, true);
    }
  }
}
