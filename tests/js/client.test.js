import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { HubbubClient } from '../../static/js/client.js';
import { FakeTimers, MemoryStorage, ana, ben, fakeWebSocket, joined, message, settled, welcome } from './support.js';

let timers;
let storage;
let Socket;
let refusal;
let asked;
let client;

const make = (options) =>
  new HubbubClient('ws://host/chat', {
    WebSocket: Socket,
    storage,
    timers,
    random: () => 1,
    fetch: async (url, { headers }) => {
      asked.push({ url, headers });
      if (!refusal) throw new TypeError('unreachable');
      return refusal;
    },
    ...options,
  });
const refuse = (status, code, headers = {}) =>
  new Response(JSON.stringify({ error: { code, message: 'A sentence.' } }), { status, headers });
const server = () => Socket.last;
/** Answers the last command of a type. */
const reply = (type, event) => server().say({ ...event, id: server().got(type).at(-1).id });
/** Connected, in the room `tea`, at the given place. */
const online = (more) => {
  client.join('tea');
  client.connect();
  server().say(welcome());
  reply('join', joined(more));
};
const texts = () => client.room('tea').timeline.messages.map(({ text }) => text);
const ack = (seq, more) => ({ type: 'ack', messageId: `m${seq}`, seq, ts: 1, duplicate: false, ...more });

beforeEach(() => {
  timers = new FakeTimers();
  storage = new MemoryStorage();
  Socket = fakeWebSocket();
  refusal = null;
  asked = [];
  client = make();
});

test('it connects as a new guest, joins by command, and keeps the resume token', async () => {
  client = make({ name: 'Ana B' });
  const room = client.join('tea');
  client.connect();
  assert.equal(server().url, 'ws://host/chat?room=&name=Ana+B');
  assert.deepEqual(server().protocols, ['hubbub.v1']);
  assert.equal(client.state.status, 'connecting');
  server().say(welcome());
  assert.equal(client.state.status, 'online');
  assert.equal(server().got('join')[0].since, undefined);
  reply('join', joined({ seq: 1, entries: [message(1)] }));
  assert.equal((await room).name, 'tea');
  make().connect();
  assert.deepEqual(server().protocols, ['hubbub.v1', 'hubbub.token.resume.1']);
});

test('without a storage a guest is the same after a lost connection, with what was not sent', () => {
  client = make({ storage: null });
  online();
  client.send('tea', 'hello');
  server().end(1006);
  timers.pass(1_000);
  assert.deepEqual(server().protocols, ['hubbub.v1', 'hubbub.token.resume.1']);
  server().say(welcome());
  assert.deepEqual(client.outbox.map(({ text }) => text), ['hello']);
});

test('a JWT goes before the resume token, and may come from a function', async () => {
  storage.setItem('hubbub.token', 'resume.1');
  client = make({ token: async () => 'a.b.c' });
  client.connect();
  await settled();
  assert.deepEqual(server().protocols, ['hubbub.v1', 'hubbub.token.a.b.c']);
});

test('after a lost connection it asks for what it missed and tells it once', () => {
  const told = [];
  client.on('message', ({ seq }) => told.push(seq));
  online({ seq: 1, entries: [message(1)] });
  server().say(message(2));
  server().end(1006);
  assert.equal(client.state.status, 'waiting');
  assert.equal(client.state.retryAt, timers.now() + 1_000);
  timers.pass(1_000);
  server().say(welcome());
  assert.deepEqual(server().got('join')[0].since, { epoch: 'e1', seq: 2 });
  reply('join', joined({ seq: 4, recovered: true, entries: [message(3), message(4)] }));
  server().say(message(4));
  server().say(message(5));
  assert.deepEqual(told, [2, 3, 4, 5]);
  assert.deepEqual(texts(), ['text 1', 'text 2', 'text 3', 'text 4', 'text 5']);
});

