/** The player's side of it: who is meant, who hears it, and where and when it is said. */

import type { NpcId, World } from "./game";
import type { Npcs } from "./npcs";
import type { PlayerLine } from "./protocol";
import type { Settings } from "./settings";
import type { Store } from "./store";

const LONGEST = 1_000;
const HEARERS = 16;

export interface ConversationListener {
  /** Before a line goes to this NPC. World call. */
  addressing(npc: NpcId): void;
  send(line: PlayerLine): void;
  notify(text: string): void;
}

export class Conversation {
  /** Who is spoken with; a line without an obvious addressee is for them. */
  private partner: NpcId | undefined;
  private readonly changed: () => void;

  constructor(
    private readonly world: World,
    store: Store,
    private readonly settings: Settings,
    private readonly npcs: Npcs,
    private readonly listener: ConversationListener,
  ) {
    this.changed = store.keep("conversation", () => this.partner);
    const kept = store.load("conversation");
    if (typeof kept === "string") this.partner = kept;
  }

  /** World call. Settle who will be meant by the next line, before the player types it; undefined if nobody can be. */
  address(): NpcId | undefined {
    const npc = this.within(this.world.addressee()) ?? this.within(this.partner);
    if (npc === undefined || !this.npcs.introduce(npc)) {
      this.listener.notify("Nobody is near enough to talk with.");
      return undefined;
    }
    if (npc !== this.partner) {
      this.partner = npc;
      this.changed();
    }
    return npc;
  }

  /** World call. Say something to who was addressed before, or else to who is there now. */
  say(text: string, addressed?: NpcId): void {
    const line = text.trim().slice(0, LONGEST);
    if (line === "") return;
    const npc = this.within(addressed) ?? this.address();
    if (npc === undefined || !this.npcs.introduce(npc)) return;
    if (this.world.scripted(npc)) {
      this.listener.notify(`${this.npcs.name(npc)} is busy and does not listen.`);
      return;
    }
    const near = this.world.near(this.settings.hearing_distance).filter((each) => each !== npc);
    const hearers = near.slice(0, HEARERS).filter((each) => this.npcs.introduce(each));
    this.listener.addressing(npc);
    const context: PlayerLine["context"] = { time_of_day: timeOfDay(this.world.gameTime()) };
    const place = this.world.place();
    if (place !== "") context.location = place.slice(0, 256);
    this.listener.send({ type: "player_line", npc_id: npc, text: line, hearers, context });
  }

  private within(npc: NpcId | undefined): NpcId | undefined {
    if (npc === undefined || !this.world.here(npc)) return undefined;
    return this.world.distance(npc) <= this.settings.talk_distance ? npc : undefined;
  }
}

/** A word for the hour of the game's day. */
export function timeOfDay(days: number): string {
  const hour = (days - Math.floor(days)) * 24;
  if (hour < 5) return "night";
  if (hour < 8) return "early morning";
  if (hour < 11) return "morning";
  if (hour < 14) return "midday";
  if (hour < 18) return "afternoon";
  if (hour < 22) return "evening";
  return "night";
}
