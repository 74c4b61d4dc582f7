import { $, element, setText } from '../dom.js';
import { get } from './api.js';
import { Rows } from './rows.js';
import { ago } from './units.js';

/** Those that are asked for, of each kind. */
const LIMIT = 100;

const KINDS = { refusal: 'Refusal', authentication: 'Failed proof', fault: 'Fault' };

/** What was refused, who failed to prove themselves, and what went wrong, on all instances. */
export class Events {
  #rows = new Rows($('events-list'), row, $('events-title'));

  /** @param {() => void} again looks at once */
  constructor(again) {
    $('kind').addEventListener('change', again);
  }

  /** Asks and shows. */
  async look() {
    // The server picks those of the kind: more of another than are asked for do not hide them.
    const kind = $('kind').value;
    try {
      const seen = await get('api/events', { all: true, kind, limit: LIMIT });
      // Something else was asked for meanwhile.
      if (kind === $('kind').value) this.#show(seen);
    } catch (error) {
      setText($('events-problem'), error.message);
      throw error;
    }
  }

  /** Shows nothing more. */
  clear() {
    for (const id of ['events-sum', 'events-problem']) setText($(id), '');
    this.#rows.show([]);
  }

  #show({ events, missing }) {
    setText($('events-problem'), missing.length ? `No answer from ${missing.join(', ')}: what it recorded is not shown.` : '');
    setText($('events-sum'), events.length === 0 ? 'None' : `the last ${events.length}`);
    this.#rows.show(keyed(events));
  }
}

/**
 * Gives each record a key that stays its own while it is repeated.
 * @param {object[]} events
 * @returns {[string, object][]}
 */
export function keyed(events) {
  const seen = new Map();
  return events.map((event) => {
    const key = JSON.stringify([event.instance, event.firstTs, event.kind, event.code, event.user, event.address, event.detail]);
    const before = seen.get(key) ?? 0;
    seen.set(key, before + 1);
    return [`${before} ${key}`, event];
  });
}

function row({ kind, code, detail, user, address, instance }) {
  const cell = (label, ...children) => element('td', { role: 'cell', data: { label } }, ...children);
  const [time, times] = [element('time'), element('small')];
  const node = element('tr', { role: 'row', data: { kind } },
    cell('When', time, ' ', times), cell('Kind', KINDS[kind] ?? kind),
    cell('What', element('span', { dir: 'auto' }, detail), ' ', code ? element('small', {}, code) : null),
    cell('From', [user, address].filter(Boolean).join(', ') || '–'), cell('Instance', instance));
  const show = ({ ts, count }) => {
    time.dateTime = new Date(ts).toISOString();
    time.title = new Date(ts).toLocaleString();
    setText(time, ago(ts, Date.now()));
    setText(times, count > 1 ? `${count} times` : '');
  };
  return { node, show };
}