test('with more to come it joins again from there, and only then is live', () => {
  online({ seq: 1, entries: [message(1)] });
  server().end(1006);
  timers.pass(1_000);
  server().say(welcome());
  reply('join', joined({ seq: 2, recovered: true, more: true, entries: [message(2)] }));
  assert.equal(client.room('tea').live, false);
  assert.deepEqual(server().got('join').at(-1).since, { epoch: 'e1', seq: 2 });
  reply('join', joined({ seq: 3, recovered: true, entries: [message(3)] }));
  assert.equal(client.room('tea').live, true);
  assert.deepEqual(texts(), ['text 1', 'text 2', 'text 3']);
});

test('a gap makes it join again, once, with its position', () => {
  online({ seq: 1, entries: [message(1)] });
  server().say(message(3));
  server().say(message(4));
  assert.deepEqual(server().got('join').map(({ since }) => since), [undefined, { epoch: 'e1', seq: 1 }]);
  reply('join', joined({ seq: 4, recovered: true, entries: [message(2), message(3), message(4)] }));
  assert.deepEqual(texts(), ['text 1', 'text 2', 'text 3', 'text 4']);
});

test('recovered entries that do not fit are not believed: it joins afresh', () => {
  online({ seq: 1, entries: [message(1)] });
  server().say(message(3));
  reply('join', joined({ seq: 3, recovered: true, entries: [message(3)] }));
  assert.equal(server().got('join').at(-1).since, undefined);
  reply('join', joined({ seq: 3, entries: [message(2), message(3)] }));
  assert.deepEqual(texts(), ['text 2', 'text 3']);
});

test('a new epoch, unasked, replaces the copy', () => {
  online({ seq: 1, entries: [message(1)] });
  server().say(joined({ epoch: 'e2', seq: 1, entries: [message(1, { id: 'n1', text: 'afresh' })] }));
  assert.deepEqual(texts(), ['afresh']);
  server().end(1006);
  timers.pass(1_000);
  server().say(welcome());
  assert.deepEqual(server().got('join')[0].since, { epoch: 'e2', seq: 1 });
});

test('how far one has read says nothing in another epoch', () => {
  online({ seq: 9, read: 9, entries: [message(9)] });
  server().say(joined({ seq: 9, entries: [message(9)] }));
  assert.equal(client.room('tea').read, 9, 'in the same it stays');
  server().say(joined({ epoch: 'e2', seq: 1, entries: [message(1)] }));
  assert.equal(client.room('tea').read, undefined);
});

test('an ack lost on the way: the same key goes again and the message is there once', async () => {
  online();
  const sent = client.send('tea', 'hello');
  const { key } = server().got('message')[0];
  server().end(1006);
  assert.equal(client.outbox[0].state, 'waiting');
  timers.pass(1_000);
  server().say(welcome());
  assert.equal(server().got('message').length, 0, 'not before the room is joined again');
  reply('join', joined({ recovered: true, entries: [] }));
  assert.equal(server().got('message')[0].key, key);
  reply('message', ack(1, { duplicate: true }));
  assert.equal((await sent).duplicate, true);
  assert.deepEqual(client.outbox, []);
});

test('a message found among the missed entries is not sent again', async () => {
  online();
  const sent = client.send('tea', 'hello');
  const { key } = server().got('message')[0];
  server().end(1006);
  timers.pass(1_000);
  server().say(welcome());
  reply('join', joined({ seq: 1, recovered: true, entries: [message(1, { from: ana, key })] }));
  assert.equal(server().got('message').length, 0);
  assert.deepEqual(client.outbox, []);
  assert.equal((await sent).seq, 1);
});

test('event before ack and ack before event are both one message', () => {
  online();
  for (const eventFirst of [true, false]) {
    const seq = eventFirst ? 1 : 2;
    client.send('tea', 'hello');
    const { key } = server().got('message').at(-1);
    const event = message(seq, { from: ana, key });
    if (eventFirst) server().say(event);
    reply('message', ack(seq));
    if (!eventFirst) server().say(event);
    assert.deepEqual(client.outbox, []);
  }
  assert.equal(texts().length, 2);
});

test('somebody else’s message with the same key is not mine', () => {
  online();
  client.send('tea', 'hello');
  server().say(message(1, { from: ben, key: server().got('message')[0].key }));
  assert.equal(client.outbox.length, 1);
});

