// @ts-check
/** A real, headless Chromium, driven over the DevTools protocol. Many games share one, with a tab each. */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Tabs that nobody looks at are as awake as the one in the game.
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  '--renderer-process-limit=2',
  '--remote-debugging-port=0',
];
const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const START_MS = 30_000;

/** Where Chromium is; CHROMIUM names another. Empty where there is none. */
export function findChromium() {
  const named = process.env.CHROMIUM;
  if (named) return existsSync(named) ? named : '';
  const folders = (process.env.PATH ?? '').split(':');
  const paths = PROGRAMS.flatMap((program) => folders.map((folder) => join(folder, program)));
  return paths.find((path) => existsSync(path)) ?? '';
}

export class Chromium {
  /**
   * @param {import('node:child_process').ChildProcess} process
   * @param {string} profile
   * @param {WebSocket} socket
   */
  constructor(process, profile, socket) {
    this.process = process;
    this.profile = profile;
    this.socket = socket;
    this.next = 0;
    /** @type {Map<number, {resolve: (result: any) => void, reject: (error: Error) => void}>} */
    this.asked = new Map();
    /** @type {Map<string, (method: string, params: any) => void>} */
    this.tabs = new Map();
    socket.addEventListener('message', ({ data }) => this.receive(JSON.parse(String(data))));
  }

  static async start() {
    const program = findChromium();
    if (!program) throw new Error('there is no Chromium; install it, or name it in CHROMIUM');
    const profile = mkdtempSync(join(tmpdir(), 'rfsn-chromium-'));
    const child = spawn(program, [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'], {
      stdio: 'ignore',
      detached: true, // a group of its own, so that all its processes can be ended together
    });
    process.once('exit', () => endGroup(child));
    try {
      const port = await activePort(child, join(profile, 'DevToolsActivePort'));
      const socket = new WebSocket(`ws://127.0.0.1:${port[0]}${port[1]}`);
      await new Promise((resolve, reject) => {
        socket.addEventListener('open', resolve);
        socket.addEventListener('error', () => reject(new Error('Chromium does not let itself be driven')));
      });
      return new Chromium(child, profile, socket);
    } catch (error) {
      endGroup(child);
      throw error;
    }
  }

  /**
   * @param {string} method
   * @param {object} [params]
   * @param {string} [sessionId]
   * @returns {Promise<any>}
   */
  ask(method, params = {}, sessionId) {
    const id = ++this.next;
    this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((resolve, reject) => this.asked.set(id, { resolve, reject }));
  }

  /** @param {any} message */
  receive(message) {
    if (message.id === undefined) {
      this.tabs.get(message.sessionId)?.(message.method, message.params);
      return;
    }
    const asked = this.asked.get(message.id);
    this.asked.delete(message.id);
    if (message.error) asked?.reject(new Error(`${message.error.message}`));
    else asked?.resolve(message.result);
  }

  async close() {
    const gone = new Promise((resolve) => this.process.once('exit', resolve));
    await Promise.race([this.ask('Browser.close'), gone]).catch(() => undefined);
    await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 3000))]);
    endGroup(this.process);
    this.socket.close();
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** One tab, as the surface of a game's browser. */
export class ChromiumTab {
  /**
   * @param {Chromium} chromium
   * @param {import('./browser.mjs').Browser} browser
   * @param {string} target
   * @param {string} session
   */
  constructor(chromium, browser, target, session) {
    this.chromium = chromium;
    this.browser = browser;
    this.target = target;
    this.session = session;
    this.ready = false;
    this.loaded = () => {};
    /** Errors of the page's own scripts. @type {string[]} */
    this.errors = [];
    chromium.tabs.set(session, (method, params) => this.happened(method, params));
  }

