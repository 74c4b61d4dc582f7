// The rules of the wire contract that a client keeps, without a network.

/** After these a client does not come back by itself (PROTOCOL section 3). */
const FINAL = [1000, 1002, 1003, 1007, 1009, 4400, 4401, 4403];

/** The missing close frame (RFC 6455 section 7.4.1). */
export const LOST = 1006;

/** Shortest and longest wait between two attempts to connect, milliseconds (PROTOCOL section 3). */
const FLOOR_MS = 500;
const CAP_MS = 30_000;

/** Refusals that pass, and carry `retryAfterMs` (PROTOCOL section 3). */
const TEMPORARY = ['rate_limited', 'unavailable'];

/** Whether a client stays away after this close code. @param {number} code */
export function isFinal(code) {
  return FINAL.includes(code);
}

/** Whether the same command may succeed later. @param {string} code of an error */
export function isTemporary(code) {
  return TEMPORARY.includes(code);
}

/**
 * How long to wait before the next attempt: exponential with full jitter.
 * @param {number} attempt from 1
 * @param {number} chance uniform in [0, 1)
 * @returns {number} milliseconds
 */
export function backoff(attempt, chance) {
  const ceiling = Math.min(CAP_MS, FLOOR_MS * 2 ** attempt);
  return Math.round(FLOOR_MS + chance * (ceiling - FLOOR_MS));
}

/**
 * The close code of a connection that ended. k6 tells it with the close event in newer versions, in older ones only in
 * the text of the error before it, and of an orderly end nothing.
 * @param {{code?: number}} event
 * @param {string | null} error the text of the last error event, if there was one
 */
export function closeCode(event, error) {
  if (event.code) return event.code;
  if (error === null) return 1000;
  const told = /close (\d{4})/.exec(error);
  return told ? Number(told[1]) : LOST;
}
