/** Where the wish for notifications is kept. */
export const NOTIFY_KEY = 'hubbub.notify';
/** A longer text is only begun. */
const TEXT_MAX = 200;
/** How long another tab has to show a message to the person before they are told of it, milliseconds. */
const ELSEWHERE_MS = 1_000;

/** @param {import('./storage.js').SafeStorage} storage @returns {boolean} whether the person wants notifications and the browser allows them */
export const mayNotify = (storage) => storage.get(NOTIFY_KEY) === 'on' && globalThis.Notification?.permission === 'granted';

/**
 * Tells on the desktop of a message that mentions the person, while no page of theirs that shows it is looked at.
 * @param {import('./storage.js').SafeStorage} storage
 * @param {{id: string, from: {name: string}, text: string, room: string}} message
 * @param {() => boolean} isRead whether it was read meanwhile, here or in another tab
 */
export function notify(storage, message, isRead) {
  if (!document.hasFocus() && mayNotify(storage)) setTimeout(() => isRead() || show(message), ELSEWHERE_MS);
}

function show({ id, from, text, room }) {
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
