/** Whom the daemon knows: who they are and what they are in the middle of, told again only where it changed. */

import { PLAYER, type Conditions, type Facts, type NpcId, type World } from "./game";
import { isObject, type NpcGone, type NpcUpdate } from "./protocol";
import type { Store } from "./store";

/** One NPC is looked after in each of these. */
const TEND_MS = 100;
const LIMIT = 128;

export class Npcs {
  private readonly known = new Map<NpcId, Known>();
  private readonly changed: () => void;
  private round: NpcId[] = [];
  private nextTend = 0;

  constructor(
    private readonly world: World,
    store: Store,
    private readonly send: (message: NpcUpdate | NpcGone, droppable: boolean) => void,
  ) {
    this.changed = store.keep("npcs", () => Array.from(this.known));
    const kept = store.load("npcs");
    if (!Array.isArray(kept)) return;
    for (const each of kept as unknown[]) {
      if (!Array.isArray(each) || typeof each[0] !== "string" || !isObject(each[1])) continue;
      this.known.set(each[0], each[1] as unknown as Known);
    }
  }

  isKnown(npc: NpcId): boolean {
    return this.known.has(npc);
  }

  /** Kept from when they were introduced, so that no world call is needed. */
  name(npc: NpcId): string {
    return npc === PLAYER ? "the player" : (this.known.get(npc)?.facts.name ?? "somebody");
  }

  /** World call. See to it that the daemon knows them as they are now; false if there is nobody. */
  introduce(npc: NpcId): boolean {
    const facts = this.world.facts(npc);
    const conditions = this.world.conditions(npc);
    if (!facts || !conditions) return false;
    const before = this.known.get(npc);
    if (before && same(before.facts, facts)) {
      this.refresh(npc, before, conditions);
      return true;
    }
    const known: Known = { facts, conditions };
    this.known.delete(npc); // to the end of the order in which they are given up
    this.known.set(npc, known);
    this.changed();
    this.send(update(npc, known), false);
    if (this.known.size > LIMIT) this.forget([this.known.keys().next().value as NpcId]);
    return true;
  }

  /** World call. Tell what an NPC is in the middle of if that has changed. */
  watch(npc: NpcId): void {
    const known = this.known.get(npc);
    const conditions = known && this.world.conditions(npc);
    if (known && conditions) this.refresh(npc, known, conditions);
  }

  /** World call, each frame: look after one of them every now and then. */
  tend(now: number): void {
    if (now < this.nextTend) return;
    this.nextTend = now + TEND_MS;
    const npc = this.round.pop();
    if (npc === undefined) this.round = Array.from(this.known.keys());
    else if (!this.known.has(npc)) return;
    else if (this.world.here(npc)) this.watch(npc);
    else this.forget([npc]);
  }

  /** They died, left, or were unloaded. */
  forget(npcs: readonly NpcId[]): void {
    const gone = npcs.filter((npc) => this.known.delete(npc));
    if (gone.length === 0) return;
    this.changed();
    this.send({ type: "npc_gone", npc_ids: gone }, false);
  }

  /** World call. Who of them is here, and would see what happens. */
  witnesses(): NpcId[] {
    return Array.from(this.known.keys()).filter((npc) => this.world.here(npc));
  }

  /** Everybody, for a daemon that knows nobody. */
  introductions(): NpcUpdate[] {
    return Array.from(this.known, ([npc, known]) => update(npc, known));
  }

  private refresh(npc: NpcId, known: Known, conditions: Conditions): void {
    if (same(known.conditions, conditions)) return;
    known.conditions = conditions;
    this.changed();
    this.send({ type: "npc_update", npc_id: npc, name: known.facts.name, conditions }, true);
  }
}

interface Known {
  readonly facts: Facts;
  conditions: Conditions;
}

function update(npc: NpcId, { facts, conditions }: Known): NpcUpdate {
  return { type: "npc_update", npc_id: npc, ...facts, conditions };
}

/** The two were made by the same function, so that their fields stand in the same order. */
function same(one: Facts | Conditions, other: Facts | Conditions): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
