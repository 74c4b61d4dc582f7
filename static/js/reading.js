import { unread } from './unread.js';

/** The server passes `read` once per user and this long (PROTOCOL.md section 3), milliseconds. */
const TELL_MS = 2_000;

/** How far the person has read, and what is new since: on this page, in its other tabs, and for accounts on the server. */
export class Reading {
  #client;
  #markers;
  #timers;
  #due = new Map();
  #userId = null;
  #fresh = true; // the room in view is not known yet

  /** `seq` after which the room in view shows what is new; undefined: nothing was. @type {number | undefined} */
  divider;

  /**
   * @param {import('./client.js').HubbubClient} client
   * @param {import('./markers.js').Markers} markers
   * @param {import('./connection.js').Timers} timers
   */
  constructor(client, markers, timers) {
    this.#client = client;
    this.#markers = markers;
    this.#timers = timers;
    client.on('read', ({ room, user, seq }) => this.#elsewhere(room, user, seq));
  }

  /** @param {string} userId whose reading it is from now on */
  open(userId) {
    if (userId !== this.#userId) this.#fresh = true;
    this.#userId = userId;
    this.#markers.open(userId);
  }

  /** @param {import('./room.js').Room} room @returns {{count: number, mentions: number}} what is unread there */
  unread(room) {
    return unread(room.timeline.backward(), this.#markers.get(room), this.#client.user);
  }

  /** @param {{room: string, seq?: number}} message @returns {boolean} whether it was read, here or in another tab */
  has({ room: name, seq }) {
    const room = this.#client.room(name);
    return room !== undefined && this.#markers.get(room) >= seq;
  }

  /** A room comes into view. @param {import('./room.js').Room | undefined} room */
  enter(room) {
    this.#fresh = !room?.timeline.position;
    this.divider = this.#fresh ? undefined : this.#markers.get(room);
  }

  /**
   * A room was joined. One seen for the first time counts as read up to here.
   * @param {import('./room.js').Room | undefined} room
   * @param {boolean} inView
   */
  joined(room, inView) {
    const { position } = room?.timeline ?? {};
    if (!position) return;
    if (this.#markers.get(room) === undefined) this.#markers.set(room, position.seq);
    if (inView && this.#fresh) this.enter(room);
  }

  /** The person looks elsewhere: what comes now is new when they are back. @param {import('./room.js').Room | undefined} room */
  away(room) {
    if (room && this.unread(room).count === 0) this.divider = this.#markers.get(room);
  }

  /**
   * The person sees the end of a room.
   * @param {import('./room.js').Room} room
   * @returns {boolean} whether that is news
   */
  seen(room) {
    const { seq } = room.timeline.position ?? {};
    if (seq === undefined) return false;
    // Guests' markers are kept by the page alone.
    if (this.#client.user?.role !== 'guest' && seq > (room.read ?? -1)) this.#tell(room.name);
    return this.#markers.set(room, seq);
  }

  #tell(name) {
    if (this.#due.has(name)) return;
    this.#due.set(name, this.#timers.set(() => {
      this.#due.delete(name);
      const room = this.#client.room(name);
      const seq = room && this.#markers.get(room);
      if (seq !== undefined) this.#client.read(name, seq).then(() => (room.read = Math.max(seq, room.read ?? 0)), () => {});
    }, TELL_MS));
  }

  #elsewhere(name, user, seq) {
    const room = this.#client.room(name);
    if (room && user.id === this.#client.user?.id) this.#markers.set(room, seq);
  }
}
