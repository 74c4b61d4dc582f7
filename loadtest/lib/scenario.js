// The options that all scripts share.

import { STATS } from './report.js';
import { PATIENCE_MS } from './settings.js';

/**
 * @param {object} of
 * @param {number} of.vus each runs its sockets to the end, once
 * @param {number} of.lastsMs what the run takes at most if all goes well
 * @param {object} of.thresholds
 * @param {object} [of.scenarios] beside that of the sockets
 */
export function options({ vus, lastsMs, thresholds, scenarios = {} }) {
  const maxDuration = `${Math.ceil((lastsMs + 2 * PATIENCE_MS) / 1_000) + 30}s`;
  return {
    scenarios: {
      chat: { executor: 'per-vu-iterations', vus, iterations: 1, maxDuration, gracefulStop: '0s' },
      ...scenarios,
    },
    setupTimeout: '60s',
    teardownTimeout: '10m',
    summaryTrendStats: STATS,
    thresholds,
  };
}
