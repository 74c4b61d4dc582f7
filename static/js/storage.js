/**
 * The page's `localStorage`, or nothing where there is none or the browser denies it.
 * @returns {Storage | null}
 */
export function pageStorage() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}

/**
 * The same for this tab alone, until it is closed.
 * @returns {Storage | null}
 */
export function tabStorage() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}

/**
 * A storage that never throws. Storage is a convenience (a reload keeps the name and the outbox):
 * a full or forbidden one must not stop the chat. What it does not take is kept until the page is left.
 */
export class SafeStorage {
  #storage;
  #untaken = new Map();

  /** @param {Storage | null} storage anything with the Web Storage interface */
  constructor(storage) {
    this.#storage = storage;
  }

  /** @param {string} key @returns {string | null} */
  get(key) {
    return this.#untaken.get(key) ?? this.#try((storage) => storage.getItem(key));
  }

  /** @param {string} key @param {string} value */
  set(key, value) {
    this.#untaken.set(key, value);
    this.#try((storage) => {
      storage.setItem(key, value);
      this.#untaken.delete(key);
    });
  }

  /** @param {string} key */
  remove(key) {
    this.#untaken.delete(key);
    this.#try((storage) => storage.removeItem(key));
  }

  /**
   * @param {string} prefix
   * @returns {string[]} the keys that start with it
   */
  keys(prefix) {
    const all = this.#try((storage) => Array.from({ length: storage.length }, (_, at) => storage.key(at)));
    return [...new Set([...(all ?? []), ...this.#untaken.keys()])].filter((key) => key?.startsWith(prefix));
  }

  #try(use) {
    try {
      return this.#storage ? use(this.#storage) : null;
    } catch {
      return null;
    }
  }
}
