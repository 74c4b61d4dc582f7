/**
 * @typedef {object} Piece a stretch of a message's text, to be shown in one way
 * @property {'text' | 'code' | 'block' | 'link' | 'mention'} kind
 * @property {string} text as shown
 * @property {string} [href] of a link; `http:` or `https:` only
 */

/** Lines, and characters, above which a message is folded. */
const FOLD_LINES = 18;
const FOLD_CHARS = 1_500;

/** Code between lines of three back ticks; a line break on either side belongs to the fence. */
const BLOCK = /(?:^|\n|(?<=```\n))```[^\n`]*\n([\s\S]*?)\n?```(?:\n|$)|```([^`\n]+)```/;
const CODE = /`([^`\n]+)`/;
/** Up to what cannot end an address in a sentence; brackets are looked at after. */
const LINK = /\bhttps?:\/\/[^\s<>"'`]*[^\s<>"'`.,;:!?…。、]/i;
const MENTION = /(?<![\p{L}\p{N}_@./-])@[\p{L}\p{N}][\p{L}\p{N}._-]*(?<![._-])/u;

/**
 * Takes a message's text apart. Nothing is lost but the marks of code, and nothing is ever markup:
 * each piece is shown as plain text in its element.
 * @param {string} text
 * @returns {Piece[]}
 */
export function format(text) {
  return split(text, BLOCK, ([, fenced, inline]) => ({ kind: 'block', text: fenced ?? inline }), (rest) =>
    split(rest, CODE, ([, code]) => ({ kind: 'code', text: code }), (plain) =>
      split(plain, LINK, link, (words) =>
        split(words, MENTION, ([name]) => ({ kind: 'mention', text: name }), (said) => [{ kind: 'text', text: said }]))));
}

/** Whether a text is so long that only its beginning is shown at first. @param {string} text @returns {boolean} */
export function isLong(text) {
  if (text.length > FOLD_CHARS) return true;
  let lines = 1;
  for (const character of text) if (character === '\n') lines += 1;
  return lines > FOLD_LINES;
}

// What matches becomes one piece; what lies between is for the next rule. `make` may take less than
// was matched (its text is then the beginning), or null to leave it alone.
function split(text, rule, make, between) {
  const pieces = [];
  const every = new RegExp(rule, `${rule.flags}g`);
  let from = 0;
  for (let match = every.exec(text); match; match = every.exec(text)) {
    const { used = match[0].length, ...piece } = make(match) ?? {};
    if (!piece.kind) continue;
    if (match.index > from) pieces.push(...between(text.slice(from, match.index)));
    pieces.push(piece);
    from = every.lastIndex = match.index + used;
  }
  if (from < text.length) pieces.push(...between(text.slice(from)));
  return pieces;
}

function link([address]) {
  let text = address;
  // "(see https://a.example/b)": the bracket that was opened before is not part of it.
  for (const [open, close] of ['()', '[]', '{}']) {
    for (let excess = count(text, close) - count(text, open); excess > 0 && text.endsWith(close); excess -= 1) text = text.slice(0, -1);
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  const safe = url && (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== '';
  return safe ? { kind: 'link', text, href: url.href, used: text.length } : null;
}

const count = (text, character) => text.split(character).length - 1;
