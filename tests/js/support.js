// What the tests stand on: time, storage and a server that do what they are told.

/** Time that passes only when told to. */
export class FakeTimers {
  #now = 1_700_000_000_000;
  #due = new Map();
  #last = 0;
  #set = 0;
  set = (then, ms) => {
    this.#due.set(++this.#last, { at: this.#now + ms, then });
    return this.#last;
  };
  clear = (timer) => void this.#due.delete(timer);
  now = () => this.#now + this.#set;

  /** Somebody sets the clock: what is due is due as before. */
  setClock(ms) {
    this.#set += ms;
  }

  /** Runs everything that falls due within `ms`, in order. */
  pass(ms) {
    const end = this.#now + ms;
    for (;;) {
      const [id, next] = [...this.#due].filter(([, { at }]) => at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0] ?? [];
      if (!next) break;
      this.#now = Math.max(this.#now, next.at);
      this.#due.delete(id);
      next.then();
    }
    this.#now = end;
  }
}

/** Web Storage in memory. */
export class MemoryStorage {
  #items = new Map();
  get length() { return this.#items.size; }
  key(at) { return [...this.#items.keys()][at] ?? null; }
  getItem(key) { return this.#items.get(key) ?? null; }
  setItem(key, value) { this.#items.set(key, String(value)); }
  removeItem(key) { this.#items.delete(key); }
}

/** A WebSocket class whose sockets are the test's to play the server on. */
export function fakeWebSocket() {
  return class FakeWebSocket {
    static all = [];
    static get last() { return this.all.at(-1); }
    sent = [];
    closed = null;
    constructor(url, protocols) {
      if (protocols.some((each) => /[^\w!#$%&'*+.^`|~-]/.test(each))) throw new SyntaxError('no subprotocol');
      Object.assign(this, { url, protocols });
      FakeWebSocket.all.push(this);
    }
    send(text) { this.sent.push(JSON.parse(text)); }
    close(code) { this.closed = code ?? 'none'; }

    /** The server says something. */
    say(event) { this.onmessage?.({ data: JSON.stringify(event) }); }
    /** The server, or the network, ends it. */
    end(code) { this.onclose?.({ code }); }
    /** Commands of one type, as received. */
    got(type) { return this.sent.filter((command) => command.type === type); }
  };
}

export const ana = { id: 'g:ana', name: 'Ana', role: 'guest' };
export const ben = { id: 'g:ben', name: 'Ben', role: 'guest' };

export const welcome = (more) => ({
  type: 'welcome', protocol: 1, session: 's', resumeToken: 'resume.1', user: ana, instance: 'a', mode: 'standalone',
  heartbeatMs: 25_000, limits: { idempotencyMs: 600_000 }, ...more,
});

export const joined = (more) => ({
  type: 'joined', room: 'tea', epoch: 'e1', seq: 0, recovered: false, more: false, entries: [],
  presence: { guests: 1, members: 0, admins: 0 }, ...more,
});

export const message = (seq, more) => ({
  type: 'message', room: 'tea', seq, ts: seq * 1000, id: `m${seq}`, from: ben, text: `text ${seq}`, ...more,
});

/** Lets promises that are ready run. */
export const settled = () => new Promise((done) => setImmediate(done));
