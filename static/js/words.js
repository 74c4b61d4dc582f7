const REASONS = {
  unauthorized: 'Your session has ended.',
  forbidden: 'You were removed, or may not connect.',
  draining: 'The server restarts.',
  unreachable: 'The server cannot be reached.',
  disconnected: 'The connection was lost.',
  rate_limited: 'Too many connections.',
  unavailable: 'The server is full or restarts.',
  protocol_error: 'The server did not understand this page. Reload it.',
  too_big: 'A message was too big for the server.',
  malformed: 'The server did not understand this page. Reload it.',
};

const KEPT = 'What you write is kept and sent once you are back.';

/**
 * @typedef {object} Words the connection in words
 * @property {string} status `idle`, `connecting`, `online`, `degraded`, `draining`, `waiting` or `stopped`
 * @property {string} short for the bar
 * @property {string} more what it means for the person; empty when all is well
 * @property {string | null} button what to do about it
 */

/**
 * @param {import('./connection.js').State} state
 * @param {object} seen
 * @param {{live: boolean} | undefined} seen.room in view
 * @param {boolean} seen.draining the server said that it will close
 * @param {boolean} seen.offline the browser says that it has no network
 * @returns {Words}
 */
export function describe({ status, mode, reason, message }, { room, draining, offline }) {
  const words = (name, short, more = '', button = null) => ({ status: name, short, more, button });
  switch (status) {
    case 'online':
      if (draining) return words('draining', 'The server restarts soon', 'The server restarts soon. You will be connected again by itself, and nothing is lost.');
      if (mode === 'degraded') {
        return words('degraded', 'Connected to this server only',
          'This server has lost the others. People on it hear you; all others get your messages later, and until then they are marked.');
      }
      return words('online', room && !room.live ? 'Connected, catching up…' : 'Connected');
    case 'connecting': return words('connecting', 'Connecting…');
    case 'idle': return words('idle', 'Not connected', KEPT, 'Connect');
    case 'waiting':
      if (offline) return words('waiting', 'You are offline.', `There is no network. ${KEPT}`, 'Try now');
      return words('waiting', message ?? REASONS[reason] ?? 'Disconnected.', `${message ?? REASONS[reason] ?? 'Disconnected.'} ${KEPT}`, 'Connect now');
    default: {
      const why = message ?? REASONS[reason] ?? 'Disconnected.';
      return words('stopped', why, reason === 'unauthorized' ? `${why} Log in again, or go on as a guest.` : why,
        reason === 'unauthorized' ? 'Go on as a guest' : 'Try again');
    }
  }
}
