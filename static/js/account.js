import { $, setText } from './dom.js';
import { Tabs } from './tabs.js';

/** What is written to the storage may reach a tab of another process later than what it is told, milliseconds. */
const SETTLE_MS = 300;
/** Where the name is kept that a new guest asks for. */
export const NAME_KEY = 'hubbub.name';

/**
 * Who one is: a guest by name, or somebody logged in. The session is a cookie the page never sees;
 * after each change the client connects anew to be whoever the cookie says, and the other tabs follow.
 */
export class Account {
  #client;
  #storage;
  #tabs;
  #wanted = null;
  #changed = false;
  #member = false;

  /**
   * @param {import('./client.js').HubbubClient} client
   * @param {import('./storage.js').SafeStorage} storage
   */
  constructor(client, storage) {
    this.#client = client;
    this.#storage = storage;
    this.#tabs = new Tabs((user) => this.#follow(user));
    const dialog = $('login');
    $('account').addEventListener('click', () => (this.#isGuest() ? this.#open(dialog) : this.#logout()));
    dialog.querySelector('form').addEventListener('submit', (event) => this.#submit(event, dialog));
    $('guest').addEventListener('submit', (event) => {
      event.preventDefault();
      $('text').focus();
    });
    $('name').addEventListener('change', () => this.#rename($('name').value.trim()));
    client.on('welcome', ({ user }) => this.#welcome(user));
    client.on('state', ({ status, reason, message }) => {
      if (status === 'stopped' && reason === 'invalid_argument') this.#refused(message);
      this.#offer();
    });
  }

  #offer() {
    setText($('account'), this.#isGuest() ? 'Log in' : 'Log out');
  }

  // Whose session has ended is nobody any more.
  #isGuest() {
    const { user, state } = this.#client;
    return (user?.role ?? 'guest') === 'guest' || state.reason === 'unauthorized';
  }

  #open(dialog) {
    $('login-problem').textContent = '';
    dialog.showModal();
  }

  #welcome(user) {
    this.#show(user);
    const name = this.#wanted;
    this.#wanted = null;
    if (name !== null) this.#storage.set(NAME_KEY, name);
    // A resumed guest keeps the name in its token; where the server does not take the new one, a new
    // guest gets it.
    if (name && user.role === 'guest' && !user.name.startsWith(name.normalize('NFKC'))) {
      this.#client.forget();
      return this.#client.connect({ name });
    }
    const guest = user.role === 'guest';
    // As when the session ran out while there was no network: nobody is to speak under another name unawares.
    if (this.#member && guest && !this.#changed) setText($('problem'), `Your session has ended. You are now ${user.name}.`);
    this.#member = !guest;
    if (this.#changed) setTimeout(() => this.#tabs.tell(user), SETTLE_MS);
    this.#changed = false;
  }

  #show({ name, role }) {
    const guest = role === 'guest';
    this.#offer();
    // A reconnect must not take from under the fingers what somebody is typing.
    if (document.activeElement !== $('name')) $('name').value = name;
    $('name').readOnly = !guest;
    $('role').textContent = $('role').dataset.role = role;
    $('admin').hidden = role !== 'admin';
  }

  #rename(name) {
    this.#wanted = name;
    this.#changed = true;
    this.#client.connect({ name });
  }

  // A name that the server does not take: on with the one before, or with none where it is that one.
  #refused(message) {
    setText($('problem'), message);
    if (this.#wanted === null) {
      if (!this.#storage.get(NAME_KEY)) return; // it is not the name
      this.#storage.remove(NAME_KEY);
    }
    this.#wanted = null;
    this.#client.connect({ name: this.#storage.get(NAME_KEY) });
  }

  // Another tab has become somebody: this one too. The token or cookie is there already.
  #follow({ id, name }) {
    const { user, state } = this.#client;
    if (state.status === 'online' && user?.id === id && user.name === name) return;
    this.#member = false; // the person knows
    this.#client.connect({ name: this.#storage.get(NAME_KEY) });
  }

  async #submit(event, dialog) {
    event.preventDefault();
    const action = event.submitter?.value ?? 'login';
    if (action === 'cancel') return dialog.close();
    const { username, password } = Object.fromEntries(new FormData(event.target));
    const problem = await post(`api/${action}`, { username, password });
    $('login-problem').textContent = problem ?? '';
    if (problem !== null) return;
    event.target.reset();
    setText($('problem'), '');
    dialog.close();
    this.#reconnect();
  }

  async #logout() {
    const problem = await post('api/logout', {});
    $('problem').textContent = problem ?? '';
    if (problem === null) this.#reconnect();
  }

  // Without the guest's resume token, which would go before the cookie (PROTOCOL.md section 1).
  #reconnect() {
    this.#changed = true;
    this.#client.forget();
    this.#client.close();
    this.#client.connect();
  }
}

// Resolves to null, or to what went wrong.
async function post(path, body) {
  try {
    const response = await fetch(path, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
    return response.ok ? null : (await response.json()).error.message;
  } catch {
    return 'The server cannot be reached.';
  }
}
