import { Account } from './account.js';
import { HubbubClient } from './client.js';
import { Composer } from './composer.js';
import { $, element } from './dom.js';
import { LogView } from './log.js';
import { People, RoomList } from './sidebar.js';
import { Status } from './status.js';
import { SafeStorage, pageStorage } from './storage.js';
import { Typing } from './typing.js';

const HOME = 'global';
const ROOM = /^[a-z0-9][a-z0-9._-]{0,63}$/;

const storage = new SafeStorage(pageStorage());
const url = new URL('chat', location.href);
url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
url.search = url.hash = '';
const client = new HubbubClient(url.href, { name: storage.get('hubbub.name') });

const status = new Status(client);
const rooms = new RoomList();
const people = new People();
const typing = new Typing();
const log = new LogView({
  reply: (message) => composer.reply(message),
  edit: (message) => composer.edit(message),
  remove: (message) => confirm('Delete this message?') && tell(client.remove(current, message.id)),
  react: (message, emoji, on) => tell(client.react(current, message.id, emoji, on)),
  retry: (key) => client.retry(key),
  discard: (key) => client.discard(key),
});
const composer = new Composer({
  send: (text, replyTo) => tell(client.send(current, text, { replyTo })),
  edit: (message, text) => tell(client.edit(current, message.id, text)),
  typing: () => client.typing(current),
  lastOwn: () => client.room(current)?.timeline.messages.findLast(({ from, deleted }) => from.id === client.user?.id && !deleted),
});
new Account(client);

/** The room in view. */
let current = '';
let drawing = false;
let wanted = null;

// Many events may come in one go: the page is drawn once, with the next frame.
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const room = client.room(current);
    status.show(room);
    rooms.show(client.rooms.map(({ name }) => name), current);
    people.count(room?.presence ?? null);
    if (room) log.show(room, client.outbox.filter((item) => item.room === current), client.user);
  });
}

// Shows what went wrong, until something goes right.
function tell(promise) {
  promise.then(() => ($('problem').textContent = ''), (error) => ($('problem').textContent = error.message));
}

function enter(name) {
  current = name;
  $('title').textContent = `# ${name}`;
  document.title = `${name} · Hubbub`;
  typing.clear();
  people.reset({ users: [] });
  tell(client.join(name));
  if (client.room(name)?.live) listPeople();
  remember();
  draw();
}

function listPeople() {
  const room = current;
  client.who(room, { limit: 200 }).then((who) => room === current && people.reset(who), () => {});
}

const remember = () => storage.set('hubbub.rooms', client.rooms.map(({ name }) => name).join(' '));

// The address names the room in view: it can be linked to, and the back button works.
function follow() {
  const name = location.hash.slice(1);
  enter(ROOM.test(name) ? name : HOME);
}

// A resumed guest keeps the name in its token; where the server does not take the new one, a new
// guest gets it.
function rename(name) {
  wanted = name || null;
  storage.set('hubbub.name', name);
  client.connect({ name });
}

function checkName({ user }) {
  const name = wanted;
  wanted = null;
  if (!name || user.role !== 'guest' || user.name.startsWith(name.normalize('NFKC'))) return;
  client.forget();
  client.connect({ name });
}

async function suggestRooms() {
  try {
    const { rooms: known } = await (await fetch('api/rooms?limit=50')).json();
    $('known').replaceChildren(...known.map(({ room, members }) => element('option', { value: room, label: `${members} here` })));
  } catch {
    // Only suggestions: any name can be typed.
  }
}

for (const name of ['welcome', 'joined', 'message', 'edited', 'deleted', 'reaction', 'presence', 'notice', 'outbox']) client.on(name, draw);
client.on('state', ({ status: now }) => {
  if (now !== 'online') {
    typing.clear();
    people.reset({ users: [] }); // who is there now, nobody here knows
  }
  draw();
});
client.on('welcome', checkName);
client.on('joined', ({ room }) => room === current && listPeople());
client.on('entered', ({ room, users }) => room === current && people.enter(users));
client.on('left', ({ room, users }) => room === current && people.leave(users));
client.on('typing', ({ room, user }) => room === current && user.id !== client.user?.id && typing.start(user));
client.on('message', ({ room, from }) => (room === current ? typing.stop(from.id) : rooms.add(room)));
client.on('error', ({ message }) => {
  $('problem').textContent = message;
  remember();
  draw();
});

$('guest').addEventListener('submit', (event) => {
  event.preventDefault();
  $('name').blur();
});
$('name').addEventListener('change', () => rename($('name').value.trim()));
$('join').addEventListener('submit', (event) => {
  event.preventDefault();
  location.hash = $('room').value;
  event.target.reset();
  $('text').focus();
});
$('room').addEventListener('focus', suggestRooms);
$('leave').addEventListener('click', () => {
  client.leave(current).catch(() => {});
  remember();
  const next = client.rooms.at(0)?.name ?? HOME;
  if (location.hash === `#${next}`) enter(next);
  else location.hash = next;
});
$('older').addEventListener('click', () => {
  const page = client.history(current);
  page.then(draw, () => {});
  tell(page);
});
addEventListener('hashchange', follow);

for (const name of (storage.get('hubbub.rooms') ?? '').split(' ').filter((each) => ROOM.test(each))) client.join(name);
follow();
client.connect();
$('text').focus();
