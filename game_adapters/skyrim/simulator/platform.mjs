// @ts-check
/** The `skyrimPlatform` of one loaded plugin. */

import { PLAYER } from './world.mjs';

const EVENTS = new Set([
  'update',
  'tick',
  'activate',
  'browserMessage',
  'buttonEvent',
  'combatState',
  'crosshairRefChanged',
  'deathStart',
  'hit',
  'loadGame',
  'locationChanged',
  'menuClose',
  'menuOpen',
  'modEvent',
  'newGame',
  'postLoadGame',
  'preLoadGame',
  'questStage',
  'questStart',
  'questStop',
  'saveGame',
]);

/** @typedef {{event: string, callback: (payload: any) => void, once: boolean}} Handler */

export class Events {
  /** @param {import('./rules.mjs').Rules} rules */
  constructor(rules) {
    this.rules = rules;
    /** @type {Map<string, Set<Handler>>} */
    this.handlers = new Map();
  }

  /**
   * @param {string} event
   * @param {(payload: any) => void} callback
   * @param {boolean} once
   */
  add(event, callback, once) {
    if (!EVENTS.has(event)) this.rules.refuse('no such event', String(event));
    const handler = { event, callback, once };
    this.handlers.set(event, (this.handlers.get(event) ?? new Set()).add(handler));
    return Object.defineProperty({ eventName: event }, 'handler', { value: handler });
  }

  /** @param {any} handle */
  remove(handle) {
    this.handlers.get(handle?.eventName)?.delete(handle.handler);
  }

  /**
   * Handlers that are added meanwhile are called the next time.
   * @param {string} event
   * @param {any} [payload]
   */
  emit(event, payload) {
    const handlers = this.handlers.get(event);
    if (!handlers) return;
    for (const handler of [...handlers]) {
      if (!handlers.has(handler)) continue;
      if (handler.once) handlers.delete(handler);
      this.rules.within(event, () => handler.callback(payload));
    }
  }
}

/**
 * @param {object} parts
 * @param {import('./objects.mjs').Objects} parts.objects
 * @param {Events} parts.events
 * @param {import('./browser.mjs').Browser} parts.browser
 * @param {unknown} parts.HttpClient
 * @param {Record<string, unknown>} parts.storage
 * @param {Record<string, unknown>} parts.settings
 * @param {(line: string) => void} parts.print
 */
export function skyrimPlatform({ objects, events, browser, HttpClient, storage, settings, print }) {
  const { rules, world, recorder } = objects.engine;
  /**
   * Functions of the game: each is refused outside of the legal contexts.
   * @param {string} owner
   * @param {Record<string, (...args: any[]) => unknown>} functions
   */
  const calls = (owner, functions) =>
    Object.fromEntries(
      Object.entries(functions).map(([name, run]) => [
        name,
        (/** @type {unknown[]} */ ...args) => {
          rules.mayCall(`${owner}.${name}`);
          return run(...args);
        },
      ]),
    );
  return {
    ...objects.classes,
    Game: calls('Game', {
      getPlayer: () => objects.wrap(world.player),
      getFormEx: (id) => objects.wrap(present(world, id)),
      getFormFromFile: (id, file) => objects.wrap(present(world, withIndex(world, id, file))),
      getModName: (index) => world.loadOrder[index] ?? '',
      getLightModName: (index) => world.lightOrder[index] ?? '',
      getCurrentCrosshairRef: () => objects.wrap(present(world, world.crosshair)),
    }),
    Utility: calls('Utility', { getCurrentGameTime: () => world.gameDays }),
    Debug: calls('Debug', {
      notification: (text) => recorder.note('notification', { text: String(text) }),
    }),
    HttpClient,
    browser: browser.api(),
    storage,
    settings,
    on: (/** @type {string} */ event, /** @type {() => void} */ callback) => events.add(event, callback, false),
    once: (/** @type {string} */ event, /** @type {() => void} */ callback) => events.add(event, callback, true),
    unsubscribe: (/** @type {unknown} */ handle) => events.remove(handle),
    printConsole: (/** @type {unknown[]} */ ...values) => print(values.map(String).join(' ')),
  };
}

/**
 * What was made in play is gone when its place is unloaded; what plugin files define stays.
 * @param {import('./world.mjs').World} world
 * @param {number} id
 */
function present(world, id) {
  const form = world.forms.get(id >>> 0);
  const actor = form?.kind === 'actor' ? world.actor(form.id) : null;
  return actor && !actor.loaded && actor.id !== PLAYER ? null : form;
}

/**
 * @param {import('./world.mjs').World} world
 * @param {number} id
 * @param {string} file
 */
function withIndex(world, id, file) {
  const name = String(file).toLowerCase();
  const full = world.loadOrder.findIndex((each) => each.toLowerCase() === name);
  if (full >= 0) return ((full << 24) | (id & 0xffffff)) >>> 0;
  const light = world.lightOrder.findIndex((each) => each.toLowerCase() === name);
  return light >= 0 ? (0xfe000000 | (light << 12) | (id & 0xfff)) >>> 0 : 0;
}
