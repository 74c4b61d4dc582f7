/** Which page of a list one is on, where each page only names the next. */
export class Pages {
  #cursors = [''];

  /** @returns {string} what the server is asked with; empty for the first page */
  get cursor() {
    return this.#cursors.at(-1);
  }

  /** @returns {number} from 1 on */
  get number() {
    return this.#cursors.length;
  }

  /** @param {string} cursor of the next page */
  next(cursor) {
    this.#cursors.push(cursor);
  }

  before() {
    if (this.#cursors.length > 1) this.#cursors.pop();
  }

  first() {
    this.#cursors = [''];
  }
}
