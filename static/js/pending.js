import { $, element } from './dom.js';

const STATES = {
  waiting: 'Waiting to be sent',
  sending: 'Sending…',
  provisional: 'Sent; not stored yet',
  sent: 'Sent',
  asks: 'It may not have arrived. Send it again?',
  failed: 'Not sent',
};

/**
 * What is not yet known to be stored. Apart from the log, so that the own message is not shown twice
 * and is never taken for one that others see.
 */
export class Pending {
  #shown = '';

  /** @param {{retry: (key: string) => void, discard: (key: string) => void}} acts */
  constructor({ retry, discard }) {
    $('pending').addEventListener('click', ({ target }) => {
      const { action } = target.closest('button')?.dataset ?? {};
      const { key } = target.closest('li')?.dataset ?? {};
      if (action === 'retry') retry(key);
      if (action === 'discard') discard(key);
    });
  }

  /**
   * @param {import('./outbox.js').OutboxItem[]} items of the room in view
   * @returns {boolean} whether anything changed
   */
  show(items) {
    const now = JSON.stringify(items);
    if (now === this.#shown) return false;
    this.#shown = now;
    $('pending').replaceChildren(...items.map(item));
    return true;
  }
}

function item({ key, text, state, error }) {
  const choice = (action, label) => element('button', { type: 'button', className: 'quiet', data: { action } }, label);
  const choices = state === 'asks' || state === 'failed' ? [choice('retry', 'Send again'), choice('discard', 'Discard')] : [];
  return element('li', { data: { key, state, own: true } },
    element('div', { className: 'text', dir: 'auto' }, text),
    element('p', { className: 'note' }, error ? `${STATES[state]}: ${error.message}` : STATES[state], ...choices));
}
