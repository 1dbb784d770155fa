/**
 * The seam: all that the adapter knows of a game. `skyrim/` is one side of it; everything else is the other, and
 * serves any game whose scripts are JavaScript.
 *
 * NPCs are named by id on both sides. The game finds the body behind an id anew on every call, so that nothing here
 * can hold on to one that is gone.
 */

/** Stable, lowercase ASCII; of a reference, not of a kind of person. */
export type NpcId = string;

/** The id of the player, wherever somebody may be either. */
export const PLAYER: NpcId = "player";

export type Vector = readonly [x: number, y: number, z: number];

/** Who somebody is. */
export interface Facts {
  readonly name: string;
  readonly race?: string;
  readonly gender?: string;
  readonly voice_type?: string;
  /** How the game has the two stand: seeds what an NPC feels who is met for the first time. */
  readonly state?: { readonly affinity: number; readonly relationship: Relationship };
}

export type Relationship = "stranger" | "acquaintance" | "friend" | "ally" | "enemy" | "rival";

/** What somebody is in the middle of. */
export interface Conditions {
  readonly combat_active: boolean;
  readonly quest_active: boolean;
  readonly weapon_drawn: boolean;
  readonly in_scene: boolean;
}

export type Mood = "happy" | "neutral" | "sad" | "angry" | "fearful" | "surprised" | "friendly";

/** Calls into the world. They are allowed in `GameListener.update` and where a listener's method says so. */
export interface World {
  /** Days. */
  gameTime(): number;
  playerName(): string;
  /** Where the player is, in words; empty where the game has none. */
  place(): string;
  listener(): { readonly position: Vector; readonly forward: Vector };
  /** Whom the player points at, if it is somebody to talk with. */
  addressee(): NpcId | undefined;
  /** Who could hear the player within `distance`, the nearest first. */
  near(distance: number): NpcId[];
  /** From the player; Infinity for who is not here. */
  distance(npc: NpcId): number;
  /** Alive, conscious, and bodily there. */
  here(npc: NpcId): boolean;
  /** The game's own script has them act or speak. */
  scripted(npc: NpcId): boolean;
  position(npc: NpcId): Vector | undefined;
  facts(npc: NpcId): Facts | undefined;
  conditions(npc: NpcId): Conditions | undefined;

  lookAtPlayer(npc: NpcId): void;
  lookAway(npc: NpcId): void;
  /** Put on a face; undefined takes it off. */
  express(npc: NpcId, mood: Mood | undefined): void;
  /** One of the sixteen morphs of the mouth, 0 to 1. */
  moveMouth(npc: NpcId, morph: number, weight: number): void;
  /** Play a sound file by its name as this NPC's speech; false if the game has nothing to play it by. */
  playSpeech(npc: NpcId, file: string): boolean;

  /** What an NPC carries and could give away, by name. */
  belongings(npc: NpcId): string[];
  /** Do what an NPC decided to do if that is legal now; `done` is called once, perhaps much later. */
  perform(deed: Deed, done: (outcome: Outcome) => void): void;
  /** Called each frame while the world runs: ends what deeds have left to be undone. */
  tendDeeds(now: number): void;
}

export interface Deed {
  readonly npc: NpcId;
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly target?: NpcId;
}

export interface Outcome {
  readonly status: "applied" | "rejected" | "failed";
  /** Why not, or how, in words that the NPC may be told. */
  readonly message?: string;
}

/** What happens in the game. */
export interface GameListener {
  /** Each frame, in menus too. No world calls. */
  tick(now: number): void;
  /** Each frame of the running world. World calls are allowed. */
  update(now: number): void;

  // World calls are allowed in these.
  pointedAt(npc: NpcId | undefined): void;
  combat(npc: NpcId, target: NpcId | undefined, active: boolean): void;
  hit(target: NpcId, aggressor: NpcId | undefined, blocked: boolean): void;
  death(npc: NpcId, killer: NpcId | undefined): void;
  moved(place: string, from: string): void;
  quest(change: "started" | "updated" | "ended", name: string): void;

  // No world calls in these.
  /** A menu that stops the world opens or closes. */
  menu(name: string, open: boolean): void;
  saved(): void;
  loading(): void;
  loaded(): void;
  newGame(): void;
  /** The player asks for the text box. */
  talkKey(): void;
  /** A line of the player that came by another door than the text box. */
  said(text: string): void;
}

/** `status` is 0 where no answer came. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

export interface Http {
  get(path: string, answered: (answer: HttpAnswer) => void): void;
  post(path: string, body: string, answered: (answer: HttpAnswer) => void): void;
}

/** One WebSocket, whoever provides it. */
export interface Socket {
  send(text: string): void;
  close(): void;
}

export interface SocketListener {
  message(text: string): void;
  /** Called at most once, and not after `close`. */
  closed(reason: string): void;
}

export type OpenSocket = (url: string, protocol: string, listener: SocketListener) => Socket;

/** A web page over the game. */
export interface Browser {
  load(url: string): void;
  run(javascript: string): void;
  show(): void;
  /** Whether keys go to the page instead of the game. */
  focus(focused: boolean): void;
  focused(): boolean;
  /** Be told what our page sends: the arguments of its `sendMessage`. */
  listen(received: (values: readonly unknown[]) => void): void;
}

/** A game and its script runtime. All but `world` may be used at any time. */
export interface Game {
  readonly name: string;
  readonly world: World;
  /** Milliseconds of the wall clock. */
  now(): number;
  /** A line for whoever looks for the cause of something. */
  log(text: string): void;
  /** A short line on the player's screen, at the next frame of the world. */
  notify(text: string): void;
  /** Plain strings here outlive a reload of the plugin. */
  readonly storage: Record<string, unknown>;
  http(url: string): Http | undefined;
  readonly openSocket: OpenSocket | undefined;
  readonly browser: Browser | undefined;
  listen(listener: GameListener): void;
}
