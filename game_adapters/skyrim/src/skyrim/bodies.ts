/**
 * The actors behind ids. One that was found is good for the rest of the frame; the next frame looks again, for it
 * may have been unloaded, deleted, or be somebody else by then.
 */

import type { Actor, Form } from "skyrimPlatform";
import { PLAYER, type NpcId } from "../game";
import { Ids } from "./ids";
import type { Platform } from "./platform";

/** What marks people, as against animals and monsters. */
const ACTOR_TYPE_NPC = 0x00013794;
const PLAYER_FORM = 0x14;

export class Bodies {
  private readonly ids: Ids;
  private lastId: NpcId | undefined;
  private lastActor: Actor | null = null;
  private player: Actor | null = null;

  constructor(private readonly sp: Platform) {
    this.ids = new Ids({
      full: (index) => sp.Game.getModName(index) || "",
      light: (index) => sp.Game.getLightModName(index) || "",
    });
  }

  /** Another frame or event: what was found before is stale. */
  renew(): void {
    this.lastId = undefined;
    this.lastActor = null;
    this.player = null;
  }

  find(id: NpcId): Actor | null {
    if (id === PLAYER) return this.getPlayer();
    if (id === this.lastId) return this.lastActor;
    const form = this.ids.form(id);
    this.lastActor = form === undefined ? null : this.sp.Actor.from(this.sp.Game.getFormEx(form));
    this.lastId = id;
    return this.lastActor;
  }

  /** Anything that an id of ours names. */
  form(id: string): Form | null {
    const form = this.ids.form(id.toLowerCase());
    return form === undefined ? null : this.sp.Game.getFormEx(form);
  }

  getPlayer(): Actor {
    const player = this.player ?? this.sp.Game.getPlayer();
    if (!player) throw new Error("there is no player yet");
    this.player = player;
    return player;
  }

  id(form: Form): NpcId {
    const formId = form.getFormID();
    return formId === PLAYER_FORM ? PLAYER : this.ids.id(formId);
  }

  /** Of anything that may be an actor; undefined if it is none. */
  actorId(form: Form | null | undefined): NpcId | undefined {
    const actor = form ? this.sp.Actor.from(form) : null;
    return actor ? this.id(actor) : undefined;
  }

  /** Alive, conscious, and bodily there. */
  here(actor: Actor | null): actor is Actor {
    return actor !== null && actor.is3DLoaded() && !actor.isDisabled() && !actor.isDead() && !actor.isUnconscious();
  }

  /** The game's own script has them act or speak. */
  scripted(actor: Actor): boolean {
    return actor.getCurrentScene() !== null || actor.isInDialogueWithPlayer();
  }

  /** Somebody to talk with. */
  person(actor: Actor): boolean {
    const keyword = this.sp.Game.getFormEx(ACTOR_TYPE_NPC);
    const people = keyword ? this.sp.Keyword.from(keyword) : null;
    return (people === null || actor.hasKeyword(people)) && actor.getVoiceType() !== null && this.name(actor) !== "";
  }

  name(actor: Actor): string {
    return (actor.getDisplayName() || actor.getName() || "").slice(0, 128);
  }
}
