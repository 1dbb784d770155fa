/**
 * The adapter, told in one place: what happens in the game goes to the daemon, what the daemon says happens in the
 * game. Each part below knows its own matter only; this file knows who tells whom.
 */

import { Actions } from "./actions";
import { Connection, type ConnectionListener } from "./connection";
import { Conversation } from "./conversation";
import { Events } from "./events";
import type { Game, GameListener, NpcId, Vector } from "./game";
import { Lips } from "./lips";
import { Npcs } from "./npcs";
import type { Entry } from "./outbox";
import { Pause } from "./pause";
import type { FromDaemon, Identified, ToDaemon } from "./protocol";
import { Saves } from "./saves";
import type { Settings } from "./settings";
import { Speech } from "./speech";
import type { Store } from "./store";
import { Subtitles } from "./subtitles";
import { Ladder, type Rung } from "./transport/ladder";
import { LongPollTransport } from "./transport/long_poll";
import { Page, type PageListener } from "./transport/page";
import { SocketTransport } from "./transport/socket";

/** Five a second at most, with room for the unevenness of frames and requests. */
const POSITIONS_MS = 250;
/** Nobody wants an answer to what they said longer ago. */
const LINE_MS = 30_000;
/** The same notice of the daemon is not shown again within this time. */
const NOTICE_MS = 60_000;
const NOTICES = 64;

export class Adapter implements GameListener, ConnectionListener {
  private readonly connection: Connection;
  private readonly npcs: Npcs;
  private readonly speech: Speech;
  private readonly lips: Lips;
  private readonly conversation: Conversation;
  private readonly actions: Actions;
  private readonly events: Events;
  private readonly pause: Pause;
  private readonly saves: Saves;
  private readonly subtitles: Subtitles;
  private readonly page: Page | undefined;
  /** World calls that something outside of `update` asked for. */
  private readonly errands: (() => void)[] = [];
  private readonly notices = new Map<string, number>();
  /** Whom the open text box is for. */
  private addressed: NpcId | undefined;
  private begun = false;
  private nextPositions = 0;
  private missing = false;

  constructor(
    private readonly game: Game,
    private readonly store: Store,
    private readonly settings: Settings,
    private readonly version: string,
  ) {
    const { world } = game;
    const { host, port } = settings;
    const post = (message: ToDaemon): void => this.connection.post(message);
    const seed = Math.floor(Math.random() * 1_000_000) * 1_000;
    const insist = settings.transport === "page";
    if (game.browser && (settings.page || insist)) {
      this.page = new Page(game.browser, `http://${host}:${port}/game`, seed, insist, this.box());
    }
    this.connection = new Connection(game, store, new Ladder(this.rungs()), this);
    this.pause = new Pause((paused) => post({ type: "game_paused", paused }));
    this.saves = new Saves(world, store, settings.playthrough, post);
    this.npcs = new Npcs(world, store, (message, droppable) => this.connection.post(message, { droppable }));
    this.subtitles = new Subtitles(game, settings, this.page);
    this.lips = new Lips(world, store);
    this.speech = new Speech(world, store, settings, this.lips, {
      send: post,
      subtitle: (npc, text) => this.subtitles.show(this.npcs.name(npc), text),
      silence: () => this.subtitles.clear(),
      scripted: (npc) => this.npcs.watch(npc),
    });
    this.actions = new Actions(world, store, settings.actions, post, (turn) => this.speech.pending(turn));
    this.conversation = new Conversation(world, store, settings, this.npcs, {
      addressing: (npc) => this.actions.addressing(npc),
      send: (line) => this.say(line),
      notify: (text) => this.game.notify(text),
    });
    this.events = new Events(world, this.npcs, settings.hearing_distance, (event) =>
      this.connection.post(event, { droppable: true }),
    );
  }

  // --- Each frame

  /** Also in menus, and before any game is loaded; there is no world to call here. */
  tick(now: number): void {
    if (this.begun) {
      this.pause.tick(now);
      this.page?.tick(now, this.pause.paused);
      this.connection.tick(now, this.pause.paused, this.speech.idle);
    }
    this.store.flush();
  }

