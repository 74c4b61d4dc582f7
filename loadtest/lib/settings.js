// What can be set from outside, by environment variables (`k6 run -e NAME=value`). Each script has its own defaults.

/** A whole number from 1. @param {string} name @param {number} usual */
export function whole(name, usual) {
  const value = Number(__ENV[name] || usual);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`${name} must be a whole number from 1, not '${__ENV[name]}'`);
  }
  return value;
}

/** Where the servers are, http(s) or ws(s): one, or several by comma of which each socket takes another at each connect. */
export const BASE_URLS = (__ENV.BASE_URLS || __ENV.BASE_URL || 'http://127.0.0.1:3001')
  .split(',')
  .map((url) => url.trim().replace(/\/+$/, '').replace(/^ws/, 'http'))
  .filter((url) => url !== '');

/** Their WebSockets. */
export const CHAT_URLS = BASE_URLS.map((url) => `${url.replace(/^http/, 'ws')}/chat`);

/** Opens /metrics, for the scripts that look there; without it they do not. */
export const METRICS_KEY = __ENV.METRICS_API_KEY || '';

/** How long arriving, or the last ack and delivery, may take before it counts as missing, milliseconds. */
export const PATIENCE_MS = whole('PATIENCE_MS', 30_000);

/** Connections opened each second, over all virtual users. The server's default limit is 50 of an address. */
export const CONNECTS_PER_SECOND = whole('CONNECTS_PER_SECOND', 200);

/** Characters of each message; what identifies it comes first, and is kept whole. */
export const TEXT_SIZE = whole('TEXT_SIZE', 100);

/** Every so many deliveries one is timed; all are counted and checked. Timing is what costs k6 the most. */
export const TIME_EVERY = whole('TIME_EVERY', 1);

/** Most rooms whose log is read back at the end. */
export const READ_BACK = whole('READ_BACK', 50);

/** Longest that 95 and 99 of 100 acks and deliveries may take, milliseconds. */
export const LIMITS = {
  ackP95: whole('ACK_P95_MS', 500),
  ackP99: whole('ACK_P99_MS', 1_500),
  deliveryP95: whole('DELIVERY_P95_MS', 500),
  deliveryP99: whole('DELIVERY_P99_MS', 1_500),
};

/** Where the numbers of the run go as JSON; empty: nowhere. */
export const SUMMARY = __ENV.SUMMARY || '';
