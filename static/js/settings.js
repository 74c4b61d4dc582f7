import { $ } from './dom.js';
import { NOTIFY_KEY, mayNotify } from './notify.js';

const LOOK_KEY = 'hubbub.look';

/** Colours, text size and notifications. `early.js` applies the look of the next visit before the first paint. */
export class Settings {
  #storage;
  #form = $('settings').querySelector('form');

  /** @param {import('./storage.js').SafeStorage} storage */
  constructor(storage) {
    this.#storage = storage;
    this.#form.addEventListener('change', ({ target }) => {
      if (target === $('notify')) this.#notify(target);
      else this.#look({ [target.name]: target.value });
    });
  }

  /** Shows them as they are. */
  open() {
    const { theme = 'system', size = 'normal' } = document.documentElement.dataset;
    this.#form.elements.theme.value = theme;
    this.#form.elements.size.value = size;
    $('notify').checked = mayNotify(this.#storage);
    $('settings').showModal();
  }

  #look(change) {
    const { dataset } = document.documentElement;
    Object.assign(dataset, change);
    this.#storage.set(LOOK_KEY, JSON.stringify({ theme: dataset.theme, size: dataset.size }));
  }

  async #notify(box) {
    const allowed = box.checked ? await (globalThis.Notification?.requestPermission() ?? 'denied') : 'no';
    box.checked = allowed === 'granted';
    this.#storage.set(NOTIFY_KEY, box.checked ? 'on' : 'off');
    $('notify-problem').textContent = allowed === 'denied' ? 'The browser does not allow it for this page.' : '';
  }
}
