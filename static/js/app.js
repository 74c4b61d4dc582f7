import { Account, NAME_KEY } from './account.js';
import { Announcer } from './announcer.js';
import { HubbubClient, PAGE_TIMERS } from './client.js';
import { Composer } from './composer.js';
import { isRoom, neighbour } from './directory.js';
import { $, setText } from './dom.js';
import { Drawers } from './drawers.js';
import { LogView } from './log.js';
import { Markers } from './markers.js';
import { mentions } from './mentions.js';
import { Pacer } from './pacer.js';
import { Pending } from './pending.js';
import { People } from './people.js';
import { Reading } from './reading.js';
import { isText, match } from './shortcuts.js';
import { RoomList } from './sidebar.js';
import { Status } from './status.js';
import { SafeStorage, pageStorage, tabStorage } from './storage.js';
import { Typing } from './typing.js';
import { pageTitle } from './unread.js';

const HOME = 'global';
/** Messages of history read at once. */
const PAGE = 200;
/** Messages back whose authors are offered first where somebody is to be named. */
const NAMED = 200;
/** How long after the first room the rest of the page is asked for, at the earliest, milliseconds. */
const REST_OF_PAGE_MS = 1_500;

const storage = new SafeStorage(pageStorage());
const url = new URL('chat', location.href);
url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
url.search = url.hash = '';
const client = new HubbubClient(url.href, { name: storage.get(NAME_KEY) });

/** The room in view. */
let current = '';
/** What came while it was provisional, and comes again when it is stored. */
const told = new Set();
/** Whether the rest of the page is there, or about to come. */
let complete = false;
let completion = null;

const pacer = new Pacer(draw);
const redraw = () => pacer.request();
const status = new Status(client);
const rooms = new RoomList();
const people = new People();
const drawers = new Drawers();
const reading = new Reading(client, new Markers(storage), PAGE_TIMERS);
const typing = new Typing((sentence) => setText($('typing'), sentence), PAGE_TIMERS);
const announcer = new Announcer((sentence) => setText($('announce'), sentence), PAGE_TIMERS);
const log = new LogView({ draw: redraw, older: () => tell(client.history(current, { limit: PAGE })), act });
const pending = new Pending({ retry, discard: (key) => client.discard(key) });
const composer = new Composer({
  send(text, replyTo) {
    const waiting = client.outbox.length;
    const sent = tell(client.send(current, text, { replyTo }));
    log.toEnd();
    // What the outbox took stays there, whatever becomes of it.
    return client.outbox.length > waiting ? Promise.resolve() : sent;
  },
  edit: (message, text) => tell(client.edit(current, message.id, text)),
  typing: () => client.typing(current),
  lastOwn: () => client.room(current)?.timeline.messages.findLast(({ from, deleted, provisional }) => from.id === client.user?.id && !deleted && !provisional),
}, new SafeStorage(tabStorage()));
new Account(client, storage);

function draw() {
  const room = client.room(current);
  status.show(room);
  people.show(room?.presence ?? null, client.user?.id);
  if (room) drawRoom(room);
  else noRoom();
  // After the room in view: what is seen there is not unread.
  const counts = client.rooms.map((each) => ({ name: each.name, ...reading.unread(each) }));
  const total = counts.reduce((sum, { count, mentions: called }) => ({ count: sum.count + count, mentions: sum.mentions + called }), { count: 0, mentions: 0 });
  rooms.show(counts, current);
  document.title = pageTitle(current, total);
}

function drawRoom(room) {
  const items = client.outbox.filter((item) => item.room === current);
  pending.show(unstored(items, room));
  log.show(room, client.user, reading.divider);
  $('empty').hidden = !room.live || !room.timeline.position || room.timeline.messages.length + items.length > 0;
  if (looking() && log.atEnd && room.live) reading.seen(room);
}

// It was refused; what waits for it can be discarded.
function noRoom() {
  log.clear();
  pending.show(client.outbox.filter((item) => item.room === current));
  $('empty').hidden = true;
}

// The room may have been refused before.
function retry(key) {
  tell(client.join(current));
  client.retry(key);
}

