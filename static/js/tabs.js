/**
 * What the tabs of one browser tell each other: that somebody has logged in, logged out or taken
 * another name here. Rooms, markers and the outbox they share through the storage.
 */
export class Tabs {
  #channel;

  /**
   * @param {(user: {id: string, name: string}) => void} onIdentity another tab has become this user
   * @param {typeof BroadcastChannel} [Channel]
   */
  constructor(onIdentity, Channel = globalThis.BroadcastChannel) {
    this.#channel = Channel ? new Channel('hubbub') : null;
    if (!this.#channel) return;
    this.#channel.onmessage = ({ data }) => {
      if (data?.kind === 'identity' && typeof data.user?.id === 'string') onIdentity(data.user);
    };
  }

  /** @param {{id: string, name: string}} user who this tab has become */
  tell({ id, name }) {
    this.#channel?.postMessage({ kind: 'identity', user: { id, name } });
  }
}
