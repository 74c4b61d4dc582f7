/** Reactions offered, with the names they are found by. @type {[string, string][]} */
export const EMOJIS = [
  ['👍', 'thumbs up yes like'], ['👎', 'thumbs down no dislike'], ['❤️', 'heart love'], ['😂', 'laugh tears joy'],
  ['🎉', 'party tada celebrate'], ['🙏', 'thanks please pray'], ['👀', 'eyes look'], ['✅', 'check done yes'],
  ['😀', 'smile happy'], ['😅', 'sweat relief'], ['😊', 'blush warm'], ['😍', 'love eyes'],
  ['🤔', 'thinking hmm'], ['😐', 'neutral meh'], ['😢', 'sad cry'], ['😭', 'sob cry loud'],
  ['😡', 'angry'], ['😱', 'scream shock'], ['😎', 'cool sunglasses'], ['😴', 'sleep tired'],
  ['🤯', 'mind blown'], ['🥳', 'party face birthday'], ['🤝', 'handshake deal'], ['👏', 'clap bravo'],
  ['🙌', 'hands raised hooray'], ['💪', 'strong muscle'], ['👋', 'wave hello bye'], ['🤷', 'shrug unsure'],
  ['🔥', 'fire hot'], ['⭐', 'star'], ['💡', 'idea light bulb'], ['🚀', 'rocket ship launch'],
  ['💯', 'hundred full'], ['⚡', 'lightning fast'], ['❗', 'exclamation important'], ['❓', 'question'],
  ['❌', 'cross wrong no'], ['⏳', 'hourglass wait'], ['🐛', 'bug'], ['☕', 'coffee tea break'],
];

/** In one row of the picker. */
export const COLUMNS = 8;

/** @param {string} query @returns {[string, string][]} those with a word that starts with each word asked for */
export function findEmojis(query) {
  const wanted = query.toLowerCase().split(/\s+/).filter(Boolean);
  return EMOJIS.filter(([emoji, names]) =>
    wanted.every((word) => emoji === word || names.split(' ').some((name) => name.startsWith(word))));
}

/**
 * Where a key leads in a grid.
 * @param {string} key as in a keyboard event
 * @param {number} at
 * @param {number} count
 * @returns {number | null} null: not a key that moves
 */
export function moveIn(key, at, count) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS };
  if (!(key in steps)) return null;
  const to = at + steps[key];
  return to < 0 || to >= count ? at : to;
}
