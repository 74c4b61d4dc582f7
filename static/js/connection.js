import { Backoff } from './backoff.js';
import { FINAL_CLOSES } from './errors.js';
import { Link } from './link.js';
import { askRefusal } from './refusal.js';

/** Where a guest's resume token is kept. */
const TOKEN_KEY = 'hubbub.token';
/** A connection that lived this long ends the streak of failures, milliseconds. */
const HELD_MS = 10_000;

/**
 * @typedef {object} Timers
 * @property {(then: () => void, ms: number) => any} set
 * @property {(timer: any) => void} clear
 * @property {() => number} now milliseconds since 1970
 *
 * @typedef {object} State
 * @property {'idle' | 'connecting' | 'online' | 'waiting' | 'stopped'} status
 *   `waiting`: will try again at `retryAt`; `stopped`: will not, until `connect` is called
 * @property {'standalone' | 'distributed' | 'degraded'} [mode] while online
 * @property {{id: string, name: string, role: string}} [user] while online
 * @property {string} [instance] while online
 * @property {number} [retryAt] milliseconds since 1970
 * @property {string} [reason] a code: why it waits or has stopped
 * @property {string} [message] the same for a person, when the server gave one
 */

/**
 * A connection that comes back by itself, as section 3 of PROTOCOL.md asks: which closes to
 * reconnect on, how long to wait, whom to connect as, and why the server refuses.
 */
export class Connection {
  #url;
  #options;
  #backoff;
  #link = null;
  #timer = null;
  #attempt = 0;
  #offered = null;
  #drainMs = null;
  #heldSince = null;

  /** @type {State} */
  state = { status: 'idle' };
  /** JWT to connect with, or a function that gets one. @type {string | (() => string | Promise<string>) | null} */
  token;
  /** Display name a new guest asks for. @type {string | null} */
  name;

  /**
   * @param {string} url of `/chat`, `ws:` or `wss:`
   * @param {object} options
   * @param {typeof WebSocket} options.WebSocket
   * @param {typeof fetch} options.fetch
   * @param {import('./storage.js').SafeStorage} options.storage
   * @param {() => number} options.random
   * @param {Timers} options.timers
   * @param {(state: State) => void} options.onState
   * @param {(event: object) => void} options.onEvent every event, `welcome` first
   * @param {() => void} options.onDown an open connection ended
   */
  constructor(url, options) {
    this.#url = url;
    this.#options = options;
    this.#backoff = new Backoff({ random: options.random });
  }

  /** Connects, at once if it was waiting; nothing to do when connecting or online. */
  open() {
    if (this.state.status === 'connecting' || this.state.status === 'online') return;
    this.#open();
  }

  /** Ends the connection with 1000 and stays away. */
  close() {
    this.#attempt += 1; // whatever is still under way is no longer wanted
    this.#options.timers.clear(this.#timer);
    const wasOpen = this.#link !== null;
    this.#link?.end();
    this.#link = null;
    if (wasOpen) this.#options.onDown();
    this.#become({ status: 'idle' });
  }

  /** Sends while online. @param {object} command */
  send(command) {
    this.#link?.send(command);
  }

  /** Forgets the guest's resume token: the next connection is somebody else's. */
  forget() {
    this.#options.storage.remove(TOKEN_KEY);
  }