  update(now: number): void {
    const passed = this.pause.frame(now);
    if (this.saves.update()) this.otherWorld();
    if (!this.begun) this.begin(now);
    for (let errand = this.errands.shift(); errand; errand = this.errands.shift()) errand();
    for (let message = this.connection.take(); message; message = this.connection.take()) this.receive(message, now);
    this.speech.update(now, passed);
    this.actions.update(now);
    this.game.world.tendDeeds(now);
    this.npcs.tend(now);
    this.events.update(now);
    this.sendPositions(now);
    this.store.flush();
  }

  /** The first frame of the world after the start or a reload of the plugin. */
  private begin(now: number): void {
    this.begun = true;
    this.lips.settle(now);
    this.speech.takeUp();
  }

  /** Another story, or another moment of it: bodies and whereabouts are not what they were. */
  private otherWorld(): void {
    this.npcs.witnesses().forEach((npc) => this.npcs.introduce(npc));
  }

  private sendPositions(now: number): void {
    const { voices } = this.speech;
    if (voices.length === 0 || this.pause.paused || now < this.nextPositions) return;
    this.nextPositions = now + POSITIONS_MS;
    const { world } = this.game;
    const npcs: Record<NpcId, Vector> = {};
    for (const npc of voices) {
      const position = world.position(npc);
      if (position) npcs[npc] = position;
    }
    if (Object.keys(npcs).length > 0) this.connection.postNow({ type: "positions", listener: world.listener(), npcs });
  }

  // --- From the daemon

  /** World calls are allowed here. */
  private receive(message: FromDaemon, now: number): void {
    switch (message.type) {
      case "action_request":
        this.speech.receive(message);
        this.actions.request(message, now);
        break;
      case "notice":
        this.notice(message.level, message.hint ? `${message.message}: ${message.hint}` : message.message, message.code);
        break;
      case "error":
        this.game.log(`the daemon says: ${message.code}: ${message.message}`);
        break;
      case "turn_finished":
        if (message.error) {
          const { message: text, hint } = message.error;
          this.notice("error", hint ? `${text}: ${hint}` : text, text);
        }
        this.speech.receive(message);
        break;
      default:
        this.speech.receive(message);
    }
  }

  private notice(level: "info" | "warning" | "error", text: string, key: string): void {
    this.game.log(`${level}: ${text}`);
    const now = this.game.now();
    const before = this.notices.get(key);
    if (before !== undefined && now - before < NOTICE_MS) return;
    if (this.notices.size > NOTICES) this.notices.clear();
    this.notices.set(key, now);
    if (this.page?.ready) this.page.notice(level, text);
    else if (level !== "info") this.game.notify(`RFSN Bridge: ${text}`);
  }

  // --- From the game; world calls are allowed in these

  pointedAt(npc: NpcId | undefined): void {
    if (npc !== undefined) this.npcs.introduce(npc);
  }

  combat(npc: NpcId, target: NpcId | undefined, active: boolean): void {
    if (active) this.speech.alarm(npc);
    if (this.settings.events) this.events.combat(npc, target, active, this.game.now());
    else this.npcs.watch(npc);
  }

  hit(target: NpcId, aggressor: NpcId | undefined, blocked: boolean): void {
    if (this.settings.events && aggressor !== undefined) this.events.hit(target, aggressor, blocked, this.game.now());
  }

  death(npc: NpcId, killer: NpcId | undefined): void {
    this.speech.silence(npc, "death");
    if (this.settings.events) this.events.death(npc, killer, this.game.now());
    this.npcs.forget([npc]);
  }

  moved(place: string, from: string): void {
    if (this.settings.events) this.events.moved(place, from, this.game.now());
  }

  quest(change: "started" | "updated" | "ended", name: string): void {
    if (this.settings.events) this.events.quest(change, name, this.game.now());
  }

  // --- From the game; no world calls in these

  menu(name: string, open: boolean): void {
    this.pause.menu(name, open);
    if (!open) this.saves.renamed(); // it may have been the one in which the player chooses a name
  }

  saved(): void {
    this.saves.saved();
  }

  loading(): void {
    this.saves.beginLoading();
    this.leaveWorld();
  }

  loaded(): void {
    this.saves.endLoading();
  }

  newGame(): void {
    this.leaveWorld();
    this.saves.newGame();
  }

