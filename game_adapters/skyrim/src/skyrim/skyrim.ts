/** Skyrim as a `Game`: its events, its runtime, and the care that nothing thrown here reaches the game. */

import type { EventMap } from "skyrimPlatform";
import type { Browser, Game, GameListener, Http, OpenSocket } from "../game";
import type { Settings } from "../settings";
import type { Store } from "../store";
import { Bodies } from "./bodies";
import { Deeds } from "./deeds";
import type { Platform } from "./platform";
import { SkyrimWorld } from "./world";

/** A global of the development line only, which has Node inside. */
declare const WebSocket:
  | (new (url: string, protocol: string) => {
      onmessage: (event: { data: unknown }) => void;
      onclose: (event: { code: number; reason: string }) => void;
      onerror: () => void;
      send(text: string): void;
      close(): void;
    })
  | undefined;

/** Those that stop the world. */
const PAUSING = new Set([
  "BarterMenu",
  "Book Menu",
  "Console",
  "ContainerMenu",
  "Creation Club Menu",
  "Credits Menu",
  "FavoritesMenu",
  "GiftMenu",
  "InventoryMenu",
  "Journal Menu",
  "LevelUp Menu",
  "Loading Menu",
  "Lockpicking Menu",
  "MagicMenu",
  "Main Menu",
  "MapMenu",
  "MessageBoxMenu",
  "Mist Menu",
  "Mod Manager Menu",
  "RaceSex Menu",
  "Sleep/Wait Menu",
  "StatsMenu",
  "Training Menu",
  "Tutorial Menu",
  "TweenMenu",
]);
const MOD_EVENT = "rfsn_say";
/** Notifications that wait for a frame of the world. */
const NOTIFICATIONS = 32;

export class Skyrim implements Game {
  readonly name = "skyrim";
  readonly world: SkyrimWorld;
  readonly storage: Record<string, unknown>;
  readonly browser: Browser | undefined;
  readonly openSocket: OpenSocket | undefined;
  private readonly bodies: Bodies;
  private readonly deeds: Deeds;
  private readonly notifications: string[] = [];
  private readonly faults = new Set<string>();

  constructor(
    private readonly sp: Platform,
    store: Store,
    private readonly settings: Settings,
  ) {
    this.storage = sp.storage;
    this.bodies = new Bodies(sp);
    this.deeds = new Deeds(sp, this.bodies, store);
    this.world = new SkyrimWorld(sp, this.bodies, this.deeds, settings.topics);
    this.browser = sp.browser ? this.page() : undefined;
    this.openSocket = typeof WebSocket === "function" ? openWebSocket : undefined;
  }

  now(): number {
    return Date.now();
  }

  log(text: string): void {
    this.sp.printConsole(`[RFSN Bridge] ${text}`);
  }

  notify(text: string): void {
    // The game would read what looks like markup as such.
    if (this.notifications.length < NOTIFICATIONS) this.notifications.push(text.replace(/</g, "(").replace(/>/g, ")"));
  }

  http(url: string): Http | undefined {
    if (typeof this.sp.HttpClient !== "function") return undefined;
    const client = new this.sp.HttpClient(url);
    return {
      get: (path, answered) => client.get(path, {}, (answer) => this.guard("http", () => answered(answer))),
      post: (path, body, answered) =>
        client.post(path, { body, contentType: "application/json" }, (answer) =>
          this.guard("http", () => answered(answer)),
        ),
    };
  }

  listen(listener: GameListener): void {
    this.listenToFrames(listener);
    this.listenToWorld(listener);
    this.listenToStory(listener);
    this.listenToPlayer(listener);
  }

  private listenToFrames(listener: GameListener): void {
    this.on("tick", () => listener.tick(this.now()));
    this.on("update", () => {
      listener.update(this.now());
      for (let text = this.notifications.shift(); text !== undefined; text = this.notifications.shift()) {
        this.sp.Debug.notification(text);
      }
    });
  }

