// @ts-check
/** One simulated game: the world, its clock, the plugin in it, and what a player does. */

import { Browser } from './browser.mjs';
import { ChromiumTab } from './chromium.mjs';
import { Frames } from './frames.mjs';
import { HttpPool, httpClientOf } from './http_client.mjs';
import { Objects } from './objects.mjs';
import { PaperPage } from './paper_page.mjs';
import { Events, skyrimPlatform } from './platform.mjs';
import { PluginHost } from './plugin_host.mjs';
import { Recorder } from './recorder.mjs';
import { Rules } from './rules.mjs';
import { SocketPump, webSocketOf } from './web_socket.mjs';
import { whiterun } from './whiterun.mjs';
import { PLAYER } from './world.mjs';

/** Menus that stop the world. */
const PAUSING = new Set([
  'BarterMenu',
  'Console',
  'InventoryMenu',
  'Journal Menu',
  'Loading Menu',
  'Main Menu',
  'MapMenu',
  'Sleep/Wait Menu',
]);
const MOUSE_MS = 1500;
const TALK_KEY = 21;
const IMPATIENCE_MS = 2000;
const FRAME_RATE = 60;

/**
 * @typedef {object} Options
 * @property {string} code                          the plugin
 * @property {Record<string, unknown>} [settings]   of the plugin
 * @property {boolean} [webSocket]                  whether the runtime has a global WebSocket
 * @property {import('./chromium.mjs').Chromium | null} [chromium]
 * @property {number} [speed]
 * @property {number} [rate]                        frames a second
 * @property {(line: string) => void} [print]       the game's console
 */

export class Game {
  /** @param {Options} options */
  constructor({ code, settings, webSocket = false, chromium = null, speed = 1, rate = FRAME_RATE, print }) {
    this.chromium = chromium;
    this.world = whiterun();
    this.frames = new Frames({ speed, rate, step: (seconds) => this.frame(seconds) });
    const now = () => this.frames.now;
    this.rules = new Rules(now);
    this.recorder = new Recorder(now);
    this.http = new HttpPool(this);
    this.sockets = new SocketPump(this.recorder);
    this.browser = new Browser(this);
    this.events = new Events(this.rules);
    /** @type {Set<string>} */
    this.menus = new Set(['Main Menu']);
    /** What happens at the next frame, in order. @type {(() => void)[]} */
    this.happening = [];
    /** The same for what the game only tells while it runs. @type {(() => void)[]} */
    this.inWorld = [];
    /** @type {Map<string, string>} */
    this.saves = new Map();
    this.mouse = 0;
    /** Is told what the plugin's code took in each frame. @type {((milliseconds: number) => void) | null} */
    this.meter = null;
    const born = Date.now();
    this.host = new PluginHost({
      code,
      rules: this.rules,
      now: () => born + this.frames.now,
      globals: (host, within) => {
        const engine = {
          world: this.world,
          rules: this.rules,
          recorder: this.recorder,
          frame: () => this.frames.count,
          openMenu: (/** @type {string} */ name) => this.openMenu(name),
          combat: (/** @type {number} */ actor, /** @type {number} */ target) => this.combat(actor, target),
          promise: host.promise.bind(host),
        };
        this.objects = new Objects(engine);
        const platform = skyrimPlatform({
          objects: this.objects,
          events: this.events,
          browser: this.browser,
          HttpClient: httpClientOf(this.http, within),
          storage: host.storage,
          settings: settings ? { 'rfsn-bridge': settings } : {},
          print: (line) => {
            this.recorder.note('console', { text: line });
            print?.(line);
          },
        });
        return {
          skyrimPlatform: platform,
          ...(webSocket ? { WebSocket: webSocketOf(this.sockets, within) } : {}),
        };
      },
    });
  }

  get paused() {
    return [...this.menus].some((menu) => PAUSING.has(menu));
  }

  // --- One frame

  /** @param {number} seconds */
  frame(seconds) {
    this.mouseMayMove();
    const began = performance.now();
    this.playOutside();
    if (!this.paused) this.playWorld();
    this.meter?.(performance.now() - began);
    if (this.paused) return;
    this.world.pass(seconds);
    this.host.settle();
  }

  /** What goes on in menus too, and may not call the world. */
  playOutside() {
    for (const answer of this.http.take()) answer();
    for (const values of this.browser.take()) {
      const [, kind, , text] = values;
      if (kind === 'message') this.recorder.wire('received', String(text));
      this.events.emit('browserMessage', { arguments: values });
    }
    this.events.emit('tick');
    for (const happens of this.happening.splice(0)) happens();
  }

  playWorld() {
    for (const happens of this.inWorld.splice(0)) happens();
    for (const deliver of this.sockets.take()) deliver();
    this.events.emit('update');
  }

  mouseMayMove() {
    if (this.frames.now < this.mouse) return;
    this.mouse = this.frames.now + MOUSE_MS;
    this.browser.mouseMoved();
  }

  /**
   * @param {string} event
   * @param {object} payload
   */
  tell(event, payload) {
    this.happening.push(() => this.events.emit(event, payload));
  }

  /**
   * An event of the running world; its objects are made in the frame in which it is told.
   * @param {string} event
   * @param {(object: (id: number) => any) => object} payload
   */
  tellInWorld(event, payload) {
    const object = (/** @type {number} */ id) => this.objects?.wrap(this.world.forms.get(id));
    this.inWorld.push(() => this.events.emit(event, payload(object)));
  }

  // --- The game itself

  /** Start the game up to its main menu, then go on with the last save. */
  async start() {
    this.browser.surface = this.chromium
      ? await ChromiumTab.open(this.chromium, this.browser)
      : new PaperPage(this.browser);
    this.host.load();
    this.frames.start();
    await this.wait(2000);
    this.saves.set('autosave', this.world.save());
    await this.load('autosave');
  }

