// Who is in which room, who speaks there, and when: the same sum in every virtual user, since they share no memory.

/** How many of 0 … `total` − 1 leave the remainder `part` when divided by `parts`. */
export function countOf(total, parts, part) {
  return part < total ? Math.floor((total - 1 - part) / parts) + 1 : 0;
}

/** How long opening so many connections at this rate takes, milliseconds. */
export function openingMs(sockets, perSecond) {
  return Math.ceil((sockets * 1_000) / perSecond);
}

/** How many messages are said in a time, one per interval; at least one. */
export function messagesIn(durationMs, intervalMs) {
  return Math.max(1, Math.floor(durationMs / intervalMs));
}
