// @ts-check
/**
 * Loads the plugin as the game does: one script without Node, in a realm of its own, whose promises go on only when
 * the game runs. A hot reload drops its handlers and variables and keeps `storage`.
 */

import vm from 'node:vm';
import { describe } from './rules.mjs';

/** The plugin's clock is the game's. */
const GAME_DATE = `(now) => {
  const Real = Date;
  globalThis.Date = class Date extends Real {
    constructor(...parts) {
      if (parts.length === 0) super(now());
      else super(...parts);
    }
    static now() {
      return now();
    }
  };
}`;

/** Those whose promises may fail without anybody's looking. @type {Set<PluginHost>} */
const hosts = new Set();

process.on('unhandledRejection', (reason, promise) => {
  for (const host of hosts) {
    if (![...host.realms].some((Realm) => promise instanceof Realm)) continue;
    host.rules.broken('unhandled rejection', describe(reason));
    return;
  }
  throw reason;
});

export class PluginHost {
  /**
   * @param {object} options
   * @param {string} options.code
   * @param {import('./rules.mjs').Rules} options.rules
   * @param {() => number} options.now   milliseconds since 1970, of the game
   * @param {(host: PluginHost, within: (context: string, run: () => void) => void) => Record<string, unknown>} options.globals
   */
  constructor({ code, rules, now, globals }) {
    this.script = new vm.Script(`(function (require, exports, module) {${code}\n})`, { filename: 'rfsn-bridge.js' });
    this.rules = rules;
    this.now = now;
    this.globals = globals;
    /** @type {Record<string, unknown>} */
    this.storage = {};
    this.generation = 0;
    this.Promise = Promise;
    /** Every promise's class that the plugin ever had, over its reloads. @type {Set<PromiseConstructor>} */
    this.realms = new Set();
    this.loaded = false;
  }

  load() {
    this.generation += 1;
    const generation = this.generation;
    const within = (/** @type {string} */ context, /** @type {() => void} */ run) => {
      if (generation === this.generation && this.loaded) this.rules.within(context, run);
    };
    const globals = this.globals(this, within);
    this.context = vm.createContext({ ...globals }, { microtaskMode: 'afterEvaluate' });
    vm.runInContext(GAME_DATE, this.context)(this.now);
    this.Promise = vm.runInContext('Promise', this.context);
    this.realms.add(this.Promise);
    hosts.add(this);
    this.loaded = true;
    this.rules.within('module', () => {
      const module = { exports: {} };
      const require = (/** @type {string} */ name) => {
        if (name === 'skyrimPlatform') return globals.skyrimPlatform;
        throw new Error(`there is no module ${name} in the game`);
      };
      this.script.runInContext(/** @type {vm.Context} */ (this.context))(require, module.exports, module);
    });
  }

  /** A plugin of whose handlers and callbacks none is called any more. */
  unload() {
    this.loaded = false;
    // What is kept over a reload has been written down in between: functions and the like are lost.
    for (const [key, value] of Object.entries(this.storage)) {
      const kept = toJson(value);
      if (kept === undefined) {
        this.rules.broken('storage holds what a reload cannot keep', key);
        delete this.storage[key];
      } else {
        this.storage[key] = JSON.parse(kept);
      }
    }
  }

  /** The game has ended; Node tells of promises that have failed a little later. */
  end() {
    this.unload();
    setTimeout(() => hosts.delete(this), 100).unref();
  }

  /** Let the plugin's promises go on. */
  settle() {
    const { context } = this;
    if (this.loaded && context) this.rules.within('a promise', () => vm.runInContext('0', context));
  }

  /**
   * A promise of the plugin's own realm.
   * @template T
   * @param {(resolve: (value: T) => void) => void} begin
   * @returns {Promise<T>}
   */
  promise(begin) {
    return new this.Promise(begin);
  }
}

/** @param {unknown} value */
function toJson(value) {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
