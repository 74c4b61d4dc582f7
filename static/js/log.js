import { $, element, hue, roleBadge } from './dom.js';

/** Messages of one author closer than this stand under one name, milliseconds. */
const GROUP_MS = 5 * 60_000;
/** How far from the end still counts as reading along, pixels. */
const NEAR = 80;

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });

const STATES = {
  waiting: 'Waiting to be sent',
  sending: 'Sending…',
  provisional: 'Sent; not stored yet',
  sent: 'Sent',
  asks: 'It may not have arrived',
  failed: 'Not sent',
};

/**
 * @typedef {object} Actions what the buttons do
 * @property {(message: object) => void} reply
 * @property {(message: object) => void} edit
 * @property {(message: object) => void} remove
 * @property {(message: object, emoji: string, on: boolean) => void} react
 * @property {(key: string) => void} retry
 * @property {(key: string) => void} discard
 */

/** The list of messages. A message that did not change keeps its element. */
export class LogView {
  #log = $('log');
  #scroll = $('scroll');
  #shown = new Map();
  #room = null;
  #actions;

  /** @param {Actions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#scroll.addEventListener('scroll', () => ($('latest').hidden ||= this.#near()), { passive: true });
    $('latest').addEventListener('click', () => this.#toEnd());
  }

  /**
   * @param {import('./room.js').Room} room
   * @param {import('./outbox.js').OutboxItem[]} outbox of this room
   * @param {{id: string, role: string} | null} me
   */
  show(room, outbox, me) {
    const other = room.name !== this.#room;
    if (other) this.#clear(room.name);
    const near = other || this.#near();
    const first = this.#log.firstElementChild?.dataset.id;
    const { scrollHeight, scrollTop } = this.#scroll;
    const { messages, hasOlder } = room.timeline;
    const grown = this.#update(messages, me);
    this.#pending(outbox, new Set(messages.filter(({ from }) => from.id === me?.id).map(({ key }) => key)));
    $('older').hidden = !hasOlder;
    $('empty').hidden = !room.live || messages.length + outbox.length > 0;
    if (near) this.#toEnd();
    else if (first !== messages[0]?.id) this.#scroll.scrollTop = scrollTop + this.#scroll.scrollHeight - scrollHeight;
    else if (grown) $('latest').hidden = false;
  }

  // A screen reader reads what is new, not a whole room on entering it.
  #clear(room) {
    this.#room = room;
    this.#shown.clear();
    this.#log.replaceChildren();
    this.#log.ariaBusy = 'true';
    setTimeout(() => (this.#log.ariaBusy = 'false'), 500);
  }

  // Returns whether there is a new last message.
  #update(messages, me) {
    const last = this.#log.lastElementChild?.dataset.id;
    const held = new Map(messages.map((message) => [message.id, message]));
    for (const [id, { node }] of this.#shown) {
      if (held.has(id)) continue;
      node.remove();
      this.#shown.delete(id);
    }
    let before = null;
    let previous = null;
    for (const message of messages) {
      const node = this.#node(message, me, held.get(message.replyTo));
      setGroup(node, message, before);
      const place = previous ? previous.nextElementSibling : this.#log.firstElementChild;
      if (node !== place) this.#log.insertBefore(node, place);
      before = message;
      previous = node;
    }
    return messages.length > 0 && messages.at(-1).id !== last;
  }

