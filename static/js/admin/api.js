import { HubbubError } from '../errors.js';

/** An answer that takes longer is none, milliseconds; the server itself waits 5 s at most. */
const PATIENCE_MS = 10_000;

/**
 * Asks the server as whoever the session cookie says.
 * @param {string} method
 * @param {string} path below the page's own address
 * @param {object} [body]
 * @returns {Promise<object | null>} the answer; null where there is none
 * @throws {HubbubError} the refusal; `unreachable` without an answer
 */
export async function call(method, path, body) {
  let response;
  let answer = null;
  try {
    response = await fetch(path, {
      method,
      cache: 'no-store',
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...(body && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    answer = text ? JSON.parse(text) : null;
  } catch {
    // A proxy's own page is no JSON: what is behind it cannot be reached.
    throw new HubbubError('unreachable', 'The server cannot be reached.');
  }
  if (response.ok) return answer;
  const { code = 'unreachable', message = 'The server cannot be reached.', retryAfterMs } = answer?.error ?? {};
  throw new HubbubError(code, message, { retryAfterMs });
}

/** @param {string} path @param {object} [query] empty values are left out @returns {Promise<object>} */
export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== '' && value !== undefined);
  return call('GET', given.length ? `${path}?${new URLSearchParams(given)}` : path);
}
