// @ts-check
/**
 * The game's browser, as a plugin has it. What a plugin runs in the page must be a call of the page with JSON
 * arguments, for anything else would let a player's words become code. The page itself is a `Surface`: a tab of a
 * real Chromium, or a piece of paper.
 */

/**
 * @typedef {object} Surface
 * @property {boolean} ready   our page is there and hears
 * @property {(url: string) => Promise<void>} load
 * @property {(name: string, values: any[], code: string) => void} run
 * @property {(text: string) => void} type   the player fills in the text box and presses Enter
 * @property {() => Promise<string>} text    what can be read on it
 * @property {() => Promise<void>} close
 */

const CALL = /^window\.rfsn && (?:window\.)?rfsn\.(\w+)\((.*)\);?$/su;

/** What the page answers with `ready`. */
const GREETING = 'greet';

/** What a player sees of the page's calls. */
const SEEN = new Set(['subtitle', 'clear', 'ask', 'dismiss', 'notice']);

export class Browser {
  /**
   * @param {object} game
   * @param {import('./rules.mjs').Rules} game.rules
   * @param {import('./recorder.mjs').Recorder} game.recorder
   * @param {import('./frames.mjs').Frames} game.frames
   */
  constructor({ rules, recorder, frames }) {
    this.rules = rules;
    this.recorder = recorder;
    this.frames = frames;
    /** @type {Surface | null} */
    this.surface = null;
    this.visible = false;
    this.focused = false;
    this.asking = false;
    this.url = '';
    /** The page that appears once the mouse moves. */
    this.wanted = '';
    /** Messages of the page that wait for the next tick. @type {unknown[][]} */
    this.ready = [];
    /** Ends the wait for an answer of the page. @type {Map<unknown, () => void>} */
    this.awaited = new Map();
  }

  take() {
    return this.ready.splice(0);
  }

  /**
   * From the page, as JSON.
   * @param {string} values
   */
  hear(values) {
    const heard = JSON.parse(values);
    if (heard[1] === 'open' || heard[1] === 'closed') this.arrived(heard[2]);
    if (heard[1] === 'ready') this.arrived(GREETING);
    this.ready.push(heard);
  }

  /**
   * Keep to real time until the page has answered: it may be busy, and Chromium has connections wait, for seconds,
   * if others failed before.
   * @param {unknown} what  a connection's number, or GREETING
   */
  awaitAnswer(what) {
    this.arrived(what);
    void this.frames.hold(new Promise((resolve) => this.awaited.set(what, () => resolve(undefined))));
  }

  /** @param {unknown} what */
  arrived(what) {
    this.awaited.get(what)?.();
    this.awaited.delete(what);
  }

  /** The mouse moved: only then does the game's browser look at a new address. */
  mouseMoved() {
    if (!this.wanted || !this.surface) return;
    this.url = this.wanted;
    this.wanted = '';
    this.recorder.note('page', { url: this.url });
    void this.frames.hold(this.surface.load(this.url));
  }

  /** What the plugin gets. */
  api() {
    return {
      setVisible: (/** @type {unknown} */ visible) => {
        this.visible = Boolean(visible);
      },
      isVisible: () => this.visible,
      setFocused: (/** @type {unknown} */ focused) => {
        this.focused = Boolean(focused);
      },
      isFocused: () => this.focused,
      loadUrl: (/** @type {unknown} */ url) => {
        this.wanted = String(url);
      },
      executeJavaScript: (/** @type {unknown} */ code) => this.execute(code),
    };
  }

  /** @param {unknown} code */
  execute(code) {
    const call = typeof code === 'string' ? CALL.exec(code) : null;
    const values = call && list(call[2]);
    if (!call || !values) {
      this.rules.broken('not a call of the page with JSON arguments', String(code).slice(0, 200));
      return;
    }
    if (!this.surface?.ready) return; // no such page: the browser runs it in whatever is there
    const name = call[1];
    if (name === 'ask') this.asking = true;
    if (name === 'dismiss') this.asking = false;
    if (name === 'open') this.awaitAnswer(values[0]);
    if (name === 'close') this.arrived(values[0]);
    if (name === 'greet') this.awaitAnswer(GREETING);
    if (name === 'send') this.recorder.wire('sent', String(values[1]));
    if (name === 'subtitle') this.recorder.note('subtitle', { name: values[0], text: values[1], by: 'page' });
    else if (SEEN.has(name)) this.recorder.note(name, { values });
    this.surface.run(name, values, /** @type {string} */ (code));
  }
}

/** @param {string} values */
function list(values) {
  try {
    return JSON.parse(`[${values}]`);
  } catch {
    return null;
  }
}