  // `quoted` is the message it answers, if that is held: an edit or a delete there shows here too.
  #node(message, me, quoted) {
    const shown = this.#shown.get(message.id);
    const reader = `${me?.id} ${me?.role}`; // decides which buttons there are
    if (shown?.message === message && shown.reader === reader && shown.quoted === quoted) return shown.node;
    const node = this.#build(message, me, quoted);
    if (shown) {
      const focused = shown.node.contains(document.activeElement) ? document.activeElement.dataset.action : null;
      shown.node.replaceWith(node);
      if (focused) node.querySelector(`[data-action="${CSS.escape(focused)}"]`)?.focus();
    }
    this.#shown.set(message.id, { message, reader, quoted, node });
    return node;
  }

  #build(message, me, quoted) {
    const { id, seq, ts, from, text, deleted, editedTs, provisional, replyTo } = message;
    const own = from.id === me?.id;
    const time = element('time', { dateTime: new Date(ts).toISOString(), title: new Date(ts).toLocaleString() }, CLOCK.format(ts));
    return element('li', { data: { id, seq, own: own || undefined, deleted: deleted || undefined, provisional: provisional || undefined } },
      element('p', { className: 'day' }, DAY.format(ts)),
      element('p', { className: 'by' }, element('b', { data: { hue: hue(from.id) } }, from.name), ' ', roleBadge(from), ' ', time),
      replyTo ? quote(quoted) : null,
      element('p', { className: 'text' }, deleted ? 'Message deleted' : text),
      note({ own, editedTs, provisional, deleted }),
      deleted ? null : this.#reactions(message),
      deleted || provisional ? null : this.#buttons(message, own, me));
  }

  #reactions(message) {
    if (message.reactions.length === 0) return null;
    return element('p', { className: 'reactions' }, ...message.reactions.map(({ emoji, count, mine }) =>
      element('button', {
        type: 'button', ariaPressed: String(mine), ariaLabel: `${emoji} ${count}`, data: { action: `react ${emoji}` },
        onclick: () => this.#actions.react(message, emoji, !mine),
      }, `${emoji} ${count}`)));
  }

  #buttons(message, own, me) {
    const button = (action, label, act, name = label) =>
      element('button', { type: 'button', ariaLabel: name, title: name, data: { action }, onclick: act }, label);
    const liked = message.reactions.some(({ emoji, mine }) => emoji === '👍' && mine);
    return element('p', { className: 'actions' },
      button('like', '👍', () => this.#actions.react(message, '👍', !liked), liked ? 'Take the thumb back' : 'Thumbs up'),
      button('reply', 'Reply', () => this.#actions.reply(message)),
      own ? button('edit', 'Edit', () => this.#actions.edit(message)) : null,
      own || me?.role === 'admin' ? button('delete', 'Delete', () => this.#actions.remove(message)) : null);
  }

  // Apart from the log, so that the own message is not read out twice.
  #pending(outbox, stored) {
    const items = outbox.filter(({ key }) => !stored.has(key));
    $('pending').replaceChildren(...items.map(({ key, text, state, error }) =>
      element('li', { data: { key, state, own: true } },
        element('p', { className: 'text' }, text),
        element('p', { className: 'note' }, error ? `${STATES[state]}: ${error.message}` : STATES[state],
          ...(state === 'asks' || state === 'failed' ? this.#choices(key) : [])))));
  }

  #choices(key) {
    return [
      ' ', element('button', { type: 'button', className: 'quiet', onclick: () => this.#actions.retry(key) }, 'Send again'),
      ' ', element('button', { type: 'button', className: 'quiet', onclick: () => this.#actions.discard(key) }, 'Discard'),
    ];
  }

  #near() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  #toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    $('latest').hidden = true;
  }
}

function setGroup(node, message, before) {
  const sameDay = before !== null && new Date(before.ts).toDateString() === new Date(message.ts).toDateString();
  node.classList.toggle('new-day', !sameDay);
  node.classList.toggle('follows', sameDay && before.from.id === message.from.id && message.ts - before.ts < GROUP_MS);
}

function note({ own, editedTs, provisional, deleted }) {
  if (deleted) return null;
  const said = [editedTs ? 'edited' : '', provisional ? 'not stored yet' : ''].filter(Boolean).join(' · ');
  const stored = own && !provisional ? element('span', { role: 'img', ariaLabel: 'sent', title: 'Sent' }, '✓') : null;
  return said || stored ? element('p', { className: 'note' }, said, said ? ' ' : '', stored) : null;
}

function quote(message) {
  const text = message ? `${message.from.name}: ${message.deleted ? 'message deleted' : message.text}` : 'an earlier message';
  return element('p', { className: 'quote' }, `↩ ${text}`);
}
