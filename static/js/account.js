import { $ } from './dom.js';

/**
 * Logging in and out. The session is a cookie the page never sees; after each change the client
 * connects anew to be whoever the cookie says.
 */
export class Account {
  #client;

  /** @param {import('./client.js').HubbubClient} client */
  constructor(client) {
    this.#client = client;
    const dialog = $('login');
    $('account').addEventListener('click', () => (this.#isGuest() ? dialog.showModal() : this.#logout()));
    dialog.querySelector('form').addEventListener('submit', (event) => this.#submit(event, dialog));
    client.on('welcome', () => this.#show());
  }

  #isGuest() {
    return (this.#client.user?.role ?? 'guest') === 'guest';
  }

  #show() {
    const guest = this.#isGuest();
    $('account').textContent = guest ? 'Log in' : 'Log out';
    // A reconnect must not take from under the fingers what somebody is typing.
    if (document.activeElement !== $('name')) $('name').value = this.#client.user.name;
    $('name').readOnly = !guest;
    $('role').textContent = $('role').dataset.role = this.#client.user.role;
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
