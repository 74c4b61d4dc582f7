import { $ } from './dom.js';

const KEY = 'hubbub.notify';
/** A longer text is only begun. */
const TEXT_MAX = 200;

/** Notifications on the desktop, for who has asked for them, while the page is not looked at. */
export class Notifier {
  #storage;

  /** @param {import('./storage.js').SafeStorage} storage */
  constructor(storage) {
    this.#storage = storage;
    $('notify').checked = this.#wanted;
    $('notify').addEventListener('change', ({ target }) => this.#choose(target));
  }

  /**
   * @param {import('./timeline.js').Message} message that mentions the person
   * @param {string} room
   */
  tell({ id, from, text }, room) {
    if (!this.#wanted || document.hasFocus()) return;
    try {
      // One with the same tag takes the place of another: two tabs tell once.
      const shown = new Notification(`${from.name} in #${room}`, { body: text.slice(0, TEXT_MAX), tag: id, icon: 'favicon.svg' });
      shown.onclick = () => {
        focus();
        location.hash = room;
        shown.close();
      };
    } catch {
      // Some phones have notifications for installed pages only.
    }
  }

  get #wanted() {
    return this.#storage.get(KEY) === 'on' && globalThis.Notification?.permission === 'granted';
  }

  async #choose(box) {
    const allowed = box.checked ? await (globalThis.Notification?.requestPermission() ?? 'denied') : 'no';
    box.checked = allowed === 'granted';
    this.#storage.set(KEY, box.checked ? 'on' : 'off');
    $('notify-problem').textContent = allowed === 'denied' ? 'The browser does not allow it for this page.' : '';
  }
}
