// Headless Chromium over WebDriver: what the scripts of this folder need of it, and nothing to install.

import { folder, start } from './processes.js';

// The window is larger than every screen that is set in it: what lies outside of a window is never drawn, and a key
// pressed there waits for its frame until something within changes.
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--hide-scrollbars',
  '--window-size=1600,1200',
];

/** What has not happened after this long never will, and how often it is looked at, milliseconds. */
const PATIENCE = 15_000;
const LOOK = 50;
/** How often a chromedriver is started before there is none. */
const STARTS = 4;

export class Browser {
  #session;

  /** @param {string} session its address at chromedriver */
  constructor(session) {
    this.#session = session;
  }

  /** A browser with a fresh profile. */
  static async start() {
    const said = await driverPort();
    const driver = `http://127.0.0.1:${said}`;
    const args = [...FLAGS, `--user-data-dir=${folder()}`];
    const wanted = { alwaysMatch: { 'goog:chromeOptions': { args }, 'goog:loggingPrefs': { performance: 'ALL' } } };
    const { sessionId } = await post(`${driver}/session`, { capabilities: wanted });
    return new Browser(`${driver}/session/${sessionId}`);
  }

  /** @param {string} url */
  goto(url) {
    return post(`${this.#session}/url`, { url });
  }

  /** Runs a function in the page; what it refers to has to be among its arguments. */
  run(code, ...args) {
    return post(`${this.#session}/execute/sync`, { script: `return (${code})(...arguments)`, args });
  }

  /** Runs a function in the page until it gives something. */
  async until(code, ...args) {
    for (const end = Date.now() + PATIENCE; Date.now() < end;) {
      const found = await this.run(code, ...args);
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, LOOK));
    }
    throw new Error(`waited in vain for ${code}`);
  }

  /** Presses keys in an element. @param {string} css @param {string} text */
  async type(css, text) {
    const found = await post(`${this.#session}/element`, { using: 'css selector', value: css });
    await post(`${this.#session}/element/${Object.values(found)[0]}/value`, { text });
  }

  /** Presses a key that writes, where the focus is; with no more ado than a keyboard makes. @param {string} key */
  async press(key) {
    await this.devtools('Input.dispatchKeyEvent', { type: 'keyDown', key, text: key });
    await this.devtools('Input.dispatchKeyEvent', { type: 'keyUp', key });
  }

  /** A command of the Chrome DevTools Protocol. */
  devtools(cmd, params = {}) {
    return post(`${this.#session}/goog/cdp/execute`, { cmd, params });
  }

  /** @returns {Promise<number[]>} the bytes of each answer since this was last asked, headers included */
  async received() {
    const noted = await post(`${this.#session}/se/log`, { type: 'performance' });
    const messages = noted.map(({ message }) => JSON.parse(message).message);
    return messages.filter(({ method }) => method === 'Network.loadingFinished').map(({ params }) => params.encodedDataLength);
  }

  /** @param {number} width @param {number} height @param {boolean} phone whether it is touched */
  async screen(width, height, phone) {
    await this.devtools('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: phone });
    await this.devtools('Emulation.setTouchEmulationEnabled', { enabled: phone });
  }

  /** @param {'light' | 'dark'} value what the system prefers */
  scheme(value) {
    return this.devtools('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value }] });
  }

  /** @returns {Promise<Buffer>} the screen as PNG */
  async picture() {
    const { data } = await this.devtools('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(data, 'base64');
  }

  /** Closes it. */
  async end() {
    await fetch(this.#session, { method: 'DELETE' });
  }
}

// Now and then its port is taken after all, since it wants the same one for IPv4 and IPv6: it then says none, and ends.
async function driverPort(starts = STARTS) {
  const started = start('chromedriver', ['--port=0'], { ready: /started successfully on port (\d+)/ });
  return started.then(({ said }) => said, (error) => {
    if (starts === 1) throw error;
    return driverPort(starts - 1);
  });
}

async function post(url, body) {
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  const { value } = await answer.json();
  if (!answer.ok) throw new Error(`${value.error}: ${value.message}`);
  return value;
}
