import { $, setText } from '../dom.js';
import { HubbubError } from '../errors.js';
import { get } from './api.js';
import { Bans } from './bans.js';
import { Events } from './events.js';
import { Gate } from './gate.js';
import { Instances } from './instances.js';
import { Poller } from './poller.js';
import { Rooms } from './rooms.js';
import { Sessions } from './sessions.js';
import { duration } from './units.js';

const TIMERS = { set: (then, ms) => setTimeout(then, ms), clear: (timer) => clearTimeout(timer), now: () => performance.now() };

const again = () => poller.now();
const gate = new Gate(opened, closed, done);
const instances = new Instances(done);
const sessions = new Sessions(again, done, () => gate.user);
const bans = new Bans(done);
const rooms = new Rooms(again);
const events = new Events(again);
const poller = new Poller(look, changed, TIMERS);

/** Whether who looks is known to be an admin; until then the look is only to find out. */
let open = false;

async function look() {
  try {
    await lookAround();
  } catch (error) {
    throw await explained(error);
  }
}

async function lookAround() {
  if (!open) {
    await gate.check();
    if (!open) return;
  }
  // Each says itself what went wrong with it; without the instances nothing here is news.
  const [seen] = await Promise.allSettled([get('api/instances'), sessions.look(), bans.look(), rooms.look(), events.look()]);
  // Who looked has logged out meanwhile.
  if (!open) return clear();
  if (seen.status === 'rejected') {
    if (['unauthorized', 'forbidden'].includes(seen.reason.code)) {
      open = false;
      return gate.check();
    }
    throw seen.reason;
  }
  instances.show(seen.value);
}

// While the store is away nobody can prove who they are; but how a server is, it tells anybody.
async function explained(error) {
  if (error.code !== 'unavailable') return error;
  const { status, instanceId } = await get('health').catch(() => ({}));
  if (status !== 'degraded') return error;
  instances.degraded(instanceId);
  return new HubbubError(error.code, `${instanceId} is degraded: its store cannot be reached or written, so who asks cannot be known.`, error);
}

function opened() {
  if (open) return;
  open = true;
  poller.forget();
  watch();
}

// Nothing here is for them, so the server is not asked either.
function closed() {
  open = false;
  poller.stop();
  clear();
  changed();
}

// Nothing of it is left in the page for whoever sits there next.
function clear() {
  for (const list of [instances, sessions, bans, rooms, events]) list.clear();
  setText($('result'), '');
}

/** Says what came of something that was done. */
function done(sentence, bad = false) {
  $('result').classList.toggle('bad', bad);
  setText($('result'), sentence);
  again();
}

function changed() {
  const { error, old, ageMs } = poller;
  const stale = error !== null || (open && old);
  const [status, words] = stale ? ['waiting', 'Not up to date']
    : ageMs === null && (open || !gate.asked) ? ['connecting', 'Starting…']
      : open ? ['online', 'Up to date'] : ['idle', 'Not logged in'];
  $('state').dataset.status = status;
  setText($('state'), words);
  $('banner').hidden = !stale;
  $('board').classList.toggle('old', stale);
  setText($('banner-text'), error?.message ?? 'The server has not answered for a while.');
  // Not part of what is read out: nobody wants to hear every second.
  setText($('banner-age'), ageMs === null || !open ? '' : `What you see is ${duration(ageMs)} old.`);
}

// One that nobody looks at, or that is not looked at for long, costs the server nothing.
function watch() {
  if (document.visibilityState === 'visible') poller.start();
  else poller.stop();
}

$('retry').addEventListener('click', again);
document.addEventListener('visibilitychange', watch);
setInterval(() => document.visibilityState === 'visible' && changed(), 1_000);
watch();
