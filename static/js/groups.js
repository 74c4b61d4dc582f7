/** Messages of one author closer than this stand under one name, milliseconds. */
const GROUP_MS = 5 * 60_000;
const DAY_MS = 86_400_000;

/**
 * How a message stands to the one shown before it.
 * @param {import('./timeline.js').Message} message
 * @param {import('./timeline.js').Message | null} before
 * @returns {{newDay: boolean, follows: boolean}}
 */
export function stand(message, before) {
  const newDay = before === null || dayOf(before.ts) !== dayOf(message.ts);
  const follows = !newDay && before.from.id === message.from.id && before.from.name === message.from.name
    && message.ts - before.ts < GROUP_MS && !message.replyTo;
  return { newDay, follows };
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const DAY_OF_YEAR = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });

/** @param {number} ts milliseconds since 1970 @returns {string} the time of day */
export const timeOf = (ts) => CLOCK.format(ts);

/** @param {number} ts @param {number} now both milliseconds since 1970 @returns {string} the day as people say it */
export function nameOfDay(ts, now) {
  if (dayOf(ts) === dayOf(now)) return 'Today';
  if (dayOf(ts) === dayOf(now - DAY_MS)) return 'Yesterday';
  return Math.abs(now - ts) < 300 * DAY_MS ? DAY.format(ts) : DAY_OF_YEAR.format(ts);
}

const dayOf = (ts) => new Date(ts).toDateString();
