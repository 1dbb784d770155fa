/**
 * Which story is played, and its saves. The runtime tells no name of a save, so that one is known by its moment in
 * the game's own time, which is the same when it is made and when it is loaded.
 */

import type { World } from "./game";
import type { GameStarted, SavePoint } from "./protocol";
import { isObject } from "./protocol";
import type { Store } from "./store";

export class Saves {
  playthrough = "default";
  /** Days, as of the last frame of the world: when a save is made, the world cannot be asked. */
  time = 0;
  private checkName = true;
  private loadSeen = false;
  private pending: "game_started" | "save_loaded" | undefined;
  private readonly changed: () => void;

  constructor(
    private readonly world: World,
    store: Store,
    /** The player's own name for the playthrough; empty: by the name of the character. */
    private readonly chosen: string,
    private readonly send: (message: GameStarted | SavePoint) => void,
  ) {
    this.changed = store.keep("saves", () => ({ pending: this.pending, playthrough: this.playthrough }));
    const kept = store.load("saves");
    if (!isObject(kept)) return;
    if (typeof kept.playthrough === "string") this.playthrough = kept.playthrough;
    if (kept.pending === "game_started" || kept.pending === "save_loaded") this.pending = kept.pending;
  }

  saved(): void {
    this.send(this.savePoint("save_created"));
  }

  beginLoading(): void {
    this.loadSeen = false;
  }

  /** The game says so twice for one load. */
  endLoading(): void {
    if (this.loadSeen) return;
    this.loadSeen = true;
    this.expect("save_loaded");
  }

  newGame(): void {
    this.expect("game_started");
  }

  /** The player may have another name now. */
  renamed(): void {
    this.checkName = true;
  }

  /** World call, each frame. Gives true in the first one of another story or another moment of it. */
  update(): boolean {
    this.time = this.world.gameTime();
    if (this.pending === undefined && !this.checkName) return false;
    const before = this.playthrough;
    this.playthrough = this.chosen || slug(this.world.playerName());
    const pending = this.pending ?? (before === this.playthrough ? undefined : "game_started");
    this.checkName = false;
    this.pending = undefined;
    this.changed();
    if (pending === undefined) return false;
    this.send(pending === "save_loaded" ? this.savePoint("save_loaded") : this.started());
    return true;
  }

  /** The daemon knows nothing of this game yet. */
  started(): GameStarted {
    return { type: "game_started", playthrough: this.playthrough, game_time: this.time };
  }

  private expect(what: "game_started" | "save_loaded"): void {
    this.pending = what;
    this.changed();
  }

  private savePoint(type: SavePoint["type"]): SavePoint {
    const { playthrough, time } = this;
    return { type, playthrough, save_id: `day-${time.toFixed(4)}`, game_time: time };
  }
}

/** Words of the name, for an id that a person may read. */
function slug(name: string): string {
  const words = name.trim().toLowerCase().replace(/\s+/g, "-");
  return words === "" ? "default" : words.slice(0, 128);
}
