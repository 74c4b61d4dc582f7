import { $, element, setText } from '../dom.js';
import { call } from './api.js';
import { confirmed } from './dialog.js';
import { History } from './history.js';
import { Rows } from './rows.js';
import { Spark } from './spark.js';
import { NOTHING, bytes, count, duration, millis, percent, plural, rate } from './units.js';

/** What is drawn of an instance: its name, how it is written, and what reaches the top of its chart at least. */
const CHARTS = [
  ['clients', 'Clients', count, 10],
  ['cpu', 'CPU', percent, 0.1],
  ['memory', 'Memory', bytes, 0],
  ['latency', 'Latency', millis, 1],
  ['messages', 'Messages', rate, 1],
];

/** What a status means. */
const STATUS = {
  healthy: 'Healthy',
  degraded: 'Degraded: its store cannot be reached or written',
  draining: 'Draining: takes nobody in, and will stop',
  silent: 'Does not answer',
};

/** The instances, and how each does. */
export class Instances {
  #history = new History();
  #rows;
  #done;
  #answering = '';

  /** @param {(sentence: string, bad?: boolean) => void} done says what came of it */
  constructor(done) {
    this.#done = done;
    this.#rows = new Rows($('instances-list'), (item) => this.#card(item), $('instances-title'));
  }

  /** @param {object} list what `GET /api/instances` answered */
  show({ instanceId, distributedMode, isDegraded, instances }) {
    this.#answering = instanceId;
    this.#history.add(instances);
    const clients = instances.reduce((sum, { connectedClients }) => sum + connectedClients, 0);
    setText($('instances-sum'), `${plural(instances.length, 'instance')}, ${plural(clients, 'client')}`);
    const silent = instances.filter(({ vitals }) => !vitals).map(({ instanceId: id }) => id);
    const parts = [
      ...(isDegraded ? [distributedMode ? `${instanceId} cannot reach Redis: what the other instances do is not known here.` : 'The store cannot be written.'] : []),
      ...(silent.length ? [`No answer from ${silent.join(', ')}: what is shown of it is not complete.`] : []),
    ];
    setText($('instances-problem'), parts.join(' '));
    this.#rows.show(instances.map((instance) => [instance.instanceId, instance]));
  }

  /** Shows nothing more. */
  clear() {
    for (const id of ['instances-sum', 'instances-problem']) setText($(id), '');
    this.#rows.show([]);
  }

  /** Marks one that cannot say more of itself. @param {string} instanceId */
  degraded(instanceId) {
    for (const card of $('instances-list').children) {
      if (card.dataset.instance !== instanceId) continue;
      card.dataset.status = 'degraded';
      setText(card.querySelector('.status'), STATUS.degraded);
    }
  }

  #card({ instanceId }) {
    const status = element('span', { className: 'status' });
    const here = element('span', { className: 'faint' });
    const beat = element('dd');
    const about = element('p', { className: 'faint about' });
    const drain = element('button', { type: 'button', className: 'quiet' }, 'Drain');
    drain.setAttribute('aria-label', `Drain ${instanceId}`);
    const charts = CHARTS.map(([of, label, write, least]) => {
      const [spark, now, most] = [new Spark(least), element('span'), element('small')];
      return { of, write, spark, now, most, row: [element('dt', {}, label), element('dd', { data: { of } }, now, ' ', most, spark.node)] };
    });
    const node = element('li', { className: 'card', data: { instance: instanceId } },
      element('div', { className: 'card-head' }, element('h3', {}, instanceId), here),
      element('p', {}, status),
      element('dl', {}, element('dt', {}, 'Heartbeat'), beat, ...charts.flatMap(({ row }) => row)),
      about, drain);
    let shown;
    drain.addEventListener('click', () => this.#drain(shown));
    const show = (instance) => {
      shown = instance;
      const { vitals, heartbeatAgeMs, connectedClients } = instance;
      const how = vitals?.status ?? 'silent';
      node.dataset.status = how;
      setText(status, STATUS[how] ?? how);
      setText(here, instanceId === this.#answering ? 'answers this page' : '');
      setText(beat, `${millis(heartbeatAgeMs)} ago`);
      drain.disabled = how === 'draining';
      const points = this.#history.of(instanceId);
      for (const { of, write, spark, now, most } of charts) {
        const values = points.map((point) => point[of]);
        const last = values.at(-1) ?? null;
        const known = values.filter((value) => value !== null);
        setText(now, of === 'clients' ? write(last ?? connectedClients) : write(last));
        setText(most, note(of, vitals, known, write));
        spark.show(values);
      }
      setText(about, vitals ? `${vitals.hostname}, version ${vitals.version}, up ${duration(vitals.uptimeMs)}` : NOTHING);
    };
    return { node, show };
  }

  async #drain({ instanceId, connectedClients }) {
    const sure = await confirmed({
      title: `Drain ${instanceId}?`,
      text: `It takes nobody in any more, sends ${plural(connectedClients, 'client')} elsewhere bit by bit, and then stops. This cannot be undone.`,
      yes: 'Drain',
    });
    if (!sure) return;
    try {
      await call('POST', `api/instances/${encodeURIComponent(instanceId)}/drain`);
      this.#done(`${instanceId} drains.`);
    } catch ({ message }) {
      this.#done(`${instanceId} was not drained: ${message}`, true);
    }
  }
}

function note(of, vitals, known, write) {
  if (of === 'cpu' && known.length) return `of one processor; most ${write(Math.max(...known))}`;
  if (of === 'latency' && vitals?.latencyCount) return `${known.length ? `most ${write(Math.max(...known))}; ` : ''}since the start ${write(vitals.latencySumMs / vitals.latencyCount)}`;
  return known.length ? `most ${write(Math.max(...known))}` : '';
}
