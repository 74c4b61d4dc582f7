// What can be set from outside, by environment variables (`k6 run -e NAME=value`).

/** Where the server is: http(s) or ws(s). */
export const BASE_URL = (__ENV.BASE_URL || 'http://127.0.0.1:3001').replace(/\/+$/, '');

/** Its WebSocket. */
export const CHAT_URL = `${BASE_URL.replace(/^http/, 'ws')}/chat`;

/** Virtual users; each has a room of its own, beside the one that all share. */
export const VUS = number('VUS', 5);

/** WebSockets of each virtual user. */
export const SOCKETS = number('SOCKETS', 20);

/** Messages that each WebSocket says. */
export const MESSAGES = number('MESSAGES', 20);

/** Milliseconds between two messages of a WebSocket. */
export const INTERVAL_MS = number('INTERVAL_MS', 500);

/** Milliseconds that arriving, or the last ack and delivery, may take before they count as missing. */
export const PATIENCE_MS = number('PATIENCE_MS', 15000);

/** Names the rooms of this run, so that a second run on the same server does not read the first one's messages. */
export const RUN = __ENV.RUN || 'smoke';

function number(name, usual) {
  const value = Number(__ENV[name] || usual);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`${name} must be a whole number from 1, not '${__ENV[name]}'`);
  }
  return value;
}
