/** Which page of a list one is on, where each page only names the next. */
export class Pages {
  #cursors = [''];
  #next = '';

  /** @returns {string} what the server is asked with; empty for the first page */
  get cursor() {
    return this.#cursors.at(-1);
  }

  /** @returns {number} from 1 on */
  get number() {
    return this.#cursors.length;
  }

  /** The page that was asked for is there. @param {string} cursor of the one after it; empty when it is the last */
  shown(cursor) {
    this.#next = cursor;
  }

  /** Goes on, once the page is there: before that nobody knows where the next one begins. */
  next() {
    if (this.#next) this.#cursors.push(this.#next);
    this.#next = '';
  }

  before() {
    if (this.#cursors.length > 1) this.#cursors.pop();
    this.#next = '';
  }

  first() {
    this.#cursors = [''];
    this.#next = '';
  }
}
