/** What NPCs do when they decide to: whether the game allows it now, and how it is done. */

import type { Actor, Form } from "skyrimPlatform";
import { PLAYER, type Deed, type NpcId, type Outcome } from "../game";
import { isObject } from "../protocol";
import type { Store } from "../store";
import type { Bodies } from "./bodies";
import type { Platform } from "./platform";

const JOB_MERCHANT_FACTION = 0x00051596;
/** Weapons, ammunition, potions, ingredients, books, soul gems, torches, odds and ends; not what people wear. */
const GIVEABLE = new Set([27, 30, 31, 32, 41, 42, 46, 52]);
const MOST_ITEMS = 10;
const INVENTORY = 200;
const WALK = 0.5;
const RUN = 1;
const FAR = 6_000;
const ARRIVED = 200;
const BEHIND = -150;
const CATCH_UP = 600;
const FOLLOW = 150;
const TEND_MS = 1_000;
/** How long somebody who fled stays afraid. */
const FEAR_MS = 20_000;
/** After so long on the way, that is taken for an answer. */
const ON_THE_WAY_MS = 5_000;

type Done = (outcome: Outcome) => void;

interface Way {
  readonly since: number;
  readonly done: Done;
}

interface Fear {
  readonly npc: NpcId;
  readonly confidence: number;
  readonly until: number;
}

/** Why something is not legal now. */
class Refusal extends Error {}

export class Deeds {
  /** Who walks with the player by our doing; false while they have something better to do. */
  private readonly followers = new Map<NpcId, boolean>();
  private fears: Fear[] = [];
  private ways: Way[] = [];
  private now = 0;
  private nextTend = 0;
  private readonly changed: () => void;

  constructor(
    private readonly sp: Platform,
    private readonly bodies: Bodies,
    store: Store,
  ) {
    this.changed = store.keep("deeds", () => ({ followers: Array.from(this.followers.keys()), fears: this.fears }));
    const kept = store.load("deeds");
    if (!isObject(kept)) return;
    if (Array.isArray(kept.followers)) for (const npc of kept.followers as NpcId[]) this.followers.set(npc, true);
    if (Array.isArray(kept.fears)) this.fears = kept.fears as Fear[];
  }

  perform(deed: Deed, done: Done): void {
    try {
      const actor = this.bodies.find(deed.npc);
      if (!this.bodies.here(actor)) throw new Refusal("They are not here.");
      if (this.bodies.scripted(actor)) throw new Refusal("They are in the middle of something.");
      if (deed.name === "go_to") this.goTo(actor, deed, done);
      else done({ status: "applied", ...this.act(actor, deed) });
    } catch (error) {
      if (error instanceof Refusal) done({ status: "rejected", message: error.message });
      else done({ status: "failed", message: String(error).slice(0, 200) });
    }
  }

  belongings(actor: Actor): string[] {
    const names = new Set<string>();
    for (const item of this.items(actor)) names.add(item.getName());
    return Array.from(names).sort();
  }

  tend(now: number): void {
    this.now = now;
    if (now < this.nextTend) return;
    this.nextTend = now + TEND_MS;
    for (const [npc, walking] of Array.from(this.followers)) this.tendFollower(npc, walking);
    for (const fear of this.fears.filter(({ until }) => until <= now)) this.calm(fear);
    const late = this.ways.filter(({ since }) => now - since >= ON_THE_WAY_MS);
    this.ways = this.ways.filter((way) => !late.includes(way));
    for (const { done } of late) done({ status: "applied", message: "They are on their way." });
  }

  /** Another moment of the story, in which none of this happened. No world calls. */
  forget(): void {
    this.followers.clear();
    this.fears = [];
    this.ways = [];
    this.changed();
  }

  private act(actor: Actor, { npc, name, arguments: given, target }: Deed): { message?: string } {
    switch (name) {
      case "follow":
        return this.follow(actor, npc);
      case "wait":
        return this.wait(actor, npc);
      case "attack":
        return this.attack(actor, npc, target);
      case "flee":
        return this.flee(actor, npc);
      case "stop_combat":
        demand(actor.isInCombat(), "They are not fighting.");
        actor.stopCombat();
        return {};
      case "trade":
        return this.trade(actor);
      case "give_item":
        return this.give(actor, given);
      default:
        throw new Refusal(`Nobody can ${name}.`);
    }
  }

  // --- Walking

  private follow(actor: Actor, npc: NpcId): { message?: string } {
    demand(!actor.isInCombat(), "They are fighting.");
    demand(!actor.isChild(), "Children stay where they are.");
    demand(!actor.isHostileToActor(this.bodies.getPlayer()), "They are an enemy of the player.");
    if (actor.isPlayerTeammate()) {
      actor.setActorValue("WaitingForPlayer", 0);
      actor.evaluatePackage();
      return {};
    }
    this.walkWithPlayer(actor);
    this.followers.set(npc, true);
    this.changed();
    return {};
  }

  private wait(actor: Actor, npc: NpcId): { message?: string } {
    if (actor.isPlayerTeammate()) {
      actor.setActorValue("WaitingForPlayer", 1);
      actor.evaluatePackage();
      return {};
    }
    demand(this.followers.has(npc), "They do not walk with the player.");
    this.unfollow(npc, actor);
    return { message: "They stay, and go about their own business." };
  }

