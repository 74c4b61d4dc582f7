import { element, icon } from './dom.js';

/**
 * What one can do with a message. There is one of it, at the message pointed at or focused: a hundred
 * rows of buttons would be slow, and long to tab through.
 */
export class Toolbar {
  #at = {};
  #bar = element('div', { className: 'actions', role: 'toolbar', ariaLabel: 'Message' });

  /** @returns {boolean} whether a button of it has the focus */
  get focused() {
    return this.#bar.contains(document.activeElement);
  }

  /**
   * @param {HTMLElement | null} item of the log
   * @param {import('./timeline.js').Message} [message]
   * @param {{id: string, role: string} | null} [me] decides which buttons there are
   */
  attach(item, message, me) {
    // Buttons under the pointer must not be replaced between its press and its release.
    if (this.#bar.parentNode === item && this.#at.message === message && this.#at.me === me) return;
    this.#at = { message, me };
    const actions = item && !message.deleted && !message.provisional ? allowed(message, me) : [];
    if (actions.length === 0) return void this.#bar.remove();
    const held = this.focused ? document.activeElement.dataset.action : null;
    this.#bar.replaceChildren(...actions.map(([action, label, key]) =>
      element('button', { type: 'button', ariaLabel: label, title: `${label} (${key})`, data: { action } }, icon(action))));
    item.append(this.#bar);
    if (held) this.#bar.querySelector(`[data-action="${held}"]`)?.focus();
  }
}

/**
 * Authors edit and delete their own, admins delete anything (PROTOCOL.md section 2).
 * @param {import('./timeline.js').Message} message
 * @param {{id: string, role: string} | null} me
 * @returns {[string, string, string][]} action, label and key
 */
function allowed(message, me) {
  const own = message.from.id === me?.id;
  return [
    ['react', 'React', '+'],
    ['reply', 'Reply', 'R'],
    ...(own ? [['edit', 'Edit', 'E']] : []),
    ...(own || me?.role === 'admin' ? [['delete', 'Delete', 'Del']] : []),
  ];
}
