// What every script of this folder needs before its piece begins: a server with an empty store, and a browser.

import { Browser } from './browser.js';
import { SECRET } from './people.js';
import { folder, startServer } from './processes.js';

/**
 * @param {[number, number, boolean]} screen width, height, and whether it is touched
 * @param {Record<string, string>} [env] settings of the server
 * @returns {Promise<{server: {said: string, stop: (signal?: string) => Promise<void>}, page: Browser}>}
 */
export async function stage(screen, env = {}) {
  const server = await startServer(folder(), SECRET, env);
  const page = await Browser.start();
  await page.screen(...screen);
  return { server, page };
}