// Its event may be there before the answer to it.
function unstored(items, { timeline }) {
  if (items.length === 0) return items;
  const mine = new Set(timeline.messages.filter(({ from }) => from.id === client.user?.id).map(({ key }) => key));
  return items.filter(({ key }) => !mine.has(key));
}

// What most visits never need is no part of the first page. It comes as soon as there is nothing else to do, so that it
// is there when the network is not.
const dialogs = () => import('./dialogs.js');
let picker = null;
let settings = null;
const pick = async (beside, then) => (picker ??= new (await import('./picker.js')).Picker()).open(beside, then);
const showSettings = async () => (settings ??= new (await import('./settings.js')).Settings(storage)).open();
const showHelp = async () => (await dialogs()).showHelp();
const sure = async (message) => (await dialogs()).confirmed('Delete this message?', message.text);

// It comes with the settings.
const mentioned = (message) => import('./notify.js').then(({ notify }) => notify(storage, message, () => reading.has(message)), () => {});

async function restOfPage() {
  const parts = [import('./completion.js'), dialogs(), import('./picker.js'), import('./settings.js')];
  const came = await Promise.allSettled(parts);
  const [{ value: module }] = came;
  if (module) completion ??= new module.Completion(nameable);
  // Of a server that is just away it is asked for again with the next room, or the same when it is back.
  complete = came.every(({ status: of }) => of === 'fulfilled');
}

// Who spoke last is who is answered.
function nameable() {
  const spoke = Array.from(client.room(current)?.timeline.messages.slice(-NAMED).reverse() ?? [], ({ from }) => from);
  const here = people.users.toSorted((a, b) => a.name.localeCompare(b.name));
  return [...spoke, ...here].filter(({ id }) => id !== client.user?.id);
}

const looking = () => document.visibilityState === 'visible' && document.hasFocus();

let problem = '';
const show = (text) => setText($('problem'), (problem = text));

// Shows what went wrong, until something goes right.
function tell(promise) {
  promise.then(() => $('problem').textContent === problem && show(''), ({ code, message }) => {
    // Without a code it is a part of the page that could not be loaded; some browsers do not ask for it again.
    const missing = client.state.status === 'online' ? 'A part of this page could not be loaded. Reload it once the server answers.' : 'The server cannot be reached.';
    if (code !== 'discarded') show(code ? message : missing);
  });
  return promise;
}

function act(action, message, detail) {
  const has = (emoji) => client.room(current)?.timeline.find(message.id)?.reactions.some((each) => each.emoji === emoji && each.mine);
  const toggle = (emoji) => tell(client.react(current, message.id, emoji, !has(emoji)));
  switch (action) {
    case 'react': return tell(pick(detail, toggle));
    case 'toggle': return toggle(detail);
    case 'reply': return composer.reply(message);
    case 'edit': return composer.edit(message);
    case 'delete': return sure(message).then((yes) => yes && tell(client.remove(current, message.id)), () => {});
    default: return $('text').focus();
  }
}

function enter(name) {
  if (name !== current) {
    current = name;
    setText($('title'), `# ${name}`);
    show('');
    typing.clear();
    announcer.clear();
    setText($('announce'), `# ${name}`);
    // The link that was pressed goes to one's own rooms.
    if ($('known').contains(document.activeElement)) $('title').focus();
    people.reset({ users: [] });
    composer.switch(name);
  }
  tell(client.join(name));
  const room = client.room(name);
  reading.enter(room);
  if (room?.live) listPeople();
  remember();
  drawers.close();
  redraw();
}

function listPeople() {
  const room = current;
  client.who(room, { limit: 200 }).then((who) => {
    if (room !== current) return;
    people.reset(who);
    people.heard(client.user); // the server may still know the name from before
    redraw();
  }, () => {});
}

const remember = () => storage.set('hubbub.rooms', client.rooms.map(({ name }) => name).join(' '));
const remembered = () => (storage.get('hubbub.rooms') ?? '').split(' ').filter(isRoom);

// The address names the room in view: it can be linked to, and the back button works.
function follow() {
  const name = location.hash.slice(1);
  enter(isRoom(name) ? name : remembered()[0] ?? HOME);
}

function go(name) {
  if (location.hash === `#${name}`) enter(name);
  else location.hash = name;
}

function leave(name) {
  client.leave(name).catch(() => {});
  remember();
  if (name === current) go(client.rooms.at(0)?.name ?? HOME);
  redraw();
}

