/** The world of the seam, in the game's own calls. */

import type { Actor } from "skyrimPlatform";
import type { Conditions, Deed, Facts, Mood, NpcId, Outcome, Relationship, Vector, World } from "../game";
import type { Bodies } from "./bodies";
import type { Deeds } from "./deeds";
import type { Platform } from "./platform";

const CHARACTERS = 62;
/** The crosshair reaches farther than a voice needs to; a crowd is not looked through to its end. */
const CROWD = 256;
const EXPRESSION_STRENGTH = 60;
const EXPRESSIONS: Record<Mood, number> = {
  angry: 0,
  fearful: 1,
  happy: 2,
  friendly: 2,
  sad: 3,
  surprised: 4,
  neutral: 7,
};

export class SkyrimWorld implements World {
  constructor(
    private readonly sp: Platform,
    private readonly bodies: Bodies,
    private readonly deeds: Deeds,
    /** What plays a voice file: `<hex id>|<plugin>` of a topic, by file name. */
    private readonly topics: Readonly<Record<string, string>>,
  ) {}

  gameTime(): number {
    return this.sp.Utility.getCurrentGameTime();
  }

  playerName(): string {
    return this.bodies.name(this.bodies.getPlayer());
  }

  place(): string {
    const player = this.bodies.getPlayer();
    return player.getCurrentLocation()?.getName() || player.getParentCell()?.getName() || "";
  }

  listener(): { position: Vector; forward: Vector } {
    const player = this.bodies.getPlayer();
    const angle = (player.getAngleZ() * Math.PI) / 180;
    return { position: whereIs(player), forward: [round(Math.sin(angle), 1000), round(Math.cos(angle), 1000), 0] };
  }

  addressee(): NpcId | undefined {
    const reference = this.sp.Game.getCurrentCrosshairRef();
    const actor = reference ? this.sp.Actor.from(reference) : null;
    return this.bodies.here(actor) && this.bodies.person(actor) ? this.bodies.id(actor) : undefined;
  }

  near(distance: number): NpcId[] {
    const player = this.bodies.getPlayer();
    const cell = player.getParentCell();
    const count = Math.min(cell?.getNumRefs(CHARACTERS) ?? 0, CROWD);
    const found: { id: NpcId; away: number }[] = [];
    for (let index = 0; index < count; index++) {
      const reference = cell?.getNthRef(index, CHARACTERS);
      const actor = reference ? this.sp.Actor.from(reference) : null;
      if (!actor) continue;
      const away = player.getDistance(actor);
      if (away > distance || !this.bodies.here(actor)) continue;
      const id = this.bodies.id(actor);
      if (id !== "player" && this.bodies.person(actor)) found.push({ id, away });
    }
    return found.sort((one, other) => one.away - other.away).map(({ id }) => id);
  }

  distance(npc: NpcId): number {
    const actor = this.bodies.find(npc);
    return actor?.is3DLoaded() ? this.bodies.getPlayer().getDistance(actor) : Infinity;
  }

  here(npc: NpcId): boolean {
    return this.bodies.here(this.bodies.find(npc));
  }

  scripted(npc: NpcId): boolean {
    const actor = this.bodies.find(npc);
    return actor !== null && this.bodies.scripted(actor);
  }

  position(npc: NpcId): Vector | undefined {
    const actor = this.bodies.find(npc);
    return actor?.is3DLoaded() ? whereIs(actor) : undefined;
  }

  facts(npc: NpcId): Facts | undefined {
    const actor = this.bodies.find(npc);
    const name = actor ? this.bodies.name(actor) : "";
    if (!actor || name === "") return undefined;
    const race = actor.getRace()?.getName();
    const gender = ["male", "female"][actor.getLeveledActorBase()?.getSex() ?? -1];
    const voice = actor.getVoiceType();
    const rank = actor.getRelationshipRank(this.bodies.getPlayer());
    return {
      name,
      ...(race ? { race } : {}),
      ...(gender ? { gender } : {}),
      // Most voice types have a name in the editor only; then their id stands for it.
      ...(voice ? { voice_type: voice.getName() || this.bodies.id(voice) } : {}),
      ...(rank ? { state: { affinity: rank / 4, relationship: relationship(rank) } } : {}),
    };
  }

  conditions(npc: NpcId): Conditions | undefined {
    const actor = this.bodies.find(npc);
    if (!actor) return undefined;
    const inScene = actor.getCurrentScene() !== null;
    return {
      combat_active: actor.isInCombat(),
      quest_active: inScene, // scenes belong to quests; more of them the game does not tell by person
      weapon_drawn: actor.isWeaponDrawn(),
      in_scene: inScene || actor.isInDialogueWithPlayer(),
    };
  }

  lookAtPlayer(npc: NpcId): void {
    this.bodies.find(npc)?.setLookAt(this.bodies.getPlayer(), false);
  }

  lookAway(npc: NpcId): void {
    const actor = this.bodies.find(npc);
    if (actor?.is3DLoaded()) actor.clearLookAt();
  }

  express(npc: NpcId, mood: Mood | undefined): void {
    const actor = this.bodies.find(npc);
    if (!actor?.is3DLoaded()) return;
    if (mood === undefined) actor.clearExpressionOverride();
    else actor.setExpressionOverride(EXPRESSIONS[mood] ?? EXPRESSIONS.neutral, EXPRESSION_STRENGTH);
  }

  moveMouth(npc: NpcId, morph: number, weight: number): void {
    this.bodies.find(npc)?.setExpressionPhoneme(morph, weight);
  }

  playSpeech(npc: NpcId, file: string): boolean {
    const id = this.topics[file];
    const topic = id === undefined ? null : this.sp.Topic.from(this.bodies.form(id));
    const actor = this.bodies.find(npc);
    if (!topic || !actor) return false;
    actor.say(topic, null, false);
    return true;
  }

  belongings(npc: NpcId): string[] {
    const actor = this.bodies.find(npc);
    return actor ? this.deeds.belongings(actor) : [];
  }

  perform(deed: Deed, done: (outcome: Outcome) => void): void {
    this.deeds.perform(deed, done);
  }

  tendDeeds(now: number): void {
    this.deeds.tend(now);
  }
}

/** Rank -4 (archnemesis) to 4 (lover). */
function relationship(rank: number): Relationship {
  if (rank >= 3) return "ally";
  if (rank >= 1) return "friend";
  if (rank === 0) return "stranger";
  return rank === -1 ? "rival" : "enemy";
}

function whereIs(actor: Actor): Vector {
  return [round(actor.getPositionX(), 10), round(actor.getPositionY(), 10), round(actor.getPositionZ(), 10)];
}

function round(value: number, parts: number): number {
  return Math.round(value * parts) / parts;
}
