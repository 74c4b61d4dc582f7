// Makes docs/img/admin-*.png afresh: the admin page over two instances and a Redis, in both colour schemes.

import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { Browser } from './browser.js';
import { SECRET, arrive } from './people.js';
import { shrink } from './png.js';
import { folder, perform, start, startServer } from './processes.js';

const DESKTOP = [1_280, 1_180, false];
const PHONE = [390, 844, true];
const ADMIN = { name: 'root', password: 'only for the pictures' };
/** How long people talk before the picture: the charts are to show something, milliseconds. */
const TALK_MS = 40_000;

/** A port that is free now. @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function startRedis() {
  const port = await freePort();
  await start('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], { ready: /(Ready) to accept connections/, cwd: folder() });
  return `redis://127.0.0.1:${port}`;
}

async function main() {
  mkdirSync('docs/img', { recursive: true });
  const url = await startRedis();
  const instance = (id) => startServer(folder(), SECRET, {
    ENABLE_DISTRIBUTED_CHAT: 'true', REDIS_URL: url, INSTANCE_ID: id, HOSTNAME: `host-${id.at(-1)}`,
    ADMIN_USERNAME: ADMIN.name, ADMIN_PASSWORD: ADMIN.password,
  });
  const servers = [await instance('api-1'), await instance('api-2')];
  const rooms = ['harbour', 'global', 'releases'];
  const names = ['Lena', 'Tomas', 'Yusuf', 'Maya', 'Noor'];
  const people = await Promise.all(names.map((name, at) =>
    arrive(servers[at % 2].said, { name, role: name === 'Yusuf' ? 'guest' : 'member' }, rooms.slice(0, 1 + at % 3))));

  const page = await Browser.start();
  await page.screen(...DESKTOP);
  await page.goto(`${servers[0].said}/admin`);
  await page.until(() => document.querySelector('#gate')?.hidden === false);
  await page.type('#username', ADMIN.name);
  await page.type('#password', `${ADMIN.password}\n`);
  await page.until(() => document.querySelectorAll('#sessions-list tr').length === 5);
  await fetch(`${servers[1].said}/metrics`, { headers: { Authorization: 'Bearer a-key-of-last-year' } });
  await fetch(`${servers[0].said}/api/login`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ username: 'root', password: 'not the one' }),
  });
  await people[0].edit('harbour', 'no-such-message', 'x').catch(() => {});
  const end = Date.now() + TALK_MS;
  for (let n = 0; Date.now() < end; n++) {
    const talking = Array.from({ length: 1 + Math.round(6 + 6 * Math.sin(n / 12)) }, (_, at) => people[at % people.length].send('harbour', `message ${n}.${at}`));
    await Promise.all(talking);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }

  const shoot = async (name) => {
    await page.until(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))));
    await page.until(() => document.querySelector('#state').dataset.status === 'online');
    writeFileSync(`docs/img/${name}.png`, shrink(await page.picture()));
  };
  for (const scheme of ['light', 'dark']) {
    await page.scheme(scheme);
    await page.run(() => document.activeElement?.blur());
    await shoot(`admin-${scheme}`);
  }
  await page.screen(...PHONE);
  await page.scheme('light');
  await page.run(() => scrollTo(0, 0));
  await shoot('admin-phone-light');
  await page.end();
}

await perform(main);
