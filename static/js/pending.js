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
  #shown = new Map();

  /** @param {{retry: (key: string) => void, discard: (key: string) => void}} acts */
  constructor({ retry, discard }) {
    $('pending').addEventListener('click', ({ target }) => {
      const { action } = target.closest('button')?.dataset ?? {};
      const { key } = target.closest('li')?.dataset ?? {};
      if (action === 'retry') retry(key);
      if (action === 'discard') discard(key);
    });
  }

  /** @param {import('./outbox.js').OutboxItem[]} items of the room in view */
  show(items) {
    const list = $('pending');
    if (items.length === 0 && this.#shown.size === 0) return;
    const focused = list.contains(document.activeElement) ? document.activeElement : null;
    const byKey = focused?.matches(':focus-visible');
    const at = focused && [...list.children].indexOf(focused.closest('li'));
    const before = this.#shown;
    this.#shown = new Map();
    for (const each of items) {
      const now = JSON.stringify(each);
      const known = before.get(each.key);
      this.#shown.set(each.key, known?.now === now ? known : { now, node: item(each) });
    }
    for (const [key, { node }] of before) if (this.#shown.get(key)?.node !== node) node.remove();
    // Those that did not change stay where they are, with what is focused in them.
    [...this.#shown.values()].forEach(({ node }, place) => {
      if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null);
    });
    if (focused && !focused.isConnected) this.#refocus(list, at, focused.dataset.action, byKey);
  }

  // What had the focus is gone: on to what stands there now, or back to writing.
  #refocus(list, at, action, byKey) {
    const next = list.children[at]?.querySelector(`[data-action="${action}"]`) ?? list.querySelector('button');
    // Who tapped is not to get a keyboard on the screen.
    if (next || byKey) (next ?? $('text')).focus();
  }
}

function item({ key, text, state, error }) {
  const choice = (action, label) => element('button', { type: 'button', className: 'quiet', data: { action } }, label);
  const choices = state === 'asks' || state === 'failed' ? [choice('retry', 'Send again'), choice('discard', 'Discard')] : [];
  return element('li', { data: { key, state, own: true } },
    element('div', { className: 'text', dir: 'auto' }, text),
    element('p', { className: 'note' }, error ? `${STATES[state]}: ${error.message}` : STATES[state], ...choices));
}
