import { fold, isWord } from './mentions.js';

/** Names offered at once. */
const OFFERED = 8;
/** A longer one than any name is none (PROTOCOL.md section 1). */
const NAME_MAX = 32;

/**
 * The name somebody is writing: what stands between an `@` and the caret.
 * @param {string} text
 * @param {number} caret
 * @returns {{from: number, begun: string} | null} where the `@` is, and what was written of the name
 */
export function nameAt(text, caret) {
  const from = text.slice(0, caret).lastIndexOf('@');
  if (from < 0 || caret - from > NAME_MAX + 1) return null;
  const before = text[from - 1];
  const begun = text.slice(from + 1, caret);
  if (isWord(before) || begun.includes('\n') || begun.startsWith(' ')) return null;
  return { from, begun };
}

/**
 * Who may be meant: who is called just so comes first, then names that begin so, then those with a later word that does.
 * @template {{id: string, name: string}} User
 * @param {User[]} users likeliest first; one may be there twice
 * @param {string} begun
 * @returns {User[]}
 */
export function namesLike(users, begun) {
  const wanted = fold(begun);
  const known = new Set();
  const once = users.filter(({ id }) => !known.has(id) && known.add(id));
  const at = once.map((user) => ({ user, place: ` ${fold(user.name)}`.indexOf(` ${wanted}`) }));
  const whole = ({ user }) => fold(user.name) === wanted;
  const starts = at.filter(({ place }) => place === 0);
  const contains = at.filter(({ place }) => place > 0);
  return [...starts.filter(whole), ...starts.filter((each) => !whole(each)), ...contains].slice(0, OFFERED).map(({ user }) => user);
}
