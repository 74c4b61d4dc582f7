/**
 * A refusal. `code` is one of the contract's error codes, or one of this library's own:
 * `disconnected` (the connection ended before the answer), `busy` (too many unanswered commands),
 * `outbox_full`, `discarded` (the user dropped the message or another user took over).
 */
export class HubbubError extends Error {
  /**
   * @param {string} code
   * @param {string} [message] a sentence for a person
   * @param {{room?: string, retryAfterMs?: number}} [more]
   */
  constructor(code, message = code, { room, retryAfterMs } = {}) {
    super(message);
    this.name = 'HubbubError';
    this.code = code;
    this.room = room;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same command may succeed later (PROTOCOL.md section 3, error codes). */
  get temporary() {
    return this.code === 'rate_limited' || this.code === 'unavailable';
  }
}

/** Why the client stays away after these close codes (PROTOCOL.md section 3); all others reconnect. */
export const FINAL_CLOSES = new Map([
  [1000, 'closed'],
  [1002, 'protocol_error'],
  [1003, 'protocol_error'],
  [1007, 'protocol_error'],
  [1009, 'too_big'],
  [4400, 'malformed'],
  [4401, 'unauthorized'],
  [4403, 'forbidden'],
]);
