import { $ } from './dom.js';

const REASONS = {
  unauthorized: 'Your session has ended.',
  forbidden: 'You were removed, or may not connect.',
  draining: 'The server restarts.',
  unreachable: 'The server cannot be reached.',
  disconnected: 'The connection was lost.',
  rate_limited: 'Too many connections.',
  unavailable: 'The server is full or restarts.',
};

/** The state of the connection in words, true at every moment. */
export class Status {
  #client;

  /** @param {import('./client.js').HubbubClient} client */
  constructor(client) {
    this.#client = client;
    $('retry').addEventListener('click', () => client.connect());
    // No use waiting once the network is back, or once somebody looks again.
    addEventListener('online', () => this.#wake());
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.#wake());
    setInterval(() => this.#countDown(), 1_000);
  }

  /** @param {import('./room.js').Room | undefined} room in view */
  show(room) {
    const { state } = this.#client;
    $('state').dataset.status = state.mode === 'degraded' ? 'degraded' : state.status;
    const said = words(state, room);
    if ($('state').textContent !== said) $('state').textContent = said;
    $('retry').hidden = state.status === 'online' || state.status === 'connecting';
    this.#countDown();
  }

  // Not part of the announced text: nobody wants to hear every second.
  #countDown() {
    const { status, retryAt } = this.#client.state;
    $('retry-in').textContent = status === 'waiting' ? `Next try in ${Math.max(0, Math.ceil((retryAt - Date.now()) / 1_000))} s` : '';
  }

  #wake() {
    if (this.#client.state.status === 'waiting') this.#client.connect();
  }
}

function words({ status, mode, reason, message }, room) {
  switch (status) {
    case 'online':
      if (room && !room.live) return 'Connected, catching up…';
      return mode === 'degraded' ? 'Connected to this server only' : 'Connected';
    case 'connecting': return 'Connecting…';
    case 'idle': return 'Not connected';
    default: return message ?? REASONS[reason] ?? 'Disconnected.';
  }
}
