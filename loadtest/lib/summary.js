// What a run comes to, in a few lines, in place of k6's own.

/** Trends that are shown, and what they are of. */
const TIMES = [
  ['chat_ack_time', 'ack'],
  ['chat_delivery_time', 'delivery'],
  ['chat_interruption_time', 'interruption'],
];

/** Counters that are shown only when they are not 0. */
const RARE = [
  ['chat_lost', 'lost'],
  ['chat_gaps', 'gaps'],
  ['chat_duplicates', 'duplicates'],
  ['chat_reordered', 'out of order'],
  ['chat_resets', 'rooms read afresh'],
  ['chat_provisional', 'provisional'],
  ['chat_refused', 'refused commands'],
  ['chat_unwelcomed', 'opened anew without a welcome'],
  ['chat_retried', 'said again'],
  ['chat_stayed_away', 'not back'],
  ['chat_log_wrong', 'wrong in the log'],
];

/**
 * @param {string} title
 * @param {object} data what k6 gives to `handleSummary`
 * @returns {string}
 */
export function summary(title, data) {
  const value = (name, key) => data.metrics[name]?.values[key] ?? 0;
  const count = (name) => value(name, 'count');
  const rate = (name) => `${value(name, 'passes')} of ${value(name, 'passes') + value(name, 'fails')}`;
  const lines = [
    `sockets joined        ${rate('chat_joined')}`,
    `messages acked        ${rate('chat_acked')}`,
    `delivered             ${count('chat_delivered')} live, ${count('chat_caught_up')} on coming back`,
    `senders had in full   ${rate('chat_complete')} (sockets × rooms × senders)`,
    `read back from logs   ${count('chat_log_read')}`,
  ];
  if (count('chat_interruptions') > 0) {
    lines.push(`interrupted           ${count('chat_interruptions')}, of them drained (1012) ${count('chat_drained')}; `
      + `longest ${milliseconds(value('chat_interruption_time', 'max'))}`);
  }
  const rare = RARE.filter(([name]) => count(name) > 0).map(([name, what]) => `${what} ${count(name)}`);
  lines.push(`wrong or rare         ${rare.length > 0 ? rare.join(', ') : 'nothing'}`);
  lines.push(...times(data));
  const failed = failures(data);
  lines.push(failed.length === 0 ? 'PASSED: every threshold holds' : `FAILED: ${failed.join(', ')}`);
  return `\n${title}\n${lines.map((line) => `  ${line}\n`).join('')}\n`;
}

/** The thresholds that do not hold, as `metric: threshold (is …)`. */
export function failures({ metrics }) {
  return Object.entries(metrics).flatMap(([name, { thresholds = {} }]) =>
    Object.entries(thresholds).filter(([, { ok }]) => !ok).map(([text]) => `${name}: ${text}`));
}

function times({ metrics }) {
  return TIMES.flatMap(([name, what]) => {
    const shown = Object.keys(metrics).filter((key) => key === name || key.startsWith(`${name}{`)).sort(byNumber);
    return shown.map((key) => {
      const { med, 'p(95)': p95, 'p(99)': p99, max } = metrics[key].values;
      const part = key.slice(name.length).replace(/[{}]/g, '');
      const figures = [['median', med], ['p95', p95], ['p99', p99], ['max', max]];
      return `${`${what} ${part}`.padEnd(22)}${figures.map(([label, ms]) => `${label} ${milliseconds(ms)}`).join(', ')}`;
    });
  });
}

function byNumber(one, other) {
  return one.localeCompare(other, 'en', { numeric: true });
}

function milliseconds(ms) {
  return ms === undefined ? '–' : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
