// The programs that the scripts of this folder start, each in its own process; all end with the script.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** What has not come up after this long never will, milliseconds. */
const PATIENCE = 20_000;

const ends = [];

// The last first.
async function endAll() {
  while (ends.length > 0) await ends.pop()();
}

/** A new empty folder, gone at the end. @returns {string} */
export function folder() {
  const path = mkdtempSync(join(tmpdir(), 'hubbub-page-'));
  ends.push(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }));
  return path;
}

/**
 * Starts a program and waits for the line that says it is ready.
 * @param {string} program
 * @param {string[]} args
 * @param {{ready: RegExp, env?: Record<string, string>, cwd?: string}} options `ready` has one group
 * @returns {Promise<{said: string, stop: (signal?: string) => Promise<void>}>} the group, and how to end it
 */
export async function start(program, args, { ready, env = {}, cwd }) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, cwd, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise((resolve) => child.once('close', resolve).once('error', resolve));
  const stop = async (signal = 'SIGTERM') => {
    child.kill(signal);
    await ended;
  };
  ends.push(() => stop('SIGKILL'));
  const said = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${program} does not come up`)), PATIENCE);
    ended.then(() => reject(new Error(`${program} has ended; is it installed (make tools)?`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = ready.exec(line);
      if (!found) return;
      clearTimeout(timer);
      resolve(found[1]);
    });
  });
  return { said, stop };
}

/**
 * A server with an empty store and no limits; `HUBBUB` names the program.
 * @param {string} cwd where its store is to be
 * @param {string} secret of its tokens
 * @param {Record<string, string>} [env] more settings
 */
export function startServer(cwd, secret, env = {}) {
  const limits = ['CONNECTS_PER_SECOND', 'COMMANDS_PER_SECOND', 'MESSAGES_PER_SECOND', 'API_PER_SECOND'];
  return start(process.env.HUBBUB, ['serve'], {
    cwd,
    ready: /^Hubbub is ready at (\S+)/,
    env: {
      PORT: '0', JWT_SECRET: secret, RUST_LOG: 'warn',
      ...Object.fromEntries(limits.map((name) => [`HUBBUB__LIMITS__${name}`, '0'])),
      ...env,
    },
  });
}

/**
 * Plays a script's piece, and ends all that was started for it, also when it fails.
 * @param {() => Promise<void>} piece
 */
export async function perform(piece) {
  try {
    await piece();
  } finally {
    await endAll();
  }
  // People keep on knocking at the door of a server that is gone.
  process.exit();
}
