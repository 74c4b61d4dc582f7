import { $, setText } from './dom.js';
import { describe } from './words.js';

/** The state of the connection, true at every moment. */
export class Status {
  #client;
  #draining = false;
  #room;

  /** @param {import('./client.js').HubbubClient} client */
  constructor(client) {
    this.#client = client;
    $('retry').addEventListener('click', () => client.connect());
    client.on('notice', ({ kind }) => kind === 'draining' && (this.#draining = true));
    client.on('state', ({ status }) => status !== 'online' && (this.#draining = false));
    // No use waiting once the network is back, or once somebody looks again.
    addEventListener('online', () => this.#wake());
    addEventListener('offline', () => this.show(this.#room));
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.#wake());
    setInterval(() => this.#countDown(), 1_000);
  }

  /** @param {import('./room.js').Room | undefined} room in view */
  show(room) {
    this.#room = room;
    const { status, short, more, button } = describe(this.#client.state, { room, draining: this.#draining, offline: !navigator.onLine });
    $('state').dataset.status = $('banner').dataset.status = status;
    setText($('state'), short);
    // Its height stays while an attempt is under way: the page would jump with each.
    const attempt = status === 'connecting' && !$('banner').hidden;
    const focused = $('retry').matches(':focus-visible'); // who tapped is not to get a keyboard on the screen
    if (!attempt) $('banner').hidden = more === '';
    if (status === 'connecting') setText($('state-more'), 'Connecting…');
    else setText($('state-more'), more);
    $('retry').hidden = button === null && !(attempt && focused);
    if (button) setText($('retry'), button);
    if (focused && ($('banner').hidden || $('retry').hidden)) $('text').focus();
    this.#countDown();
  }

  // Not part of the announced text: nobody wants to hear every second.
  #countDown() {
    const { status, retryAt } = this.#client.state;
    setText($('retry-in'), status === 'waiting' ? `Next try in ${Math.max(0, Math.ceil((retryAt - Date.now()) / 1_000))} s` : '');
  }

  #wake() {
    this.show(this.#room);
    if (this.#client.state.status === 'waiting') this.#client.connect();
  }
}
