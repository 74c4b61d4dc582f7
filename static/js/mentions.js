/**
 * Whether a text mentions somebody: `@` and the name, whatever its case, not within a longer word.
 * @param {string} text
 * @param {string | undefined} name a display name; it may contain spaces
 * @returns {boolean}
 */
export function mentions(text, name) {
  if (!name || !text.includes('@')) return false;
  const said = fold(text);
  const wanted = `@${fold(name)}`;
  for (let at = said.indexOf(wanted); at >= 0; at = said.indexOf(wanted, at + 1)) {
    if (!isWord(said[at - 1]) && !isWord(said[at + wanted.length])) return true;
  }
  return false;
}

/**
 * What a name being written may become: the word before the caret if it starts with `@`.
 * @param {string} text
 * @param {number} caret
 * @param {string[]} names
 * @param {number} [limit]
 * @returns {{from: number, names: string[]}} where the `@` is, and the names that fit
 */
export function complete(text, caret, names, limit = 6) {
  const [word] = /(?<![\p{L}\p{N}_@])@[^\s@]*$/u.exec(text.slice(0, caret)) ?? [];
  if (word === undefined) return { from: caret, names: [] };
  const wanted = fold(word.slice(1));
  const fitting = [...new Set(names)].filter((name) => fold(name).startsWith(wanted)).sort((a, b) => a.localeCompare(b));
  return { from: caret - word.length, names: fitting.slice(0, limit) };
}

const fold = (text) => text.normalize('NFKC').toLowerCase();
const isWord = (character) => character !== undefined && /[\p{L}\p{N}_]/u.test(character);