  private listenToWorld(listener: GameListener): void {
    const { bodies } = this;
    this.on("crosshairRefChanged", () => listener.pointedAt(this.world.addressee()));
    this.on("combatState", ({ actor, target, isCombat }) => {
      const npc = bodies.actorId(actor);
      if (npc !== undefined && npc !== "player") listener.combat(npc, bodies.actorId(target), isCombat);
    });
    this.on("hit", ({ target, aggressor, isHitBlocked }) => {
      const npc = bodies.actorId(target);
      if (npc !== undefined) listener.hit(npc, bodies.actorId(aggressor), isHitBlocked);
    });
    this.on("deathStart", ({ actorDying, actorKiller }) => {
      const npc = bodies.actorId(actorDying);
      if (npc !== undefined && npc !== "player") listener.death(npc, bodies.actorId(actorKiller));
    });
    this.on("locationChanged", ({ actor, oldLoc, newLoc }) => {
      if (bodies.actorId(actor) === "player") listener.moved(newLoc?.getName() ?? "", oldLoc?.getName() ?? "");
    });
    this.on("questStart", ({ quest }) => listener.quest("started", quest.getName()));
    this.on("questStage", ({ quest }) => listener.quest("updated", quest.getName()));
    this.on("questStop", ({ quest }) => listener.quest("ended", quest.getName()));
  }

  private listenToStory(listener: GameListener): void {
    this.on("saveGame", () => listener.saved());
    this.on("preLoadGame", () => {
      this.deeds.forget();
      listener.loading();
    });
    this.on("postLoadGame", () => listener.loaded());
    this.on("loadGame", () => listener.loaded());
    this.on("newGame", () => {
      this.deeds.forget();
      listener.newGame();
    });
  }

  private listenToPlayer(listener: GameListener): void {
    this.on("menuOpen", ({ name }) => PAUSING.has(name) && listener.menu(name, true));
    this.on("menuClose", ({ name }) => PAUSING.has(name) && listener.menu(name, false));
    this.on("buttonEvent", ({ code, isDown }) => {
      if (isDown && code === this.settings.talk_key && !this.browser?.focused()) listener.talkKey();
    });
    this.on("modEvent", ({ eventName, strArg }) => {
      if (eventName.toLowerCase() === MOD_EVENT) listener.said(strArg);
    });
  }

  private on<K extends keyof EventMap>(event: K, react: (...values: EventMap[K]) => void): void {
    this.sp.on(event, (...values: EventMap[K]) => this.guard(event, () => react(...values)));
  }

  /** Run what the game calls. What it throws is told once, for it may happen on every frame. */
  private guard(where: string, run: () => void): void {
    this.bodies.renew();
    try {
      run();
    } catch (error) {
      const fault = `${where}: ${String(error)}`;
      if (this.faults.has(fault) || this.faults.size > 50) return;
      this.faults.add(fault);
      this.log(`a fault in ${fault}\n${String((error as { stack?: unknown }).stack ?? "")}`);
      this.notify("RFSN Bridge: something went wrong. The console says what.");
    }
  }

  private page(): Browser {
    const { browser } = this.sp;
    return {
      load: (url) => browser.loadUrl(url),
      run: (javascript) => browser.executeJavaScript(javascript),
      show: () => browser.setVisible(true),
      focus: (focused) => browser.setFocused(focused),
      focused: () => browser.isFocused(),
      listen: (received) => this.on("browserMessage", (event) => received(event.arguments)),
    };
  }
}

const openWebSocket: OpenSocket = (url, protocol, listener) => {
  if (typeof WebSocket !== "function") throw new Error("this runtime has no WebSocket");
  const socket = new WebSocket(url, protocol);
  let over = false;
  const end = (reason: string): void => {
    if (over) return;
    over = true;
    listener.closed(reason);
  };
  socket.onmessage = ({ data }) => {
    if (!over && typeof data === "string") listener.message(data);
  };
  socket.onclose = ({ code, reason }) => end(`closed with ${code} ${reason}`.trim());
  socket.onerror = () => end("no connection"); // Node's tells of one that never opened by nothing else
  return {
    send: (text) => socket.send(text),
    close: () => {
      over = true;
      socket.close();
    },
  };
};