  private goTo(actor: Actor, { npc, arguments: given, target }: Deed, done: Done): void {
    const goal = this.target(npc, target);
    demand(!actor.isInCombat(), "They are fighting.");
    const away = actor.getDistance(goal);
    demand(away <= FAR, "That is too far away.");
    if (away <= ARRIVED) {
      done({ status: "applied", message: "They are there already." });
      return;
    }
    const way: Way = { since: this.now, done };
    const settle = (outcome: Outcome): void => {
      if (!this.ways.includes(way)) return;
      this.ways = this.ways.filter((each) => each !== way);
      done(outcome);
    };
    this.ways.push(way);
    if (this.followers.has(npc)) this.unfollow(npc, actor);
    actor.pathToReference(goal, given.pace === "run" ? RUN : WALK).then(
      (arrived) => settle(arrived ? { status: "applied" } : { status: "failed", message: "They found no way there." }),
      (error) => settle({ status: "failed", message: String(error).slice(0, 200) }),
    );
  }

  private walkWithPlayer(actor: Actor): void {
    actor.keepOffsetFromActor(this.bodies.getPlayer(), 0, BEHIND, 0, 0, 0, 0, CATCH_UP, FOLLOW);
  }

  private unfollow(npc: NpcId, actor: Actor): void {
    this.followers.delete(npc);
    this.changed();
    actor.clearKeepOffsetFromActor();
    actor.evaluatePackage();
  }

  /** The offset would drag them out of fights and scenes: it is taken off meanwhile. */
  private tendFollower(npc: NpcId, walking: boolean): void {
    const actor = this.bodies.find(npc);
    if (!this.bodies.here(actor)) {
      this.followers.delete(npc);
      this.changed();
      return;
    }
    const free = !actor.isInCombat() && !this.bodies.scripted(actor);
    if (free === walking) return;
    this.followers.set(npc, free);
    if (free) this.walkWithPlayer(actor);
    else actor.clearKeepOffsetFromActor();
  }

  // --- Fighting

  private attack(actor: Actor, npc: NpcId, target: NpcId | undefined): { message?: string } {
    const victim = this.target(npc, target);
    demand(!actor.isChild(), "Children do not fight.");
    demand(!victim.isChild(), "Nobody attacks a child.");
    demand(!(actor.isPlayerTeammate() && target === PLAYER), "They would not raise a hand against a companion.");
    if (this.followers.has(npc) && target === PLAYER) this.unfollow(npc, actor);
    actor.startCombat(victim);
    return {};
  }

  private flee(actor: Actor, npc: NpcId): { message?: string } {
    demand(actor.isInCombat(), "There is nothing to flee from.");
    if (!this.fears.some((fear) => fear.npc === npc)) {
      this.fears.push({ npc, confidence: actor.getActorValue("Confidence"), until: this.now + FEAR_MS });
      this.changed();
    }
    actor.setActorValue("Confidence", 0);
    actor.evaluatePackage();
    return {};
  }

  private calm(fear: Fear): void {
    this.fears = this.fears.filter((each) => each !== fear);
    this.changed();
    this.bodies.find(fear.npc)?.setActorValue("Confidence", fear.confidence);
  }

  // --- Things

  private trade(actor: Actor): { message?: string } {
    const merchants = this.sp.Faction.from(this.sp.Game.getFormEx(JOB_MERCHANT_FACTION));
    demand(merchants !== null && actor.isInFaction(merchants), "They have nothing for sale.");
    demand(!actor.isInCombat(), "They are fighting.");
    demand(!actor.isHostileToActor(this.bodies.getPlayer()), "They are an enemy of the player.");
    actor.showBarterMenu();
    return {};
  }

  private give(actor: Actor, given: Deed["arguments"]): { message?: string } {
    const wanted = String(given.item).toLowerCase();
    const count = typeof given.count === "number" ? given.count : 1;
    demand(count >= 1 && count <= MOST_ITEMS && Math.floor(count) === count, `The count must be 1 to ${MOST_ITEMS}.`);
    demand(!actor.isInCombat(), "They are fighting.");
    const item = this.items(actor).find((each) => each.getName().toLowerCase() === wanted);
    if (!item) throw new Refusal("They do not have that.");
    demand(actor.getItemCount(item) >= count, "They do not have that many.");
    actor.removeItem(item, count, true, this.bodies.getPlayer());
    return {};
  }

  private items(actor: Actor): Form[] {
    const items: Form[] = [];
    const count = Math.min(actor.getNumItems(), INVENTORY);
    for (let index = 0; index < count; index++) {
      const item = actor.getNthForm(index);
      if (item && GIVEABLE.has(item.getType()) && item.getName() !== "") items.push(item);
    }
    return items;
  }

  private target(npc: NpcId, target: NpcId | undefined): Actor {
    const actor = target === undefined ? null : this.bodies.find(target);
    if (target === npc) throw new Refusal("Nobody can do that to themselves.");
    if (!this.bodies.here(actor)) throw new Refusal("The target is not here.");
    return actor;
  }
}

function demand(legal: boolean, otherwise: string): void {
  if (!legal) throw new Refusal(otherwise);
}
