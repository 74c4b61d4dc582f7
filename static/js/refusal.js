/** How long to wait for the reason, milliseconds; not knowing it is no reason to wait longer. */
const PATIENCE_MS = 5_000;

/**
 * Why the server refuses the connection. A browser hides the answer to a failed upgrade;
 * `GET /api/connect` gives the very same one (PROTOCOL.md section 1).
 * @param {typeof fetch} fetch
 * @param {string} url the WebSocket URL, query included
 * @param {string | null} token the one offered
 * @returns {Promise<{status: number, code: string, message: string, retryAfterMs?: number} | null>}
 *   null: the server refuses nothing, or cannot be reached
 */
export async function askRefusal(fetch, url, token) {
  try {
    const response = await fetch(probeUrl(url), {
      cache: 'no-store',
      headers: token ? { Authorization: `Bearer ${token}` } : {},
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (response.ok) return null;
    const { error } = await response.json();
    const header = Number(response.headers.get('Retry-After')) * 1_000 || undefined;
    return { status: response.status, ...error, retryAfterMs: error.retryAfterMs ?? header };
  } catch {
    return null;
  }
}

function probeUrl(url) {
  const probe = new URL('api/connect', url);
  probe.search = new URL(url).search;
  probe.protocol = probe.protocol === 'wss:' ? 'https:' : 'http:';
  return probe.href;
}
