// Makes docs/img/*.png afresh: a conversation as people see it, in both colour schemes, on a desktop and a phone.

import { mkdirSync, writeFileSync } from 'node:fs';
import { arrive } from './people.js';
import { shrink } from './png.js';
import { perform } from './processes.js';
import { stage } from './stage.js';

const DESKTOP = [1_280, 800, false];
const PHONE = [390, 844, true];

/** Plays a conversation to the page of `me`, who watches `harbour`. */
async function play(server, page, me) {
  const rooms = ['harbour', 'global', 'releases'];
  const [lena, tomas, yusuf] = await Promise.all([
    arrive(server, { name: 'Lena', role: 'admin' }, rooms),
    arrive(server, { name: 'Tomas', role: 'member' }, rooms),
    arrive(server, { name: 'Yusuf', role: 'guest' }, rooms),
  ]);
  const say = async (client, text, options) => (await client.send('harbour', text, options)).messageId;
  await tomas.send('global', 'Good morning, everybody');
  await say(lena, 'The second server is in. All rooms came over without a gap.');
  const asked = await say(tomas, 'Nice. Did anybody notice the switch?');
  const answer = await say(yusuf, 'I did not, and I was in the middle of a sentence.', { replyTo: asked });
  await lena.react('harbour', answer, '🙌');
  await tomas.react('harbour', answer, '🙌');
  await lena.react('harbour', asked, '👀');
  await say(lena, 'For the record, this is all it takes:\n```\nkill -TERM $(pidof hubbub)\n```\nEverybody is told, moves, and goes on where they were.');
  await say(tomas, 'And `docs/operations.md` says why: https://example.org/docs/operations#drain');
  await page.type('#text', 'Same here: not one message came twice.\n');
  const own = await page.until(() => document.querySelector('#log li[data-own][data-seq]')?.dataset.id);
  await yusuf.react('harbour', own, '🎉');
  await say(yusuf, `@${me} shall we drain the first one after lunch?`);
  await tomas.send('releases', '0.2 is tagged');
  await lena.send('releases', `@${me} could you look over the notes?`);
  tomas.typing('harbour');
}

async function main() {
  mkdirSync('docs/img', { recursive: true });
  const { server, page } = await stage(DESKTOP);
  const shoot = async (name) => {
    // Two frames on, what changed is painted, and then nothing may move any more.
    await page.until(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))));
    await page.until(() => document.getAnimations().every(({ playState }) => playState !== 'running'));
    writeFileSync(`docs/img/${name}.png`, shrink(await page.picture()));
  };
  const me = 'Ana';
  // What the page will remember, said before there is one.
  await page.goto(`${server.said}/js/client.js`);
  await page.run((name) => {
    localStorage.setItem('hubbub.name', name);
    localStorage.setItem('hubbub.rooms', 'global harbour releases');
  }, me);
  await page.goto(`${server.said}/#harbour`);
  await page.until(() => document.querySelector('#state')?.dataset.status === 'online');
  await page.until((name) => document.querySelector('#name').value === name, me);
  await play(server.said, page, me);
  await page.until(() => document.querySelectorAll('#log li[data-id]').length === 7 && document.querySelector('#typing').textContent !== ''
    && document.querySelectorAll('#people [data-user]').length === 4);

  for (const [device, screen] of [['desktop', DESKTOP], ['phone', PHONE]]) {
    await page.screen(...screen);
    for (const scheme of ['light', 'dark']) {
      await page.scheme(scheme);
      await page.run(() => document.activeElement?.blur());
      await page.run(() => document.querySelector('#scroll').scrollTo(0, 1e6));
      await shoot(`${device}-${scheme}`);
    }
  }

  // The server dies, and something is said meanwhile.
  await page.screen(...DESKTOP);
  await page.scheme('light');
  await server.stop('SIGKILL');
  await page.until(() => document.querySelector('#state').dataset.status === 'waiting');
  await page.type('#text', 'I am still writing.\n');
  await page.until(() => document.querySelector('#pending li'));
  await shoot('outage-light');
  await page.end();
}

await perform(main);
