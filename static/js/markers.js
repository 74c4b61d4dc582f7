/**
 * How far somebody has read in each room. Kept in the page's storage for each user, so that guests,
 * for whom the server keeps nothing, find their place after a reload, and all tabs agree. A marker
 * counts in its epoch only (PROTOCOL.md section 3).
 */
export class Markers {
  #storage;
  #userId = null;

  /** @param {import('./storage.js').SafeStorage} storage */
  constructor(storage) {
    this.#storage = storage;
  }

  /** @param {string} userId whose markers these are from now on */
  open(userId) {
    this.#userId = userId;
  }

  /**
   * @param {import('./room.js').Room} room
   * @returns {number | undefined} `seq` of the last entry read: what the server knows or what is kept
   *   here, whichever is further
   */
  get(room) {
    const { position } = room.timeline;
    const kept = parse(this.#storage.get(this.#key(room.name)));
    const own = kept && kept.epoch === position?.epoch ? kept.seq : undefined;
    return own === undefined ? room.read : Math.max(own, room.read ?? 0);
  }

  /**
   * @param {import('./room.js').Room} room
   * @param {number} seq
   * @returns {boolean} whether that is further than before
   */
  set(room, seq) {
    const { position } = room.timeline;
    if (!position || this.#userId === null || seq <= (this.get(room) ?? -1)) return false;
    this.#storage.set(this.#key(room.name), JSON.stringify({ epoch: position.epoch, seq }));
    return true;
  }

  #key(room) {
    return `hubbub.read.${this.#userId}/${room}`;
  }
}

function parse(json) {
  try {
    const marker = JSON.parse(json);
    return Number.isInteger(marker?.seq) ? marker : null;
  } catch {
    return null;
  }
}
