/**
 * The mouth of whoever speaks: moved along the timeline that came with the sentence, and shut when that is over,
 * whatever ended it. Which mouth may be open outlives a reload of the plugin, or it would stay so.
 */

import type { NpcId, World } from "./game";
import { MORPHS, type Viseme } from "./protocol";
import type { Store } from "./store";

/** How long somebody may take to be bodily there again after a load; then the game has closed the mouth itself. */
const PATIENCE_MS = 30_000;

export class Lips {
  private readonly targets = new Array<number>(MORPHS).fill(0);
  private readonly weights = new Array<number>(MORPHS).fill(0);
  private timeline: readonly Viseme[] = [];
  private position = 0;
  private mouth: NpcId | undefined;
  /** Mouths that are to be shut as soon as the world allows. */
  private open: NpcId[] = [];
  private openSince = 0;
  private readonly changed: () => void;

  constructor(
    private readonly world: World,
    store: Store,
  ) {
    this.changed = store.keep("lips", () => (this.mouth === undefined ? this.open : this.open.concat(this.mouth)));
    const kept = store.load("lips");
    if (Array.isArray(kept)) this.open = kept.filter((npc): npc is NpcId => typeof npc === "string");
  }

  /** World call. Begin to move a mouth; nothing moves before `move`. */
  begin(npc: NpcId, timeline: readonly Viseme[]): void {
    this.end();
    this.open = this.open.filter((each) => !this.shut(each));
    this.timeline = timeline;
    this.position = 0;
    this.changed();
    if (timeline.length === 0) return;
    this.mouth = npc;
    this.targets.fill(0);
    this.weights.fill(0);
  }

  /** World call. Put the mouth where it is at `heard` ms of the sentence. */
  move(heard: number): void {
    if (this.mouth === undefined) return;
    const from = this.position;
    for (let step = this.timeline[from]; step && step[0] <= heard; step = this.timeline[++this.position]) {
      this.targets[step[1]] = step[2];
    }
    if (this.position === from) return;
    for (let morph = 0; morph < MORPHS; morph++) {
      const weight = this.targets[morph] as number;
      if (weight === this.weights[morph]) continue;
      this.weights[morph] = weight;
      this.world.moveMouth(this.mouth, morph, weight);
    }
  }

  /** The sentence is over: the mouth is shut at the next `settle`. */
  end(): void {
    if (this.mouth === undefined) return;
    this.open.push(this.mouth);
    this.mouth = undefined;
    this.timeline = [];
    this.changed();
  }

  /** World call, each frame: shut what is to be shut. */
  settle(now: number): void {
    if (this.open.length === 0) {
      this.openSince = 0;
      return;
    }
    if (this.openSince === 0) this.openSince = now;
    const waiting = this.open.filter((npc) => !this.shut(npc));
    const settled = waiting.length < this.open.length;
    this.open = now - this.openSince > PATIENCE_MS ? [] : waiting;
    if (settled || this.open.length === 0) this.changed();
  }

  private shut(npc: NpcId): boolean {
    if (!this.world.position(npc)) return false;
    for (let morph = 0; morph < MORPHS; morph++) this.world.moveMouth(npc, morph, 0);
    return true;
  }
}