test('too old to be known by its key: the client asks instead of sending', () => {
  online();
  client.send('tea', 'hello');
  const { key } = server().got('message')[0];
  client.close();
  timers.pass(700_000);
  client.connect();
  server().say(welcome());
  reply('join', joined({ recovered: true, entries: [] }));
  assert.equal(server().got('message').length, 0);
  assert.equal(client.outbox[0].state, 'asks');
  client.retry(key);
  assert.equal(server().got('message')[0].key, key);
});

test('a reload sends what the last page could not', () => {
  online();
  client.send('tea', 'hello');
  const { key } = server().got('message')[0];
  client = make();
  online();
  assert.equal(server().got('message')[0].key, key);
});

test('a temporary refusal waits and keeps the order; a final one is told and kept', async () => {
  online();
  client.send('tea', 'one');
  const two = client.send('tea', 'two');
  reply('message', { type: 'error', code: 'rate_limited', message: 'Slower.', retryAfterMs: 2_000 });
  assert.equal(server().got('message').length, 1);
  timers.pass(2_000);
  reply('message', ack(1));
  assert.deepEqual(server().got('message').map(({ text }) => text), ['one', 'one', 'two']);
  reply('message', { type: 'error', code: 'invalid_text', message: 'No.' });
  await assert.rejects(two, { code: 'invalid_text' });
  assert.equal(client.outbox.at(-1).state, 'failed');
});

test('what waits for a room that was left stays until one is back', () => {
  online();
  client.send('tea', 'one');
  reply('message', { type: 'error', code: 'unavailable', message: 'Wait.', retryAfterMs: 2_000 });
  client.leave('tea');
  timers.pass(2_000);
  assert.equal(server().got('message').length, 1);
  client.join('tea');
  reply('join', joined());
  assert.deepEqual(server().got('message').map(({ text }) => text), ['one', 'one']);
});

test('provisional acks stay in the outbox until the message has a seq; undelivered ones ask', () => {
  online();
  client.send('tea', 'one');
  const { key } = server().got('message')[0];
  reply('message', ack(undefined, { messageId: 'p', provisional: true }));
  server().say(message(undefined, { id: 'p', key, from: ana, text: 'one', provisional: true }));
  assert.equal(client.outbox[0].state, 'provisional');
  server().say(message(1, { id: 'p', key, from: ana, text: 'one' }));
  assert.deepEqual(client.outbox, []);
  assert.deepEqual(texts(), ['one']);
  client.send('tea', 'two');
  reply('message', ack(undefined, { messageId: 'q', provisional: true }));
  server().say({ type: 'notice', kind: 'undelivered', room: 'tea', ids: ['q'] });
  assert.equal(client.outbox[0].state, 'asks');
});

test('draining: it comes back when the server said, counted from the close', () => {
  online();
  server().say({ type: 'notice', kind: 'draining', closeInMs: 4_000, reconnectInMs: 7_000 });
  timers.pass(4_000);
  assert.equal(client.state.status, 'online');
  server().end(1012);
  assert.deepEqual([client.state.reason, client.state.retryAt], ['draining', timers.now() + 7_000]);
  timers.pass(6_999);
  assert.equal(Socket.all.length, 1);
  timers.pass(1);
  assert.equal(Socket.all.length, 2);
});

test('it stays away after final closes and comes back after all others', () => {
  for (const code of [1000, 1002, 1003, 1007, 1009, 4400, 4401, 4403]) {
    client = make();
    online();
    server().end(code);
    assert.equal(client.state.status, 'stopped', `${code}`);
  }
  for (const code of [1001, 1006, 1011, 1012, 1013, 4408, 4413, 4429, 4999]) {
    client = make();
    online();
    server().end(code);
    assert.equal(client.state.status, 'waiting', `${code}`);
  }
});

