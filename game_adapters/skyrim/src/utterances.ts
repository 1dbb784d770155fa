/** What one turn says, sentence after sentence: what is shown together, and how far it is. Plain, for a reload. */

import type { Mood, NpcId } from "./game";
import type { FromDaemon, Viseme } from "./protocol";

const READING_MS = 60;
const LEAST_READING_MS = 1_200;

export interface Utterance {
  seq: number;
  text: string;
  ms: number;
  visemes: readonly Viseme[];
  file: string;
  /**
   * `text`: its voice is not known yet. `announced`: the daemon plays it, and will say when. `playing` is also what
   * sounds under the subtitle of another.
   */
  state: "text" | "announced" | "ready" | "playing" | "over";
  /** Given up by the daemon's voice, and shown only. */
  unvoiced: boolean;
}

export interface SpokenTurn {
  readonly id: string;
  readonly npc: NpcId;
  readonly utterances: Utterance[];
  mood: Mood | undefined;
  begun: boolean;
  finished: boolean;
  /** It was begun in a fight, or begins one: fights do not end it. */
  fighting: boolean;
}

export function add(turn: SpokenTurn, said: Extract<FromDaemon, { type: "sentence" }>, voiced: boolean): void {
  if (turn.utterances.some(({ seq }) => seq === said.seq)) return;
  turn.utterances.push({
    seq: said.seq,
    text: said.text,
    ms: said.duration_ms ?? readingTime(said.text),
    visemes: said.visemes ?? [],
    file: "",
    state: voiced ? "text" : "ready",
    unvoiced: false,
  });
  turn.utterances.sort((one, other) => one.seq - other.seq);
}

/** The sentences `seq` to `through_seq` are spoken together: they become one. */
export function voice(
  turn: SpokenTurn,
  audio: Extract<FromDaemon, { type: "audio" }>,
  state: "announced" | "ready",
): void {
  const covered = turn.utterances.filter(
    ({ seq, state }) => seq >= audio.seq && seq <= audio.through_seq && state === "text",
  );
  const [first, ...rest] = covered;
  if (!first) return;
  first.text = joined(covered);
  first.ms = audio.duration_ms ?? readingTime(first.text);
  first.visemes = audio.visemes ?? [];
  first.file = audio.path ?? "";
  first.state = state;
  for (const each of rest) turn.utterances.splice(turn.utterances.indexOf(each), 1);
}

/** What was given up, or got no voice, is shown for the time that it takes to read. */
export function unvoice(utterance: Utterance | undefined): void {
  if (utterance?.state !== "text" && utterance?.state !== "announced") return;
  utterance.state = "ready";
  utterance.unvoiced = true;
  utterance.ms = readingTime(utterance.text);
  utterance.visemes = [];
}

/** This one sounds: what is before it and was not shown is shown with it. */
export function takeAlong(turn: SpokenTurn, utterance: Utterance): void {
  const before = turn.utterances.filter(({ seq, state }) => seq < utterance.seq && state === "ready");
  utterance.text = joined([...before, utterance]);
  for (const each of before) turn.utterances.splice(turn.utterances.indexOf(each), 1);
}

/** Whether something after this one may still get a voice, with which it is shown then. */
export function waitsForVoice(turn: SpokenTurn, { seq }: Utterance): boolean {
  return turn.utterances.some((each) => each.seq > seq && (each.state === "text" || each.state === "announced"));
}

/** Whether the daemon plays something of it, or may. */
export function sounds({ finished, utterances }: SpokenTurn): boolean {
  return !finished || utterances.some(({ state, unvoiced }) => !unvoiced && (state === "announced" || state === "playing"));
}

function joined(utterances: readonly Utterance[]): string {
  return utterances.map(({ text }) => text).join(" ");
}

function readingTime(text: string): number {
  return Math.max(LEAST_READING_MS, READING_MS * text.length);
}