  async #open() {
    const attempt = ++this.#attempt;
    const { timers, storage, WebSocket } = this.#options;
    timers.clear(this.#timer);
    this.#drainMs = null;
    this.#heldSince = null;
    this.#become({ status: 'connecting' });
    try {
      const jwt = typeof this.token === 'function' ? await this.token() : this.token;
      if (attempt !== this.#attempt) return;
      this.#offered = jwt ?? storage.get(TOKEN_KEY);
      this.#link = new Link({
        url: this.#target(),
        protocols: ['hubbub.v1', ...(this.#offered ? [`hubbub.token.${this.#offered}`] : [])],
        WebSocket,
        timers,
        onEvent: (event) => this.#receive(event),
        onEnd: (code) => this.#ended(code),
      });
    } catch {
      // The token's source failed, or what it gave cannot be a subprotocol. One that was kept never will be.
      if (attempt !== this.#attempt) return;
      if (!this.token) this.forget();
      this.#retry(this.#backoff.next(), 'unauthorized');
    }
  }

  // No room in the URL: rooms are joined with their positions, by command.
  #target() {
    const url = new URL(this.#url);
    url.searchParams.set('room', '');
    if (this.name) url.searchParams.set('name', this.name);
    return url.href;
  }

  #receive(event) {
    if (event.type === 'welcome') this.#welcome(event);
    if (event.type === 'notice') this.#notice(event);
    this.#options.onEvent(event);
  }

  #welcome({ heartbeatMs, resumeToken, user, mode, instance }) {
    this.#heldSince = this.#options.timers.now();
    this.#link.watch(heartbeatMs);
    if (resumeToken) this.#options.storage.set(TOKEN_KEY, resumeToken);
    this.#become({ status: 'online', user, mode, instance });
  }

  #notice({ kind, reconnectInMs }) {
    if (kind === 'draining') this.#drainMs = reconnectInMs;
    if (kind === 'degraded') this.#become({ ...this.state, mode: 'degraded' });
    if (kind === 'restored') this.#become({ ...this.state, mode: 'distributed' });
  }

  #ended(code) {
    const { timers, onDown } = this.#options;
    const welcomed = this.#heldSince !== null;
    if (welcomed && timers.now() - this.#heldSince >= HELD_MS) this.#backoff.reset();
    this.#link = null;
    if (welcomed) onDown();
    if (code === 4401) this.#renew('The session has ended.');
    else if (FINAL_CLOSES.has(code)) this.#become({ status: 'stopped', reason: FINAL_CLOSES.get(code) });
    else if (!welcomed) this.#explain();
    else if (this.#drainMs !== null) this.#retry(this.#drainMs, 'draining');
    else this.#retry(this.#backoff.next(), 'disconnected');
  }

  async #explain() {
    const attempt = this.#attempt;
    const refusal = await askRefusal(this.#options.fetch, this.#target(), this.#offered);
    if (attempt !== this.#attempt) return;
    if (refusal?.status === 401) this.#refusedToken(refusal.message);
    // No use asking the same again: the name cannot be one, or the person may not come.
    else if (refusal?.status === 400 || refusal?.status === 403) this.#become({ status: 'stopped', reason: refusal.code, message: refusal.message });
    else this.#retry(Math.max(this.#backoff.next(), refusal?.retryAfterMs ?? 0), refusal?.code ?? 'unreachable', refusal?.message);
  }

  // A resume token only says who the guest was: when it has run out, one comes back as a new guest.
  #refusedToken(message) {
    if (!this.token && this.#offered) {
      // Another tab may have got a new one meanwhile.
      if (this.#options.storage.get(TOKEN_KEY) === this.#offered) this.forget();
      this.#open();
    } else this.#renew(message);
  }

  // Never again with the token that was refused (PROTOCOL.md section 3, close code 4401).
  async #renew(message) {
    const attempt = this.#attempt;
    const stopped = { status: 'stopped', reason: 'unauthorized', message };
    this.#become(stopped);
    if (typeof this.token !== 'function') return;
    const fresh = await Promise.resolve().then(this.token).catch(() => null);
    if (attempt === this.#attempt && fresh && fresh !== this.#offered) this.#retry(this.#backoff.next(), 'unauthorized');
  }

  #retry(ms, reason, message) {
    const { timers } = this.#options;
    this.#become({ status: 'waiting', retryAt: timers.now() + ms, reason, message });
    this.#timer = timers.set(() => this.#open(), ms);
  }

  #become(state) {
    this.state = state;
    this.#options.onState(state);
  }
}
