import { $, element, roleBadge, setText } from '../dom.js';
import { call, get } from './api.js';
import { confirmed } from './dialog.js';
import { Pages } from './pages.js';
import { Rows } from './rows.js';
import { duration, plural } from './units.js';

/** Rows of a page. */
const LIMIT = 50;
/** Rooms that are named; of more only the number is told. */
const ROOMS_SHOWN = 5;
/** Nobody wants an answer to half a word, milliseconds. */
const TYPING_MS = 250;

/** The open connections of all instances. */
export class Sessions {
  #pages = new Pages();
  #searched = '';
  #rows;
  #me;
  #done;

  /**
   * @param {() => void} again looks at once
   * @param {(sentence: string, bad?: boolean) => void} done says what came of it
   * @param {() => {id: string} | null} me who looks
   */
  constructor(again, done, me) {
    this.#me = me;
    this.#done = done;
    this.#rows = new Rows($('sessions-list'), (item) => this.#row(item), $('sessions-title'));
    let typing;
    const search = () => {
      clearTimeout(typing);
      this.#pages.first();
      again();
    };
    $('q').addEventListener('input', () => {
      clearTimeout(typing);
      typing = setTimeout(search, TYPING_MS);
    });
    $('search').addEventListener('submit', (event) => {
      event.preventDefault();
      search();
    });
    $('sessions-before').addEventListener('click', () => (this.#pages.before(), again()));
    $('sessions-next').addEventListener('click', () => (this.#pages.next(), again()));
  }

  /** Asks and shows. */
  async look() {
    const asked = this.#asked();
    try {
      const page = await get('api/sessions', asked);
      // Something else was asked for meanwhile.
      if (JSON.stringify(asked) === JSON.stringify(this.#asked())) this.#show(page);
    } catch (error) {
      setText($('sessions-problem'), error.message);
      throw error;
    }
  }

  /** Shows nothing more. */
  clear() {
    for (const id of ['sessions-sum', 'sessions-problem', 'found']) setText($(id), '');
    $('sessions-pages').hidden = true;
    this.#pages.first();
    this.#rows.show([]);
  }

  #asked() {
    return { q: $('q').value.trim(), cursor: this.#pages.cursor, limit: LIMIT };
  }

  #show({ sessions, more, cursor = '', missing }) {
    this.#pages.shown(cursor);
    const { number } = this.#pages;
    setText($('sessions-sum'), sessions.length === 0 ? 'None' : `${sessions.length}${more ? '+' : ''}${number > 1 ? ' on this page' : ''}`);
    // Read out once for each search, not with everybody who comes and goes.
    const q = $('q').value.trim();
    if (q !== this.#searched) setText($('found'), `${plural(sessions.length, 'session')}${more ? ' and more' : ''} found`);
    this.#searched = q;
    setText($('sessions-problem'), missing.length ? `No answer from ${missing.join(', ')}: its sessions are not shown.` : '');
    setText($('sessions-page'), `Page ${number}`);
    $('sessions-pages').hidden = number === 1 && !more;
    $('sessions-before').disabled = number === 1;
    $('sessions-next').disabled = !more;
    this.#rows.show(sessions.map((session) => [session.session, session]));
  }

  #row({ session, user, address, instance }) {
    const rooms = cell('Rooms');
    const since = cell('For');
    const kick = button('Kick', `Kick ${user.name}`);
    const ban = button('Ban', `Ban ${user.name}`);
    kick.addEventListener('click', () => this.#remove(user, false));
    ban.addEventListener('click', () => this.#remove(user, true));
    const node = element('tr', { role: 'row', data: { session, user: user.id } },
      cell('User', element('bdi', {}, user.name), ' ', roleBadge(user), ' ', element('small', {}, user.id)),
      cell('Address', address), cell('Instance', instance), rooms, since, cell('Actions', kick, ' ', ban));
    const show = ({ rooms: names, connectedAt }) => {
      const others = names.length - ROOMS_SHOWN;
      setText(rooms, names.length === 0 ? 'none' : `${names.slice(0, ROOMS_SHOWN).join(', ')}${others > 0 ? ` and ${others} more` : ''}`);
      setText(since, duration(Math.max(0, Date.now() - connectedAt)));
    };
    return { node, show };
  }

  async #remove({ id, name }, ban) {
    const self = this.#me()?.id === id ? ' This is you.' : '';
    const answer = await confirmed({
      title: `${ban ? 'Ban' : 'Kick'} ${name}?`,
      text: ban ? `Closes every connection of ${id} and refuses new ones for a time.${self}` : `Closes every connection of ${id}. They may come back at once.${self}`,
      yes: ban ? 'Ban' : 'Kick',
      choose: ban,
    });
    if (!answer) return;
    const ms = ban ? answer.ms : 0;
    try {
      const { closed, missing = [] } = await call('DELETE', `api/users/${encodeURIComponent(id)}/connections?banMs=${ms}`);
      const left = missing.length ? ` No answer from ${missing.join(', ')}: what is open there may stay.` : '';
      this.#done(`${name} was ${ban ? `banned for ${duration(ms)}` : 'kicked'}: ${plural(closed, 'connection')} closed.${left}`, left !== '');
    } catch ({ message }) {
      this.#done(`${name} was not ${ban ? 'banned' : 'kicked'}: ${message}`, true);
    }
  }
}

const cell = (label, ...children) => element('td', { role: 'cell', data: { label } }, ...children);

function button(text, label) {
  const node = element('button', { type: 'button', className: 'quiet' }, text);
  node.setAttribute('aria-label', label);
  return node;
}
