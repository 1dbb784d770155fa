/**
 * What happens around the player, as sentences that NPCs may be told. Blows come thick: those of one against another
 * are counted and told together, and of all the rest there is only so much a second.
 */

import { PLAYER, type NpcId, type World } from "./game";
import type { Npcs } from "./npcs";
import type { EventKind, GameEvent } from "./protocol";

const MERGE_MS = 5_000;
const PER_S = 4;
const BURST = 12;
const PAIRS = 32;

interface Blows {
  readonly target: NpcId;
  readonly aggressor: NpcId;
  count: number;
  blocked: number;
  readonly until: number;
}

export class Events {
  /** How many went untold because there were too many. */
  untold = 0;
  private readonly blows = new Map<string, Blows>();
  private allowance = BURST;
  private refilled = 0;

  constructor(
    private readonly world: World,
    private readonly npcs: Npcs,
    private readonly hearingDistance: number,
    private readonly send: (event: GameEvent) => void,
  ) {}

  // World calls, all of them.

  update(now: number): void {
    if (this.blows.size === 0) return;
    for (const [pair, blows] of Array.from(this.blows)) {
      if (now < blows.until) continue;
      this.blows.delete(pair);
      if (blows.count > 0) this.tellBlows(blows, now);
    }
  }

  /** The first blow is told at once, those that follow in one sentence later. */
  hit(target: NpcId, aggressor: NpcId, blocked: boolean, now: number): void {
    if (!this.concerns(target, aggressor)) return;
    const pair = `${aggressor}>${target}`;
    const blows = this.blows.get(pair);
    if (blows) {
      blows.count += 1;
      if (blocked) blows.blocked += 1;
      return;
    }
    if (this.blows.size >= PAIRS) {
      this.untold += 1;
      return;
    }
    this.blows.set(pair, { target, aggressor, count: 0, blocked: 0, until: now + MERGE_MS });
    this.tellBlows({ target, aggressor, count: 1, blocked: blocked ? 1 : 0, until: 0 }, now);
  }

  combat(npc: NpcId, target: NpcId | undefined, active: boolean, now: number): void {
    if (!this.concerns(npc, target)) return;
    this.npcs.watch(npc);
    const against = target === undefined ? "" : ` ${this.name(target)}`;
    const text = active ? `${this.name(npc)} started fighting${against}.` : `${this.name(npc)} stopped fighting.`;
    this.tell(active ? "combat_started" : "combat_ended", others(npc, target), text, now, target ? { target } : {});
  }

  death(npc: NpcId, killer: NpcId | undefined, now: number): void {
    if (!this.concerns(npc, killer)) return;
    const by = killer === undefined || killer === npc ? "" : ` by ${this.name(killer)}`;
    const text = by === "" ? `${this.name(npc)} died.` : `${this.name(npc)} was killed${by}.`;
    const concerned = others(npc, killer).concat(this.npcs.witnesses());
    this.tell("death", unique(concerned), text, now, killer === undefined ? { victim: npc } : { victim: npc, killer });
  }

  moved(place: string, from: string, now: number): void {
    if (place === "") return;
    const data = from === "" ? { location: place } : { location: place, from };
    this.tell("location_changed", this.npcs.witnesses(), `The player came to ${place}.`, now, data);
  }

  quest(change: "started" | "updated" | "ended", name: string, now: number): void {
    if (name === "") return; // the game's own bookkeeping
    const words = { started: "began", updated: "moved on", ended: "came to its end" };
    const kinds = { started: "quest_started", updated: "quest_updated", ended: "quest_ended" } as const;
    this.tell(kinds[change], this.npcs.witnesses(), `The player's quest "${name}" ${words[change]}.`, now, { quest: name });
  }

  private tellBlows({ target, aggressor, count, blocked }: Blows, now: number): void {
    const times = count === 1 ? "" : count === 2 ? " twice" : ` ${count} times`;
    const and = blocked === 0 ? "" : blocked === count ? " and blocked it" : ` and blocked ${blocked} of these`;
    const text = `${this.name(target)} was hit by ${this.name(aggressor)}${times}${and}.`;
    this.tell("hit", others(target, aggressor), text, now, { target, aggressor, count, blocked });
  }

  /** The player or somebody we know takes part, and everybody in it is known from now on. */
  private concerns(one: NpcId, other: NpcId | undefined): boolean {
    const parts = others(one, other);
    const player = one === PLAYER || other === PLAYER;
    if (!player && !parts.some((npc) => this.npcs.isKnown(npc))) return false;
    for (const npc of parts) {
      if (!this.npcs.isKnown(npc) && this.world.distance(npc) <= this.hearingDistance * 2) this.npcs.introduce(npc);
    }
    return true;
  }

  private name(npc: NpcId): string {
    return this.npcs.isKnown(npc) || npc === PLAYER ? this.npcs.name(npc) : (this.world.facts(npc)?.name ?? "somebody");
  }

  private tell(kind: EventKind, concerned: NpcId[], text: string, now: number, data: Record<string, unknown>): void {
    this.allowance = Math.min(BURST, this.allowance + (Math.max(0, now - this.refilled) / 1000) * PER_S);
    this.refilled = now;
    if (this.allowance < 1 && kind !== "death") {
      this.untold += 1;
      return;
    }
    this.allowance -= 1;
    const sentence = text.charAt(0).toUpperCase() + text.slice(1, 500);
    const npc_ids = concerned.filter((npc) => this.npcs.isKnown(npc));
    this.send({ type: "game_event", kind, npc_ids, text: sentence, data, game_time: this.world.gameTime() });
  }
}

function others(one: NpcId, other: NpcId | undefined): NpcId[] {
  return [one, other].filter((npc): npc is NpcId => npc !== undefined && npc !== PLAYER);
}

function unique(npcs: readonly NpcId[]): NpcId[] {
  return Array.from(new Set(npcs));
}
