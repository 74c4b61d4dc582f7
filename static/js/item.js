import { element, face, hue, roleBadge, setText } from './dom.js';
import { nameOfDay, stand, timeOf } from './groups.js';
import { mentions } from './mentions.js';
import { textOf } from './text.js';

/**
 * One message of the log. Its buttons say in `data-action` what they do; the log listens for all of
 * them, so that a flood of messages costs no listeners.
 * @param {import('./timeline.js').Message} message
 * @param {object} how
 * @param {{id: string, name: string, role: string} | null} how.me
 * @param {import('./timeline.js').Message | undefined} how.quoted the message it answers, if that is held
 * @param {boolean} how.open whether a long text is shown whole
 * @returns {HTMLLIElement}
 */
export function buildItem(message, { me, quoted, open }) {
  const { id, seq, ts, from, text, deleted, editedTs, provisional, replyTo } = message;
  const own = from.id === me?.id;
  const item = element('li', { tabIndex: -1, data: { id, seq, own: own || undefined, deleted: deleted || undefined, provisional: provisional || undefined } },
    element('p', { className: 'day' }),
    element('p', { className: 'unread-line' }, 'New'),
    face(from),
    element('time', { className: 'gutter', ariaHidden: 'true' }, timeOf(ts)),
    element('p', { className: 'by' }, element('b', { data: { hue: hue(from.id) } }, element('bdi', {}, from.name)), ' ', roleBadge(from), ' ',
      element('time', { dateTime: new Date(ts).toISOString(), title: new Date(ts).toLocaleString() }, timeOf(ts))),
    replyTo ? quote(quoted) : null,
    ...textOf(message, me, open),
    note({ editedTs, provisional, deleted }),
    deleted ? null : reactions(message));
  item.classList.toggle('to-me', !own && !deleted && mentions(text, me?.name));
  return item;
}

/**
 * Shows how an item stands to the one before it: a new day, a new author, the first that is new.
 * @param {HTMLLIElement} item
 * @param {import('./timeline.js').Message} message
 * @param {import('./timeline.js').Message | null} before
 * @param {boolean} firstNew
 */
export function placeItem({ classList, firstElementChild: day }, message, before, firstNew) {
  const { newDay, follows } = stand(message, before);
  // Each time, since today is yesterday after midnight.
  if (newDay) setText(day, nameOfDay(message.ts, Date.now()));
  classList.toggle('new-day', newDay);
  classList.toggle('follows', follows && !firstNew);
  classList.toggle('first-unread', firstNew);
}

function quote(message) {
  const text = message ? `${message.from.name}: ${message.deleted ? 'message deleted' : message.text.slice(0, 200)}` : 'an earlier message';
  return element('button', { type: 'button', className: 'quote', dir: 'auto', tabIndex: -1, data: { action: 'jump' }, title: 'Go to this message' },
    element('span', { className: 'unseen' }, 'In answer to '), `↩ ${text.replaceAll('\n', ' ')}`);
}

function note({ editedTs, provisional, deleted }) {
  if (deleted || (!editedTs && !provisional)) return null;
  const said = [editedTs ? 'edited' : '', provisional ? 'not stored yet' : ''].filter(Boolean).join(' · ');
  return element('p', { className: 'note', title: editedTs ? `Edited ${new Date(editedTs).toLocaleString()}` : '' }, said);
}

function reactions(message) {
  if (message.reactions.length === 0) return null;
  return element('p', { className: 'reactions' }, ...message.reactions.map(({ emoji, count, mine }) =>
    element('button', {
      type: 'button', tabIndex: -1, ariaPressed: String(mine), ariaLabel: `${emoji}, ${count}`, data: { action: 'toggle', emoji },
    }, `${emoji} ${count}`)));
}
