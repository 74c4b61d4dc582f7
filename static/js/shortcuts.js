/**
 * @typedef {object} Shortcut
 * @property {string} does what `match` answers
 * @property {string[]} keys as shown
 * @property {string} says what it does
 * @property {(event: KeyboardEvent) => boolean} [fits] those without are handled where they belong
 */

const alt = (key) => (event) => event.altKey && !event.ctrlKey && !event.metaKey && event.key === key;
const bare = (...keys) => (event) => !event.altKey && !event.ctrlKey && !event.metaKey && keys.includes(event.key);

/** Those of a message, while it has the focus. @type {Shortcut[]} */
const OF_MESSAGE = [
  { does: 'previous', keys: ['↑'], says: 'Message before', fits: bare('ArrowUp', 'k') },
  { does: 'next', keys: ['↓'], says: 'Message after', fits: bare('ArrowDown', 'j') },
  { does: 'react', keys: ['+'], says: 'React', fits: bare('+') },
  { does: 'reply', keys: ['R'], says: 'Reply', fits: bare('r', 'R') },
  { does: 'edit', keys: ['E'], says: 'Edit your own', fits: bare('e', 'E') },
  { does: 'delete', keys: ['Del'], says: 'Delete your own', fits: bare('Delete') },
  { does: 'jump', keys: ['Q'], says: 'Go to the message it answers', fits: bare('q', 'Q') },
  { does: 'unfold', keys: ['Space'], says: 'Show all of a long text', fits: bare(' ') },
  { does: 'end', keys: ['End'], says: 'Newest message', fits: bare('End') },
  { does: 'write', keys: ['Esc'], says: 'Back to the message box', fits: bare('Escape') },
];

/** Everywhere. @type {Shortcut[]} */
const OF_PAGE = [
  { does: 'help', keys: ['?'], says: 'This list', fits: bare('?') },
  { does: 'room-before', keys: ['Alt', '↑'], says: 'Room before', fits: alt('ArrowUp') },
  { does: 'room-after', keys: ['Alt', '↓'], says: 'Room after', fits: alt('ArrowDown') },
  { does: 'find-room', keys: ['Ctrl', 'K'], says: 'Find or make a room', fits: (event) => (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === 'k' },
  { does: 'messages', keys: ['Alt', 'M'], says: 'To the messages', fits: (event) => event.altKey && !event.ctrlKey && event.code === 'KeyM' },
];

const OF_BOX = [
  { does: 'send', keys: ['Enter'], says: 'Send' },
  { does: 'break', keys: ['Shift', 'Enter'], says: 'New line' },
  { does: 'name', keys: ['@'], says: 'Name somebody: ↑ ↓ to choose, Enter or Tab to take' },
  { does: 'edit-last', keys: ['↑'], says: 'Edit your last message, in an empty box' },
  { does: 'cancel', keys: ['Esc'], says: 'Neither edit nor reply' },
];

/** For the list. @type {[string, Shortcut[]][]} */
export const SHORTCUTS = [['Everywhere', OF_PAGE], ['In the message box', OF_BOX], ['On a message', OF_MESSAGE]];

/**
 * What a key does, apart from what it does where it was pressed.
 * @param {KeyboardEvent} event
 * @param {{inMessage: boolean, inField: boolean}} where
 * @returns {string | null} a `does`
 */
export function match(event, { inMessage, inField }) {
  if (isComposing(event)) return null;
  // In a field, characters are text.
  const fits = ({ does, fits: test }) => test(event) && !(inField && does === 'help');
  return ((inMessage && OF_MESSAGE.find(fits)) || OF_PAGE.find(fits))?.does ?? null;
}

/**
 * Whether a key belongs to an input method: Enter then takes what it offers. Safari ends the composition before it tells
 * of that key, and has only its code say so.
 * @param {KeyboardEvent} event
 * @returns {boolean}
 */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

/** Whether a key writes something. @param {KeyboardEvent} event @returns {boolean} */
export const isText = ({ key, altKey, ctrlKey, metaKey }) => [...key].length === 1 && key !== ' ' && !altKey && !ctrlKey && !metaKey;
