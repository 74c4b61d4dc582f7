import { $, setText } from '../dom.js';
import { SafeStorage, pageStorage } from '../storage.js';
import { Tabs } from '../tabs.js';
import { call, get } from './api.js';

/** Where the chat keeps a guest's resume token (connection.js), which would win over the cookie. */
const TOKEN_KEY = 'hubbub.token';

/** Who looks at the page. Only admins get in; the routes hold the right themselves, so this only says so. */
export class Gate {
  #opened;
  #closed;
  #done;
  #storage = new SafeStorage(pageStorage());
  #tabs = new Tabs(() => this.check());
  #user = null;
  #asked = false;

  /**
   * @param {() => void} opened an admin is there
   * @param {() => void} closed nobody is, or somebody else
   * @param {(sentence: string, bad?: boolean) => void} done says what came of it to an admin
   */
  constructor(opened, closed, done) {
    this.#opened = opened;
    this.#closed = closed;
    this.#done = done;
    $('login').addEventListener('submit', (event) => this.#login(event));
    $('logout').addEventListener('click', () => this.#logout());
  }

  /** @returns {{id: string, name: string, role: string} | null} who it is */
  get user() {
    return this.#user;
  }

  /** Asks who it is. @returns {Promise<void>} rejects when the server does not say */
  async check() {
    try {
      this.#show((await get('api/me')).user);
    } catch (error) {
      if (error.code !== 'unauthorized' && error.code !== 'forbidden') throw error;
      this.#show(null, error.code === 'forbidden' ? error.message : '');
    }
  }

  /** @returns {boolean} whether the server has said who it is */
  get asked() {
    return this.#asked;
  }

  #show(user, why = '') {
    this.#user = user;
    this.#asked = true;
    const admin = user?.role === 'admin';
    $('gate').hidden = admin;
    $('board').hidden = !admin;
    $('logout').hidden = $('who').hidden = !user;
    if (user) {
      const [name, role] = $('who').children;
      name.textContent = user.name;
      role.textContent = role.dataset.role = user.role;
    }
    const as = user ? `You are logged in as ${user.name}, who is no administrator.` : 'Log in as an administrator to go on.';
    setText($('gate-text'), `This page shows and does what only administrators may. ${why || as}`);
    if (admin) this.#opened();
    else this.#closed();
  }

  async #login(event) {
    event.preventDefault();
    const { username, password } = Object.fromEntries(new FormData(event.target));
    await this.#change(async () => {
      const { user } = await call('POST', 'api/login', { username, password });
      $('password').value = '';
      this.#storage.remove(TOKEN_KEY);
      return user;
    });
    if (this.#user?.role === 'admin') $('instances-title').focus();
  }

  async #logout() {
    await this.#change(async () => {
      await call('POST', 'api/logout', {});
      return null;
    });
    if (!this.#user) $('username').focus();
  }

  async #change(act) {
    try {
      const user = await act();
      setText($('login-problem'), '');
      this.#show(user);
      this.#tabs.tell(user ?? { id: '', name: '' });
    } catch ({ message }) {
      // To an admin the gate is hidden, and who logs in is none yet.
      if (this.#user?.role === 'admin') this.#done(`You were not logged out: ${message}`, true);
      else setText($('login-problem'), message);
    }
  }
}
