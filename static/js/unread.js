import { mentions } from './mentions.js';

/** Counted up to here; beyond it the number says nothing more to anybody. */
export const UNREAD_MAX = 100;

/**
 * What somebody has not read: messages of others after a marker, newest first until there are enough.
 * @param {Iterable<import('./timeline.js').Message>} backward the messages, newest first
 * @param {number | undefined} marker `seq` of the last one read; undefined: nothing counts as unread
 * @param {{id: string, name: string} | null} me
 * @returns {{count: number, mentions: number}} `count` is at most {@link UNREAD_MAX}
 */
export function unread(backward, marker, me) {
  const found = { count: 0, mentions: 0 };
  if (marker === undefined) return found;
  for (const { seq, from, text, deleted } of backward) {
    if (seq <= marker || found.count >= UNREAD_MAX) break;
    if (deleted || from.id === me?.id) continue;
    found.count += 1;
    if (mentions(text, me?.name)) found.mentions += 1;
  }
  return found;
}

/** @param {number} count @returns {string} as shown in a badge */
export const asBadge = (count) => (count >= UNREAD_MAX ? `${UNREAD_MAX - 1}+` : String(count));

/**
 * The window's title: mentions first, since they are what one comes back for.
 * @param {string} room
 * @param {{count: number, mentions: number}} total over all rooms
 * @returns {string}
 */
export function pageTitle(room, { count, mentions: called }) {
  const badge = called > 0 ? `(${asBadge(called)}) ` : count > 0 ? '• ' : '';
  return `${badge}${room} · Hubbub`;
}