test('4401: it comes back only with a new token', async () => {
  let token = 'one';
  client = make({ token: () => token });
  client.connect();
  await settled();
  server().say(welcome());
  server().end(4401);
  await settled();
  assert.deepEqual([client.state.status, client.state.reason], ['stopped', 'unauthorized']);
  token = 'two';
  client.connect();
  await settled();
  assert.equal(server().protocols[1], 'hubbub.token.two');
  server().say(welcome());
  token = 'three';
  server().end(4401);
  await settled();
  timers.pass(1_000);
  await settled();
  assert.equal(server().protocols[1], 'hubbub.token.three');
});

test('refused before the upgrade: it asks why and obeys', async () => {
  refusal = refuse(503, 'unavailable', { 'Retry-After': '12' });
  client.connect();
  server().end(1006);
  await settled();
  assert.equal(asked[0].url, 'http://host/api/connect?room=');
  assert.deepEqual([client.state.status, client.state.reason, client.state.message], ['waiting', 'unavailable', 'A sentence.']);
  assert.equal(client.state.retryAt, timers.now() + 12_000);
  refusal = refuse(403, 'forbidden');
  timers.pass(12_000);
  server().end(1006);
  await settled();
  assert.deepEqual([client.state.status, client.state.reason], ['stopped', 'forbidden']);
});

test('an expired resume token is dropped for a new guest; a refused JWT stops', async () => {
  storage.setItem('hubbub.token', 'old');
  refusal = refuse(401, 'unauthorized');
  client.connect();
  server().end(1006);
  await settled();
  assert.deepEqual(asked[0].headers, { Authorization: 'Bearer old' });
  assert.deepEqual(server().protocols, ['hubbub.v1']);
  refusal = refuse(401, 'unauthorized');
  client = make({ token: 'a.b.c' });
  client.connect();
  server().end(1006);
  await settled();
  assert.equal(client.state.status, 'stopped');
});

test('a refused token is forgotten, one that another tab has got meanwhile is not', async () => {
  storage.setItem('hubbub.token', 'old');
  refusal = refuse(401, 'unauthorized');
  client.connect();
  storage.setItem('hubbub.token', 'new');
  server().end(1006);
  await settled();
  assert.deepEqual(server().protocols, ['hubbub.v1', 'hubbub.token.new']);
});

test('a kept token that cannot be a subprotocol is dropped for a new guest', async () => {
  storage.setItem('hubbub.token', 'two words');
  client.connect();
  await settled();
  assert.equal(client.state.status, 'waiting');
  timers.pass(1_000);
  await settled();
  assert.deepEqual(server().protocols, ['hubbub.v1']);
  server().say(welcome());
  assert.equal(storage.getItem('hubbub.token'), 'resume.1');
});

test('a name the server does not take is not asked for again', async () => {
  refusal = refuse(400, 'invalid_argument');
  client.connect({ name: 'A\u200b' });
  server().end(1006);
  await settled();
  assert.deepEqual([client.state.status, client.state.reason, client.state.message], ['stopped', 'invalid_argument', 'A sentence.']);
  timers.pass(60_000);
  assert.equal(Socket.all.length, 1);
  client.connect({ name: null });
  server().say(welcome());
  assert.equal(client.state.status, 'online');
});

test('out of reach it tries ever more slowly, and a connection that holds starts over', async () => {
  const waits = [];
  client.connect();
  for (let at = 0; at < 6; at += 1) {
    server().end(1006);
    await settled();
    waits.push(client.state.retryAt - timers.now());
    timers.pass(waits.at(-1));
  }
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
  server().say(welcome());
  server().end(1006);
  assert.equal(client.state.retryAt - timers.now(), 30_000, 'welcomed and thrown out again is no success');
  timers.pass(30_000);
  server().say(welcome());
  timers.pass(10_000);
  server().end(1006);
  assert.equal(client.state.retryAt - timers.now(), 1_000);
});

test('connect does not wait for the next attempt', () => {
  online();
  server().end(1006);
  client.connect();
  assert.equal(Socket.all.length, 2);
  client.connect();
  assert.equal(Socket.all.length, 2);
});