  talkKey(): void {
    if (this.pause.paused) return;
    if (!this.page?.ready) {
      this.game.notify("RFSN Bridge: the text box is not there yet. Move the mouse, and see that the daemon runs.");
      this.page?.need();
      return;
    }
    this.errands.push(() => {
      this.addressed = this.conversation.address();
      if (this.addressed !== undefined) this.page?.ask(this.npcs.name(this.addressed));
    });
  }

  said(text: string): void {
    this.errands.push(() => this.conversation.say(text));
  }

  private leaveWorld(): void {
    this.speech.abandon(true);
    this.actions.abandon();
    this.errands.length = 0;
    this.page?.dismiss();
  }

  private box(): PageListener {
    return {
      said: (text) => {
        const addressed = this.addressed;
        this.errands.push(() => this.conversation.say(text, addressed));
      },
      cancelled: () => {
        this.addressed = undefined;
      },
    };
  }

  private say(line: ToDaemon): void {
    if (!this.connection.live) this.game.notify("RFSN Bridge: not connected. This is said when the daemon is there.");
    this.connection.post(line);
  }

  // --- The connection asks, and tells

  identity(): ReturnType<ConnectionListener["identity"]> {
    const { audio, lips, token } = this.settings;
    const identity = {
      client: { name: this.game.name, version: this.version, game: this.game.name },
      capabilities: { audio, visemes: lips, reports: true },
      playthrough: this.saves.playthrough,
    };
    return token === "" ? identity : { ...identity, token };
  }

  introduction(): ToDaemon[] {
    this.speech.abandon(false); // what was being said belongs to the old session
    this.actions.abandon();
    const world = [...this.npcs.introductions(), ...this.actions.introduction(), this.saves.started()];
    return this.pause.paused ? [...world, { type: "game_paused", paused: true }] : world;
  }

  outlives(message: ToDaemon, age: number): boolean {
    switch (message.type) {
      case "player_line":
        return age < LINE_MS;
      case "game_event":
      case "npc_gone":
      case "save_created":
      case "save_loaded":
        return true;
      default:
        // All else names turns of the old session, or is part of the introduction.
        return false;
    }
  }

  gaveUp(entries: readonly Entry[]): void {
    for (const { message } of entries) {
      if (message.type === "player_line") this.game.notify(`RFSN Bridge: not said in time: ${message.text.slice(0, 60)}`);
    }
  }

  connected(identified: Identified): void {
    this.speech.audio = identified.audio;
    if (this.missing) this.game.notify("RFSN Bridge: the daemon is there.");
    this.missing = false;
    this.game.log(`${identified.resumed ? "resumed" : "began"} session ${identified.session_id}, audio ${identified.audio}`);
  }

  unreachable(reason: string, said: string | undefined): void {
    if (said !== undefined) this.notice("error", said, said);
    if (this.missing || said !== undefined) return;
    this.missing = true;
    const { host, port } = this.settings;
    this.game.notify("RFSN Bridge: the daemon is not there. Start it with: rfsn-bridge run");
    this.game.log(`no daemon at ${host}:${port} (${reason}); it is tried again all the time, and not mentioned`);
  }

  refused(message: ToDaemon, code: string, text: string): void {
    this.game.log(`the daemon refused ${message.type}: ${code}: ${text}`);
    if (message.type === "player_line") this.game.notify(`RFSN Bridge: ${text}`);
  }

  private rungs(): Rung[] {
    const { game, page, settings } = this;
    const url = `ws://${settings.host}:${settings.port}/ws`;
    const { openSocket } = game;
    const http = game.http(`http://${settings.host}:${settings.http_port}`);
    const rungs: Rung[] = [];
    if (openSocket) {
      const open: Rung["open"] = (opening) => new SocketTransport("web_socket", openSocket, url, opening);
      rungs.push({ kind: "web_socket", available: () => true, open });
    }
    if (page) {
      const open: Rung["open"] = (opening) => new SocketTransport("page", page.openSocket, url, opening);
      rungs.push({ kind: "page", available: () => page.ready, open });
    }
    if (http) {
      const open: Rung["open"] = (opening) => new LongPollTransport(http, opening);
      rungs.push({ kind: "long_poll", available: () => true, open });
    }
    return rungs.filter(({ kind }) => settings.transport === "auto" || settings.transport === kind);
  }
}
