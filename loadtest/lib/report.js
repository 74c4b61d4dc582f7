// Where the summary goes: to the standard output, and as JSON to the file SUMMARY names.

import { SUMMARY } from './settings.js';
import { summary } from './summary.js';

/** For `handleSummary`. @param {string} title */
export function report(title) {
  return (data) => ({ stdout: summary(title, data), ...(SUMMARY && { [SUMMARY]: JSON.stringify(data, null, 2) }) });
}

/** What the trends of k6 are asked for, so that the summary has it. */
export const STATS = ['med', 'p(95)', 'p(99)', 'max'];
