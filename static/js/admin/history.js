/** Looks that are kept: two minutes. */
const KEPT = 60;
/** Over less than this, milliseconds, a rate says nothing: processor time is told in hundredths of a second. */
const LEAST_MS = 900;

/**
 * @typedef {object} Point what one look told; null where it cannot be known
 * @property {number | null} clients
 * @property {number | null} cpu processors used since the look before
 * @property {number | null} memory bytes
 * @property {number | null} latency mean since the look before, milliseconds; null when there was no message
 * @property {number | null} messages a second since the look before
 */

/** What was seen of each instance lately. Instances count since their start; here it becomes how much lately. */
export class History {
  #instances = new Map();

  /** @param {{instanceId: string, startedAt: number, vitals: object | null}[]} instances of one look */
  add(instances) {
    const living = new Set(instances.map(({ instanceId }) => instanceId));
    for (const id of this.#instances.keys()) if (!living.has(id)) this.#instances.delete(id);
    for (const { instanceId, startedAt, vitals } of instances) {
      let kept = this.#instances.get(instanceId);
      // One that was started again counts from nothing.
      if (kept?.startedAt !== startedAt) this.#instances.set(instanceId, kept = { startedAt, points: [], last: null });
      if (vitals && kept.last && vitals.uptimeMs - kept.last.uptimeMs < LEAST_MS) continue;
      kept.points.push(point(vitals, kept.last));
      if (kept.points.length > KEPT) kept.points.shift();
      if (vitals) kept.last = vitals;
    }
  }

  /** @param {string} instance @returns {Point[]} oldest first */
  of(instance) {
    return this.#instances.get(instance)?.points ?? [];
  }
}

/** @returns {Point} */
function point(now, before) {
  if (!now) return { clients: null, cpu: null, memory: null, latency: null, messages: null };
  const clients = now.connectedClients;
  const memory = now.memoryBytes ?? null;
  if (!before) return { clients, cpu: null, memory, latency: null, messages: null };
  const ms = now.uptimeMs - before.uptimeMs;
  const measured = now.latencyCount - before.latencyCount;
  return {
    clients,
    memory,
    cpu: now.cpuSeconds === undefined || before.cpuSeconds === undefined ? null : (now.cpuSeconds - before.cpuSeconds) * 1_000 / ms,
    latency: measured > 0 ? (now.latencySumMs - before.latencySumMs) / measured : null,
    messages: (now.messagesPublished - before.messagesPublished) * 1_000 / ms,
  };
}