test('silence: a ping after heartbeat and five seconds, a new connection after five more', () => {
  online();
  timers.pass(29_999);
  assert.equal(server().got('ping').length, 0);
  timers.pass(1);
  assert.equal(server().got('ping').length, 1);
  timers.pass(4_999);
  server().say({ type: 'pong', ts: 1 });
  timers.pass(30_000);
  assert.equal(server().got('ping').length, 2);
  timers.pass(5_000);
  assert.equal(client.state.status, 'waiting');
  assert.equal(server().closed, 'none');
});

test('a dead line is found also when the clock is set back', () => {
  online();
  timers.setClock(-3_600_000);
  timers.pass(30_000);
  assert.equal(server().got('ping').length, 1);
  timers.pass(5_000);
  assert.equal(client.state.status, 'waiting');
});

test('a server that never says welcome is given up', async () => {
  client.connect();
  timers.pass(15_000);
  await settled();
  assert.equal(client.state.status, 'waiting');
});

test('commands reject with the code of the error, or when the line is lost', async () => {
  online({ seq: 1, entries: [message(1)] });
  const edit = client.edit('tea', 'm1', 'mine now');
  reply('edit', { type: 'error', code: 'forbidden', message: 'No.' });
  await assert.rejects(edit, { code: 'forbidden', temporary: false });
  const who = client.who('tea');
  server().end(1006);
  await assert.rejects(who, { code: 'disconnected' });
  await assert.rejects(client.react('tea', 'm1', '👍'), { code: 'disconnected' });
  await assert.rejects(client.send('cake', 'x'), { code: 'not_joined' });
});

test('a text too long for the server is never sent, so that it does not end the connection', async () => {
  online({ seq: 1, entries: [message(1)] });
  const most = '😀'.repeat(4_000);
  client.send('tea', ` ${most}\n`);
  assert.equal(server().got('message')[0].text, most, 'characters are counted, and trimmed as the server does');
  reply('message', ack(2));
  await assert.rejects(client.send('tea', `${most}!`), { code: 'invalid_text', message: /4000.*4001/ });
  await assert.rejects(client.edit('tea', 'm1', `${most}!`), { code: 'invalid_text' });
  assert.deepEqual([server().got('message').length, server().got('edit').length], [1, 0]);
  assert.deepEqual(client.outbox.map(({ state }) => state), ['sent'], 'nobody would ever take it: it is not kept');
});

test('a text too long that an earlier page kept is refused here, and what is behind it goes on', () => {
  const kept = { room: 'tea', at: timers.now(), order: 1 };
  storage.setItem('hubbub.outbox.g:ana/long', JSON.stringify({ ...kept, key: 'long', text: 'x'.repeat(70_000) }));
  storage.setItem('hubbub.outbox.g:ana/next', JSON.stringify({ ...kept, key: 'next', text: 'short', order: 2 }));
  online();
  assert.deepEqual(server().got('message').map(({ text }) => text), ['short']);
  assert.deepEqual(client.outbox.map(({ state, error }) => `${state} ${error?.code}`), ['failed invalid_text', 'sending undefined']);
});

test('the server says how long a text may be', async () => {
  client.join('tea');
  client.connect();
  server().say(welcome({ limits: { idempotencyMs: 600_000, text: 3 } }));
  reply('join', joined());
  await assert.rejects(client.send('tea', 'four'), { code: 'invalid_text' });
});

test('half a character goes out as a whole one, which the server can read', () => {
  online({ seq: 1, entries: [message(1)] });
  client.send('tea', 'a\ud83d b 😀');
  client.edit('tea', 'm1', '\ude00');
  assert.equal(server().got('message')[0].text, 'a\ufffd b 😀');
  assert.equal(server().got('edit')[0].text, '\ufffd');
});

test('what waits for a room that is refused is not sent, and says why', async () => {
  client.connect();
  server().say(welcome());
  client.join('staff').catch(() => {});
  const sent = client.send('staff', 'hi');
  reply('join', { type: 'error', room: 'staff', code: 'forbidden', message: 'No.' });
  await assert.rejects(sent, { code: 'forbidden' });
  assert.deepEqual(client.outbox.map(({ text, state, error }) => [text, state, error.code]), [['hi', 'failed', 'forbidden']]);
});

