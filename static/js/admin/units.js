const BYTES = [['GB', 1e9], ['MB', 1e6], ['kB', 1e3]];
const TIMES = [['d', 86_400_000], ['h', 3_600_000], ['min', 60_000], ['s', 1_000]];

/** What is not known. */
export const NOTHING = '–';

/** A number with as many digits as say something. @param {number} value @returns {string} */
const short = (value) => (value >= 99.95 || Number.isInteger(value) ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2));

/** @param {number | null | undefined} value @returns {string} */
export const count = (value) => (value === null || value === undefined ? NOTHING : String(Math.round(value)));

/** @param {number | null | undefined} value of 1 @returns {string} */
export const percent = (value) => (value === null || value === undefined ? NOTHING : `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %`);

/** @param {number | null | undefined} value @returns {string} */
export function bytes(value) {
  if (value === null || value === undefined) return NOTHING;
  const [unit, size] = BYTES.find(([, least]) => value >= least) ?? ['B', 1];
  return `${short(value / size)} ${unit}`;
}

/** @param {number | null | undefined} ms a short time @returns {string} */
export const millis = (ms) => (ms === null || ms === undefined ? NOTHING : ms < 1_000 ? `${short(ms)} ms` : `${short(ms / 1_000)} s`);

/** @param {number} perSecond @returns {string} */
export const rate = (perSecond) => (perSecond === null || perSecond === undefined ? NOTHING : `${short(perSecond)}/s`);

/** A time that passed, in its two largest units. @param {number} ms @returns {string} */
export function duration(ms) {
  const at = TIMES.findIndex(([, size]) => ms >= size);
  if (at < 0) return '0 s';
  const [unit, size] = TIMES[at];
  const whole = Math.floor(ms / size);
  const next = TIMES[at + 1];
  const rest = next ? Math.floor((ms % size) / next[1]) : 0;
  return rest > 0 && whole < 10 ? `${whole} ${unit} ${rest} ${next[0]}` : `${whole} ${unit}`;
}

/** @param {number | null} at @param {number} now @returns {string} */
export const ago = (at, now) => (at === null ? NOTHING : now - at < 1_000 ? 'now' : `${duration(now - at)} ago`);

/** @param {number} value @param {string} one @param {string} [many] @returns {string} */
export const plural = (value, one, many = `${one}s`) => `${value} ${value === 1 ? one : many}`;
