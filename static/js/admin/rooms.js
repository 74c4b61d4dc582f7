import { $, element, setText } from '../dom.js';
import { get } from './api.js';
import { Pages } from './pages.js';
import { Rows } from './rows.js';
import { ago } from './units.js';

/** Rows of a page. */
const LIMIT = 50;

/** The rooms that have members or messages. */
export class Rooms {
  #pages = new Pages();
  #rows = new Rows($('rooms-list'), row, $('rooms-title'));

  /** @param {() => void} again looks at once */
  constructor(again) {
    const search = () => {
      this.#pages.first();
      again();
    };
    $('prefix').addEventListener('input', search);
    $('find-room').addEventListener('submit', (event) => {
      event.preventDefault();
      search();
    });
    $('rooms-before').addEventListener('click', () => (this.#pages.before(), again()));
    $('rooms-next').addEventListener('click', () => (this.#pages.next(), again()));
  }

  /** Asks and shows. */
  async look() {
    const asked = this.#asked();
    try {
      const page = await get('api/rooms', asked);
      // Something else was asked for meanwhile.
      if (JSON.stringify(asked) === JSON.stringify(this.#asked())) this.#show(page);
    } catch (error) {
      setText($('rooms-problem'), error.message);
      throw error;
    }
  }

  /** Shows nothing more. */
  clear() {
    for (const id of ['rooms-sum', 'rooms-problem']) setText($(id), '');
    $('rooms-pages').hidden = true;
    this.#pages.first();
    this.#rows.show([]);
  }

  #asked() {
    return { prefix: $('prefix').value.trim().toLowerCase(), after: this.#pages.cursor, limit: LIMIT };
  }

  #show({ rooms, more }) {
    const last = rooms.at(-1)?.room ?? '';
    this.#pages.shown(more ? last : '');
    const { number } = this.#pages;
    setText($('rooms-problem'), '');
    setText($('rooms-sum'), rooms.length === 0 ? 'None' : `${rooms.length}${more ? '+' : ''}${number > 1 ? ' on this page' : ''}`);
    setText($('rooms-page'), `Page ${number}`);
    $('rooms-pages').hidden = number === 1 && !more;
    $('rooms-before').disabled = number === 1;
    $('rooms-next').disabled = !more || last === '';
    this.#rows.show(rooms.map((room) => [room.room, room]));
  }
}

function row({ room }) {
  const [members, last] = ['Members', 'Last activity'].map((label) => element('td', { role: 'cell', data: { label } }));
  const link = element('a', { href: `./#${room}` }, room);
  const node = element('tr', { role: 'row', data: { room } }, element('td', { role: 'cell', data: { label: 'Room' } }, link), members, last);
  const show = ({ members: count, lastTs }) => {
    setText(members, String(count));
    setText(last, lastTs === null ? 'no message' : ago(lastTs, Date.now()));
  };
  return { node, show };
}