test('a room refused is told and forgotten; a temporary refusal is tried again', async () => {
  client.connect();
  server().say(welcome());
  const staff = client.join('staff');
  reply('join', { type: 'error', room: 'staff', code: 'forbidden', message: 'No.' });
  await assert.rejects(staff, { code: 'forbidden' });
  assert.equal(client.room('staff'), undefined);
  const tea = client.join('tea');
  reply('join', { type: 'error', room: 'tea', code: 'unavailable', message: 'Wait.', retryAfterMs: 500 });
  timers.pass(500);
  reply('join', joined());
  assert.equal((await tea).live, true);
});

test('history goes before what the room holds, unless the room was read afresh meanwhile', async () => {
  online({ seq: 9, entries: [message(9)] });
  const page = client.history('tea', { limit: 2 });
  assert.deepEqual([server().got('history')[0].before, server().got('history')[0].limit], [9, 2]);
  reply('history', { type: 'history', entries: [message(7), message(8)], more: true });
  assert.equal((await page).more, true);
  assert.deepEqual(texts(), ['text 7', 'text 8', 'text 9']);
  const late = client.history('tea');
  server().say(joined({ epoch: 'e2', seq: 7, entries: [message(7, { text: 'afresh' })] }));
  reply('history', { type: 'history', entries: [message(6)], more: false });
  await late;
  assert.deepEqual(texts(), ['afresh']);
  // In the same epoch, too: what the page says may have been edited since.
  const later = client.history('tea');
  server().say(joined({ epoch: 'e2', seq: 9, entries: [message(7, { text: 'afresh' })] }));
  reply('history', { type: 'history', entries: [message(6)], more: false });
  await later;
  assert.deepEqual(texts(), ['afresh']);
});

test('typing is passed on once in three seconds', () => {
  online();
  client.typing('tea');
  client.typing('tea');
  timers.pass(3_000);
  client.typing('tea');
  assert.equal(server().got('typing').length, 2);
  timers.setClock(-3_600_000);
  client.typing('tea');
  assert.equal(server().got('typing').length, 3);
});

test('degraded and restored show in the state; a provisional join is followed by the real one', () => {
  online({ seq: 1, entries: [message(1)] });
  server().say({ type: 'notice', kind: 'degraded' });
  assert.equal(client.state.mode, 'degraded');
  server().say({ type: 'joined', room: 'tea', provisional: true, presence: { guests: 2, members: 0, admins: 0 } });
  assert.equal(client.room('tea').provisional, true);
  server().say({ type: 'notice', kind: 'restored' });
  server().say(joined({ seq: 2, recovered: true, entries: [message(2)] }));
  assert.equal(client.state.mode, 'distributed');
  assert.deepEqual(texts(), ['text 1', 'text 2']);
});

test('another user starts with nothing of the last one’s', async () => {
  online({ seq: 1, entries: [message(1, { reactions: [{ emoji: '👍', count: 1, mine: true }] })] });
  client.close();
  const sent = client.send('tea', 'from Ana');
  client.connect();
  server().say(welcome({ user: { id: 'm:ana', name: 'ana', role: 'member' } }));
  await assert.rejects(sent, { code: 'discarded' });
  assert.equal(server().got('join')[0].since, undefined);
  assert.deepEqual(client.outbox, []);
});

test('close ends with 1000 and stays away', () => {
  online();
  const heard = [];
  client.on('state', ({ status }) => heard.push(status));
  client.close();
  assert.equal(Socket.last.closed, 1000);
  timers.pass(60_000);
  assert.equal(Socket.all.length, 1);
  assert.deepEqual(heard, ['idle']);
  assert.equal(client.state.status, 'idle');
});

test('what the server should not say is ignored', () => {
  online();
  for (const event of [{ type: 'unheard' }, {}, null, 3, 'x', { type: 'ack', id: 99 }, { type: 'history' }]) server().say(event);
  server().onmessage({ data: '{' });
  assert.equal(client.state.status, 'online');
});