  /**
   * @param {Chromium} chromium
   * @param {import('./browser.mjs').Browser} browser
   */
  static async open(chromium, browser) {
    // A context of its own: its own window, which has the focus whatever the other games do.
    const { browserContextId } = await chromium.ask('Target.createBrowserContext');
    const { targetId } = await chromium.ask('Target.createTarget', { url: 'about:blank', browserContextId });
    const { sessionId } = await chromium.ask('Target.attachToTarget', { targetId, flatten: true });
    const tab = new ChromiumTab(chromium, browser, targetId, sessionId);
    await tab.ask('Page.enable');
    await tab.ask('Runtime.enable');
    await tab.ask('Log.enable');
    await tab.ask('Emulation.setFocusEmulationEnabled', { enabled: true }); // each tab is the one in front
    await tab.ask('Runtime.addBinding', { name: 'toGame' });
    await tab.ask('Page.addScriptToEvaluateOnNewDocument', {
      source: 'window.skyrimPlatform = {sendMessage: (...values) => toGame(JSON.stringify(values))};',
    });
    return tab;
  }

  /**
   * @param {string} method
   * @param {object} [params]
   */
  ask(method, params) {
    return this.chromium.ask(method, params, this.session);
  }

  /**
   * @param {string} method
   * @param {any} params
   */
  happened(method, params) {
    if (method === 'Runtime.bindingCalled' && params.name === 'toGame') {
      const [, kind] = JSON.parse(params.payload);
      if (kind === 'ready') this.ready = true;
      if (kind === 'said' || kind === 'cancelled') this.browser.asking = false;
      this.browser.hear(params.payload);
    }
    if (method === 'Page.loadEventFired') this.loaded();
    if (method === 'Runtime.exceptionThrown') this.errors.push(params.exceptionDetails.exception?.description ?? '?');
    // A connection that breaks is logged as an error too; what breaks a policy of the page has no such excuse.
    if (method === 'Log.entryAdded' && params.entry.source === 'security') this.errors.push(params.entry.text);
  }

  /** @param {string} url */
  async load(url) {
    this.ready = false;
    const loaded = new Promise((resolve) => (this.loaded = () => resolve(undefined)));
    const { errorText } = await this.ask('Page.navigate', { url }).catch((error) => ({ errorText: String(error) }));
    if (!errorText) await loaded;
  }

  /**
   * @param {string} _name
   * @param {any[]} _values
   * @param {string} code
   */
  run(_name, _values, code) {
    this.ask('Runtime.evaluate', { expression: code })
      .then(({ exceptionDetails: thrown }) => {
        if (thrown) this.errors.push(thrown.exception?.description ?? thrown.text);
      })
      .catch(() => undefined); // the tab is gone, and the game with it
  }

  /** @param {string} text */
  type(text) {
    const enter = { key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13 };
    const typed = async () => {
      // Keys take another way into the page than scripts do: what opens the box must have run.
      await this.ask('Runtime.evaluate', { expression: '0' });
      await this.ask('Input.insertText', { text });
      await this.ask('Input.dispatchKeyEvent', { type: 'keyDown', text: '\r', ...enter });
      await this.ask('Input.dispatchKeyEvent', { type: 'keyUp', ...enter });
    };
    void this.browser.frames.hold(typed().catch((error) => this.errors.push(String(error))));
  }

  async text() {
    const asked = await this.ask('Runtime.evaluate', { expression: 'document.body.innerText', returnByValue: true });
    return String(asked.result.value);
  }

  async close() {
    this.chromium.tabs.delete(this.session);
    await this.chromium.ask('Target.closeTarget', { targetId: this.target }).catch(() => undefined);
  }
}

/**
 * The port and path that Chromium writes down once it can be driven.
 * @param {import('node:child_process').ChildProcess} child
 * @param {string} file
 */
async function activePort(child, file) {
  const deadline = Date.now() + START_MS;
  while (Date.now() < deadline && child.exitCode === null) {
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
    if (lines.length >= 2) return lines;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('Chromium did not start');
}

/** @param {import('node:child_process').ChildProcess} child */
function endGroup(child) {
  if (!child.pid) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
