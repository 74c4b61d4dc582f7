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
    const end = at + wanted.length;
    const longer = isWord(said[end]) || ('-.'.includes(said[end] ?? ' ') && isWord(said[end + 1]));
    if (!isWord(said[at - 1]) && !longer) return true;
  }
  return false;
}

/** @param {string} text @returns {string} the same for texts that differ in case or width only */
export const fold = (text) => text.normalize('NFKC').toLowerCase();
/** @param {string | undefined} character @returns {boolean} whether it is part of a word */
export const isWord = (character) => character !== undefined && /[\p{L}\p{N}_]/u.test(character);
