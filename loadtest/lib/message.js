// What a message of a load test says: who sent it, which one of its sender's it is, when, and whether it is the last. All
// that a receiver needs to check it is in its text, since the virtual users of k6 share no memory.

const LAST = 'last';
const MORE = 'more';

/**
 * @typedef {object} Said
 * @property {string} sender unique in the room, without spaces
 * @property {number} number from 0, rising by one
 * @property {number} at when it was said first, milliseconds since 1970
 * @property {boolean} last whether the sender says nothing after it
 */

/** @param {Said} said @param {number} size characters to fill up to @param {string} filler one character */
export function compose({ sender, number, at, last }, size, filler = '.') {
  const head = `${sender} ${number} ${at} ${last ? LAST : MORE} `;
  return head + filler.repeat(Math.max(1, size - head.length));
}

/** @param {string} text @returns {Said | null} null for what no load test said */
export function parse(text) {
  const [sender, number, at, end] = text.split(' ', 4);
  if (end !== LAST && end !== MORE) return null;
  return { sender, number: Number(number), at: Number(at), last: end === LAST };
}
