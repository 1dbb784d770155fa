/** The messages that this adapter sends and heeds. The daemon's docs/protocol.md says what they mean. */

import type { Conditions, Mood, NpcId, Outcome, Relationship, Vector } from "./game";

export const PROTOCOL = "1";
export const SUBPROTOCOL = "rfsn.v1";
export const MORPHS = 16;

export type AudioMode = "binary" | "file" | "daemon" | "none";

// --- To the daemon

export interface Identify {
  type: "identify";
  protocol: string;
  client: { name: string; version: string; game: string };
  token?: string;
  capabilities: { audio: AudioMode; visemes: boolean; reports: boolean };
  playthrough: string;
  resume?: { session_id: string; last_n: number };
}

export interface NpcUpdate {
  type: "npc_update";
  npc_id: NpcId;
  name: string;
  race?: string;
  gender?: string;
  voice_type?: string;
  state?: { affinity: number; relationship: Relationship };
  conditions?: Conditions;
}

export interface NpcGone {
  type: "npc_gone";
  npc_ids: NpcId[];
}

export interface Positions {
  type: "positions";
  listener: { position: Vector; forward: Vector };
  npcs: Record<NpcId, Vector>;
}

export type EventKind =
  | "combat_started"
  | "combat_ended"
  | "quest_started"
  | "quest_updated"
  | "quest_ended"
  | "location_changed"
  | "hit"
  | "death";

export interface GameEvent {
  type: "game_event";
  kind: EventKind;
  npc_ids: NpcId[];
  text: string;
  data?: Record<string, unknown>;
  game_time: number;
}

export interface GamePaused {
  type: "game_paused";
  paused: boolean;
}

export interface ActionSpec {
  name: string;
  description: string;
  parameters?: Record<string, unknown>;
  requires_target?: boolean;
  when?: readonly string[];
}

export interface ActionsRegister {
  type: "actions_register";
  npc_ids?: NpcId[];
  actions: ActionSpec[];
}

export interface ActionsUnregister {
  type: "actions_unregister";
  npc_ids?: NpcId[];
  names: string[];
}

export interface ActionResult {
  type: "action_result";
  action_id: string;
  status: Outcome["status"];
  message?: string;
}

export interface GameStarted {
  type: "game_started";
  playthrough: string;
  game_time: number;
}

export interface SavePoint {
  type: "save_created" | "save_loaded";
  playthrough: string;
  save_id: string;
  game_time: number;
}

export interface PlayerLine {
  type: "player_line";
  npc_id: NpcId;
  text: string;
  hearers: NpcId[];
  context: { location?: string; time_of_day: string };
}

export interface SpeechReport {
  type: "speech_report";
  turn_id: string;
  seq: number;
  status: "started" | "ended" | "aborted";
  heard_ms?: number;
}

export interface Interrupt {
  type: "interrupt";
  turn_id: string;
  reason: string;
  /** A line of the player's interrupts as `high` by itself; what the game does to an NPC is `critical`. */
  priority: "high" | "critical";
}

export interface Ping {
  type: "ping";
}

export type ToDaemon =
  | NpcUpdate
  | NpcGone
  | GameEvent
  | GamePaused
  | ActionsRegister
  | ActionsUnregister
  | ActionResult
  | GameStarted
  | SavePoint
  | PlayerLine
  | SpeechReport
  | Interrupt;

// --- From the daemon

export interface Identified {
  type: "identified";
  session_id: string;
  resumed: boolean;
  audio: AudioMode;
  limits: { max_message_bytes: number; messages_per_second: number };
}

/** `[t_ms, morph, weight]`: at `t_ms` of the sentence the morph moves to the weight. */
export type Viseme = readonly [t_ms: number, morph: number, weight: number];

interface Numbered {
  n?: number;
  /** The `id` of the message that this answers. */
  re?: string;
}

export type FromDaemon = Numbered &
  (
    | { type: "error"; code: string; message: string; hint?: string }
    | { type: "notice"; level: "info" | "warning" | "error"; code: string; message: string; hint?: string }
    | { type: "turn_started"; turn_id: string; npc_id: NpcId }
    | { type: "decision"; turn_id: string; npc_id: NpcId; action: string; state: { mood: Mood } }
    | {
        type: "sentence";
        turn_id: string;
        npc_id: NpcId;
        seq: number;
        text: string;
        duration_ms?: number;
        visemes?: readonly Viseme[];
      }
    | {
        type: "audio";
        turn_id: string;
        seq: number;
        through_seq: number;
        duration_ms?: number;
        path?: string;
        visemes?: readonly Viseme[];
      }
    | { type: "audio_dropped"; turn_id: string; seq: number }
    | { type: "playback"; turn_id: string; seq: number; status: "started" | "ended" | "aborted" }
    | {
        type: "turn_finished";
        turn_id: string;
        status: "completed" | "interrupted" | "failed";
        error?: { message: string; hint?: string };
      }
    | {
        type: "action_request";
        action_id: string;
        turn_id: string;
        npc_id: NpcId;
        name: string;
        arguments: Record<string, unknown>;
        target?: NpcId;
      }
    | { type: "turn_recorded"; turn_id: string }
    // Known, and nothing to do: their `n` and `re` are all that counts.
    | { type: "result" | "pong" | "text_finished" }
  );

const SHAPES: Record<string, Record<string, "string" | "number" | "object">> = {
  error: { code: "string", message: "string" },
  notice: { level: "string", code: "string", message: "string" },
  turn_started: { turn_id: "string", npc_id: "string" },
  decision: { turn_id: "string", npc_id: "string", action: "string", state: "object" },
  sentence: { turn_id: "string", npc_id: "string", seq: "number", text: "string" },
  audio: { turn_id: "string", seq: "number", through_seq: "number" },
  audio_dropped: { turn_id: "string", seq: "number" },
  playback: { turn_id: "string", seq: "number", status: "string" },
  turn_finished: { turn_id: "string", status: "string" },
  action_request: { action_id: "string", npc_id: "string", name: "string", arguments: "object" },
  result: {},
  pong: {},
  text_finished: {},
  turn_recorded: { turn_id: "string" },
};

const IDENTIFIED = { session_id: "string", resumed: "boolean", audio: "string", limits: "object" };

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A JSON object, or undefined for anything else. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function asIdentified(message: JsonObject): Identified | undefined {
  return message.type === "identified" && fits(message, IDENTIFIED) ? (message as unknown as Identified) : undefined;
}

/** Undefined for a message that this adapter does not know, or that is not what it should be. */
export function asMessage(message: JsonObject): FromDaemon | undefined {
  const shape = typeof message.type === "string" ? SHAPES[message.type] : undefined;
  return shape && fits(message, shape) ? (message as unknown as FromDaemon) : undefined;
}

function fits(message: JsonObject, shape: Record<string, string>): boolean {
  return Object.keys(shape).every((field) => typeof message[field] === shape[field] && message[field] !== null);
}
