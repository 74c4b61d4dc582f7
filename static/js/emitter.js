/** Named events with plain functions as listeners. */
export class Emitter {
  #listeners = new Map();

  /**
   * Calls `listener` on every event called `name`.
   * @param {string} name
   * @param {(detail: any) => void} listener
   * @returns {() => void} ends the subscription
   */
  on(name, listener) {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /**
   * Tells every listener of `name`. One that throws neither keeps the others from hearing nor
   * disturbs the caller: its error surfaces as an uncaught one, where developers look for it.
   * @param {string} name
   * @param {any} detail
   */
  emit(name, detail) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(detail);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
