/** How long a connection may take to say `welcome`, milliseconds. */
const OPENING_MS = 15_000;
/** Silence beyond the heartbeat before asking, and then until giving up (PROTOCOL.md section 1, life signs). */
const PATIENCE_MS = 5_000;

/**
 * One WebSocket, with JSON in and out and an eye on whether it is alive. Browsers hide the server's
 * pings from a page, so only the page's own `ping` command tells a quiet line from a dead one.
 */
export class Link {
  #socket;
  #timers;
  #timer = null;
  #heardAt = 0;
  #onEvent;
  #onEnd;

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {string[]} options.protocols
   * @param {typeof WebSocket} options.WebSocket
   * @param {import('./connection.js').Timers} options.timers
   * @param {(event: object) => void} options.onEvent every event of the server
   * @param {(code: number) => void} options.onEnd once, with the close code; 1006 for a lost line
   * @throws {SyntaxError} the URL or a protocol is not a valid one
   */
  constructor({ url, protocols, WebSocket, timers, onEvent, onEnd }) {
    this.#timers = timers;
    this.#onEvent = onEvent;
    this.#onEnd = onEnd;
    this.#socket = new WebSocket(url, protocols);
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onclose = ({ code }) => this.#finish(code);
    this.#socket.onerror = () => {}; // says nothing; its close event follows
    this.#wait(OPENING_MS, () => this.#abandon());
  }

  /** Starts to look for life signs. @param {number} heartbeatMs from `welcome` */
  watch(heartbeatMs) {
    const longest = heartbeatMs + PATIENCE_MS;
    this.#heardAt = this.#timers.now();
    // A timer for each of a thousand messages a second would be dear: one looks when the last of them was.
    const look = () => {
      const quiet = this.#timers.now() - this.#heardAt;
      // A clock that was set back says nothing: one asks.
      if (quiet >= 0 && quiet < longest) this.#wait(longest - quiet, look);
      else this.#ask(look);
    };
    this.#wait(longest, look);
  }

  /** @param {object} command */
  send(command) {
    this.#socket.send(JSON.stringify(command, wellFormed));
  }

  /** Ends it from this side, without `onEnd`. */
  end() {
    this.#detach();
    this.#socket.close(1000);
  }

  #receive(data) {
    this.#heardAt = this.#timers.now();
    const event = parse(data);
    if (event) this.#onEvent(event);
  }

  #ask(look) {
    this.#heardAt = -Infinity;
    this.send({ type: 'ping' });
    this.#wait(PATIENCE_MS, () => (this.#heardAt > -Infinity ? look() : this.#abandon()));
  }

  // The close handshake of a dead line takes minutes: nobody waits for it.
  #abandon() {
    const socket = this.#socket;
    this.#finish(1006);
    socket.close();
  }

  #finish(code) {
    this.#detach();
    this.#onEnd(code);
  }

  #detach() {
    this.#timers.clear(this.#timer);
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
  }

  #wait(ms, then) {
    this.#timers.clear(this.#timer);
    this.#timer = this.#timers.set(then, ms);
  }
}

// Half a character is no JSON to the server: it could not even say which command it refuses.
function wellFormed(_, value) {
  return typeof value === 'string' ? value.replace(/\p{Surrogate}/gu, '\uFFFD') : value;
}

function parse(data) {
  try {
    const event = JSON.parse(data);
    return typeof event?.type === 'string' ? event : null;
  } catch {
    return null;
  }
}
