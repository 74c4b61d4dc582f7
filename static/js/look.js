import { $ } from './dom.js';

const KEY = 'hubbub.look';
const DEFAULT = { theme: 'system', size: 'normal' };

/** Colours and text size, by the system or by choice. `early.js` applies them before the first paint. */
export class Look {
  #storage;

  /** @param {import('./storage.js').SafeStorage} storage */
  constructor(storage) {
    this.#storage = storage;
    const form = $('settings').querySelector('form');
    form.addEventListener('change', ({ target }) => target.name && this.#choose({ ...this.#chosen(), [target.name]: target.value }));
    $('show-settings').addEventListener('click', () => {
      for (const [name, value] of Object.entries(this.#chosen())) form.elements[name].value = value;
      $('settings').showModal();
    });
    addEventListener('storage', ({ key }) => key === KEY && this.#apply());
  }

  #chosen() {
    try {
      const { theme, size } = JSON.parse(this.#storage.get(KEY) ?? '{}');
      return { theme: theme ?? DEFAULT.theme, size: size ?? DEFAULT.size };
    } catch {
      return DEFAULT;
    }
  }

  #choose(look) {
    this.#storage.set(KEY, JSON.stringify(look));
    this.#apply(look);
  }

  #apply(look = this.#chosen()) {
    Object.assign(document.documentElement.dataset, look);
  }
}
