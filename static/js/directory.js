/** Rooms shown beside one's own. */
const SHOWN_MAX = 30;

/**
 * Rooms one may look into, fullest first.
 * @param {{room: string, members: number, lastTs: number | null}[]} known from `/api/rooms`
 * @param {string[]} joined
 * @param {string} typed what the name must contain
 * @returns {{room: string, members: number}[]}
 */
export function directory(known, joined, typed) {
  const wanted = typed.trim().toLowerCase();
  return known
    .filter(({ room }) => !joined.includes(room) && room.includes(wanted))
    .sort((a, b) => b.members - a.members || (b.lastTs ?? 0) - (a.lastTs ?? 0) || a.room.localeCompare(b.room))
    .slice(0, SHOWN_MAX);
}

/** A name the server would take (PROTOCOL.md section 1). @param {string} name @returns {boolean} */
export const isRoom = (name) => /^[a-z0-9][a-z0-9._-]{0,63}$/.test(name);

/**
 * The room before or after another, round and round.
 * @param {string[]} rooms
 * @param {string} current
 * @param {1 | -1} step
 * @returns {string}
 */
export function neighbour(rooms, current, step) {
  const at = rooms.indexOf(current);
  return rooms[(at + step + rooms.length) % rooms.length] ?? current;
}
