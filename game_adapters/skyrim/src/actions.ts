/** What NPCs can do: told to the daemon, done when it asks and the game allows it, and each answered once. */

import type { NpcId, Outcome, World } from "./game";
import { isObject, type ActionResult, type ActionSpec, type ActionsRegister, type ActionsUnregister, type FromDaemon } from "./protocol";
import type { Store } from "./store";

type Request = Extract<FromDaemon, { type: "action_request" }>;

const KIND = ["agree", "accept", "help", "greet", "offer", "defend"] as const;
const ITEMS = 24;
const OFFERS = 32;
/** How long a request that stops the world waits for its NPC to finish speaking. */
const POLITENESS_MS = 12_000;
const REMEMBERED = 64;

/** `give_item` is offered for each NPC by itself, with what it carries. */
const SPECS: readonly ActionSpec[] = [
  { name: "follow", description: "Walk with the player from now on.", when: KIND },
  { name: "wait", description: "Stop walking with the player and stay here.", when: [...KIND, "refuse", "farewell"] },
  {
    name: "attack",
    description: "Draw a weapon and fight somebody.",
    requires_target: true,
    when: ["attack", "threaten", "defend", "betray", "help"],
  },
  { name: "flee", description: "Run away from a fight.", when: ["flee", "refuse", "apologize"] },
  {
    name: "stop_combat",
    description: "Stop fighting and put the weapon away.",
    when: ["apologize", "accept", "agree", "offer", "help", "flee"],
  },
  { name: "trade", description: "Show the player what is for sale.", when: ["offer", "accept", "agree", "help", "greet"] },
  {
    name: "go_to",
    description: "Go over to somebody.",
    parameters: {
      type: "object",
      properties: { pace: { type: "string", enum: ["walk", "run"] } },
      additionalProperties: false,
    },
    requires_target: true,
    when: [...KIND, "attack", "threaten"],
  },
];

function offer(npc: NpcId, items: readonly string[]): ActionsRegister {
  const give: ActionSpec = {
    name: "give_item",
    description: "Hand the player something that you carry.",
    parameters: {
      type: "object",
      properties: { item: { type: "string", enum: items }, count: { type: "integer", minimum: 1, maximum: 10 } },
      required: ["item"],
      additionalProperties: false,
    },
    when: ["agree", "accept", "help", "offer", "apologize"],
  };
  return { type: "actions_register", npc_ids: [npc], actions: [give] };
}

interface Waiting {
  readonly request: Request;
  readonly since: number;
}

export class Actions {
  private waiting: Waiting[] = [];
  /** Begun, and not answered yet. */
  private running: string[] = [];
  private readonly done: string[] = [];
  /** What each NPC was last said to be able to give. */
  private offered = new Map<NpcId, readonly string[]>();
  private readonly changed: () => void;

  constructor(
    private readonly world: World,
    store: Store,
    private readonly allowed: readonly string[],
    private readonly send: (message: ActionsRegister | ActionsUnregister | ActionResult) => void,
    private readonly speaking: (turnId: string) => boolean,
  ) {
    this.changed = store.keep("actions", () => ({
      waiting: this.waiting,
      running: this.running,
      offered: Array.from(this.offered),
    }));
    const kept = store.load("actions");
    if (!isObject(kept)) return;
    if (Array.isArray(kept.waiting)) this.waiting = kept.waiting as Waiting[];
    if (Array.isArray(kept.offered)) this.offered = new Map(kept.offered as [NpcId, string[]][]);
    // The game goes on with what was begun, but nobody will say any more how it ended.
    if (Array.isArray(kept.running)) {
      for (const id of kept.running as string[]) this.answer(id, { status: "applied", message: "It is under way." });
    }
  }

  /** What everybody can do, and what some could give, for a daemon that knows nothing of it. */
  introduction(): ActionsRegister[] {
    const actions = SPECS.filter(({ name }) => this.allowed.includes(name));
    const messages: ActionsRegister[] = actions.length > 0 ? [{ type: "actions_register", actions }] : [];
    for (const [npc, items] of this.offered) if (items.length > 0) messages.push(offer(npc, items));
    return messages;
  }

  /** World call. Somebody is about to be asked something: say what they could give. */
  addressing(npc: NpcId): void {
    if (!this.allowed.includes("give_item")) return;
    const items = this.world.belongings(npc).slice(0, ITEMS);
    const before = this.offered.get(npc) ?? [];
    if (items.join("\n") === before.join("\n")) return;
    this.offered.delete(npc); // to the end of the order in which they are given up
    this.offered.set(npc, items);
    if (this.offered.size > OFFERS) this.offered.delete(this.offered.keys().next().value as NpcId);
    this.changed();
    if (items.length > 0) this.send(offer(npc, items));
    else this.send({ type: "actions_unregister", npc_ids: [npc], names: ["give_item"] });
  }

  request(request: Request, now: number): void {
    const { action_id: id } = request;
    if (this.done.includes(id) || this.running.includes(id) || this.waiting.some((each) => each.request.action_id === id)) return;
    this.waiting.push({ request, since: now });
    this.changed();
  }

  /** World call, each frame. */
  update(now: number): void {
    if (this.waiting.length === 0) return;
    const due = this.waiting.filter((each) => !this.polite(each, now));
    if (due.length === 0) return;
    this.waiting = this.waiting.filter((each) => !due.includes(each));
    for (const { request } of due) this.perform(request);
  }

  /** No world calls. A load, or a session that is gone: nobody waits for these any more. */
  abandon(): void {
    this.waiting = [];
    this.running = [];
    this.changed();
  }

  private polite({ request, since }: Waiting, now: number): boolean {
    return request.name === "trade" && now - since < POLITENESS_MS && this.speaking(request.turn_id);
  }

  private perform({ action_id: id, npc_id: npc, name, arguments: given, target }: Request): void {
    this.running.push(id);
    this.changed();
    if (!this.allowed.includes(name)) {
      this.finish(id, { status: "rejected", message: "That is not allowed in this game." });
      return;
    }
    const deed = { npc, name, arguments: given };
    this.world.perform(target === undefined ? deed : { ...deed, target }, (outcome) => this.finish(id, outcome));
  }

  private finish(id: string, outcome: Outcome): void {
    if (!this.running.includes(id)) return;
    this.running = this.running.filter((each) => each !== id);
    this.answer(id, outcome);
  }

  private answer(id: string, { status, message }: Outcome): void {
    this.done.push(id);
    if (this.done.length > REMEMBERED) this.done.shift();
    this.changed();
    const result: ActionResult = { type: "action_result", action_id: id, status };
    if (message !== undefined) result.message = message.slice(0, 300);
    this.send(result);
  }
}