const SHORTCUTS = {
  help: showHelp,
  'room-before': () => go(neighbour(client.rooms.map(({ name }) => name), current, -1)),
  'room-after': () => go(neighbour(client.rooms.map(({ name }) => name), current, 1)),
  'find-room'() {
    drawers.showRooms();
    $('room').focus();
  },
  messages: () => log.focus(),
  write: () => $('text').focus(),
};

function pressed(event) {
  if (document.querySelector('dialog[open]')) return;
  const { target } = event;
  const inMessage = target.matches('#log > li') && !log.pointedAt;
  const does = match(event, { inMessage, inField: target.matches('input, textarea') });
  // Who clicked somewhere and then types means the message box.
  if (!does && !inMessage && target.matches('body, #log > li') && isText(event)) return $('text').focus();
  if (!does) return;
  event.preventDefault();
  if (SHORTCUTS[does]) SHORTCUTS[does]();
  else log.key(does);
}

for (const name of ['welcome', 'edited', 'deleted', 'reaction', 'presence', 'notice', 'outbox', 'read']) client.on(name, redraw);
client.on('state', ({ status: now }) => {
  if (now !== 'online') {
    typing.clear();
    people.reset({ users: [] }); // who is there now, nobody here knows
  }
  redraw();
});
client.on('welcome', ({ user }) => {
  reading.open(user.id);
  for (const { room, state } of client.outbox) if (state !== 'failed') client.join(room); // left by an earlier page, or another tab
  rooms.refresh();
});
client.on('joined', ({ room }) => {
  reading.joined(client.room(room), room === current);
  if (!complete) setTimeout(() => (globalThis.requestIdleCallback ?? setTimeout)(restOfPage), REST_OF_PAGE_MS);
  complete = true;
  if (room === current) listPeople();
  redraw();
});
client.on('entered', ({ room, users }) => room === current && (people.enter(users), redraw()));
client.on('left', ({ room, users }) => room === current && (people.leave(users), redraw()));
client.on('typing', ({ room, user }) => room === current && user.id !== client.user?.id && typing.start(user));
client.on('message', (message) => {
  const own = message.from.id === client.user?.id;
  if (told.delete(message.id)) return redraw();
  if (message.provisional) told.add(message.id);
  if (message.room === current) {
    typing.stop(message.from.id);
    people.heard(message.from);
    if (!own) announcer.add(message);
  }
  if (!own && mentions(message.text, client.user?.name)) mentioned(message);
  redraw();
});
client.on('error', ({ message }) => {
  show(message);
  remember();
  redraw();
});

$('join').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = $('room').value.toLowerCase();
  event.target.reset();
  go(name);
  $('text').focus();
});
$('leave').addEventListener('click', () => leave(current));
// As a link it would go to the room of that name.
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  $('text').focus();
});
$('show-help').addEventListener('click', () => tell(showHelp()));
$('show-settings').addEventListener('click', () => tell(showSettings()));
addEventListener('hashchange', follow);
addEventListener('keydown', pressed);
addEventListener('focus', () => (rooms.refresh(), redraw()));
// A page that is kept for the back button keeps its connection open in some browsers, and nobody is there.
addEventListener('pagehide', ({ persisted }) => persisted && client.state.status !== 'stopped' && client.close());
addEventListener('pageshow', ({ persisted }) => persisted && client.state.status === 'idle' && client.connect());
addEventListener('blur', () => reading.away(client.room(current)));
addEventListener('storage', ({ key, newValue }) => {
  // Sent or given up in another tab: here too. Not what another has only found out whose it is.
  if (key?.startsWith('hubbub.outbox.') && !key.startsWith('hubbub.outbox./') && newValue === null) client.discard(key.slice(key.lastIndexOf('/') + 1));
  if (key === 'hubbub.rooms') {
    const kept = remembered();
    for (const name of kept) client.join(name);
    for (const { name } of client.rooms) if (name !== current && !kept.includes(name)) client.leave(name).catch(() => {});
  }
  redraw(); // or a marker, which draw looks up
});

for (const name of remembered()) client.join(name);
follow();
client.connect();
if (matchMedia('(hover: hover)').matches) $('text').focus();
