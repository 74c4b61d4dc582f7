/** Where the wish for notifications is kept. */
export const NOTIFY_KEY = 'hubbub.notify';
/** A longer text is only begun. */
const TEXT_MAX = 200;

/** @param {import('./storage.js').SafeStorage} storage @returns {boolean} whether the person wants notifications and the browser allows them */
export const mayNotify = (storage) => storage.get(NOTIFY_KEY) === 'on' && globalThis.Notification?.permission === 'granted';

/**
 * Tells on the desktop of a message that mentions the person, while the page is not looked at.
 * @param {import('./storage.js').SafeStorage} storage
 * @param {import('./timeline.js').Message} message
 * @param {string} room
 */
export function notify(storage, { id, from, text }, room) {
  if (document.hasFocus() || !mayNotify(storage)) return;
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