  async stop() {
    this.frames.stop();
    this.host.end();
    this.sockets.close();
    await this.browser.surface?.close();
  }

  /** Reload the plugin, as the game does when its file or its settings have changed. */
  reload() {
    this.recorder.note('reload');
    this.events.handlers.clear();
    this.host.unload();
    this.host.load();
  }

  /** @param {string} name */
  openMenu(name) {
    this.menus.add(name);
    this.recorder.note('menu', { name, open: true });
    this.tell('menuOpen', { name });
  }

  /** @param {string} name */
  closeMenu(name) {
    this.menus.delete(name);
    this.recorder.note('menu', { name, open: false });
    this.tell('menuClose', { name });
  }

  /** @param {string} name */
  save(name) {
    this.saves.set(name, this.world.save());
    this.recorder.note('save', { name });
    this.tell('saveGame', {});
  }

  /** @param {string} name */
  async load(name) {
    this.openMenu('Loading Menu');
    this.menus.delete('Main Menu');
    this.tell('preLoadGame', {});
    await this.wait(1000);
    this.world.load(/** @type {string} */ (this.saves.get(name)));
    this.recorder.note('load', { name });
    await this.wait(1000);
    this.tell('postLoadGame', {});
    this.tell('loadGame', {});
    await this.wait(500);
    this.closeMenu('Loading Menu');
    await this.wait(100);
  }

  /**
   * An actor fights another, or (target 0) nobody any more.
   * @param {number} id
   * @param {number} target
   */
  combat(id, target) {
    const actor = this.world.actor(id);
    if (!actor) return;
    actor.combatTarget = target;
    actor.weaponDrawn = target !== 0;
    if (target) {
      actor.hostileTo.add(target);
      this.world.actor(target)?.hostileTo.add(id);
    }
    this.tellInWorld('combatState', (object) => ({
      actor: object(id),
      target: target ? object(target) : null,
      isCombat: target !== 0,
      isSearching: false,
    }));
  }

  /**
   * What a Papyrus script sends.
   * @param {string} eventName
   * @param {string} strArg
   * @param {number} numArg
   */
  sendModEvent(eventName, strArg, numArg) {
    this.tell('modEvent', { eventName, strArg, numArg, sender: null });
  }

  /**
   * @param {number} quest
   * @param {number} stage
   */
  questStage(quest, stage) {
    this.tellInWorld('questStage', (object) => ({ quest: object(quest), stage }));
  }

  /**
   * @param {number} target
   * @param {number} aggressor
   */
  hit(target, aggressor) {
    this.tellInWorld('hit', (object) => ({
      target: object(target),
      aggressor: object(aggressor),
      isHitBlocked: false,
      isPowerAttack: false,
      isSneakAttack: false,
      isBashAttack: false,
    }));
  }

  /**
   * @param {number} id
   * @param {number} killer
   */
  kill(id, killer) {
    const actor = this.world.actor(id);
    if (!actor) return;
    actor.dead = true;
    this.tellInWorld('deathStart', (object) => ({ actorDying: object(id), actorKiller: object(killer) }));
    for (const other of this.world.actors()) if (other.combatTarget === id) this.combat(other.id, 0);
    if (actor.combatTarget) this.combat(id, 0);
  }

  /**
   * The game's own script begins to act, or (scene 0) is over.
   * @param {number} id
   * @param {number} scene
   */
  setScene(id, scene) {
    const actor = /** @type {import('./world.mjs').ActorForm} */ (this.world.actor(id));
    actor.scene = scene;
    this.recorder.note('scene', { actor: actor.name, on: scene !== 0 });
  }

  /**
   * The player goes through a door: who was here is unloaded, who is there comes in.
   * @param {number} cell
   * @param {number} location
   */
  enter(cell, location) {
    const { player } = this.world;
    const before = player.location;
    player.cell = cell;
    player.location = location;
    for (const actor of this.world.actors()) if (actor !== player) actor.loaded = actor.cell === cell;
    this.world.crosshair = 0;
    this.recorder.note('enter', { cell });
    this.tellInWorld('crosshairRefChanged', () => ({ reference: null }));
    if (location === before) return;
    this.tellInWorld('locationChanged', (object) => ({
      actor: object(PLAYER),
      oldLoc: object(before),
      newLoc: object(location),
    }));
  }

  // --- The player

  /** @param {number} id  0: at nobody */
  pointAt(id) {
    this.world.crosshair = id;
    this.tellInWorld('crosshairRefChanged', (object) => ({ reference: id ? object(id) : null }));
  }

  /** @param {number} code */
  press(code) {
    const button = { code, device: 0, userEventName: '' };
    this.tell('buttonEvent', { ...button, isDown: true, isUp: false, isPressed: true, isHeld: false, heldDuration: 0 });
    this.happening.push(() =>
      this.events.emit('buttonEvent', { ...button, isDown: false, isUp: true, heldDuration: 0.1 }),
    );
  }

  /**
   * Say something to whom the player points at: press the key, write, press Enter.
   * @param {string} text
   */
  async say(text) {
    let next = 0;
    await this.until('the text box', () => {
      if (this.browser.asking) return true;
      if (this.frames.now < next) return false;
      this.press(TALK_KEY);
      next = this.frames.now + IMPATIENCE_MS; // not yet connected, or the page is still loading
      return false;
    });
    this.recorder.note('said', { text });
    this.browser.surface?.type(text);
  }

  /** @param {number} ms */
  wait(ms) {
    return this.frames.wait(ms);
  }

  /**
   * @param {string} what
   * @param {() => unknown} condition
   * @param {number} [patience]
   */
  until(what, condition, patience) {
    return this.frames.until(what, condition, patience);
  }
}
