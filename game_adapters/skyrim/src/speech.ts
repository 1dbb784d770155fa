/**
 * The speech player: what NPCs say is shown, voiced and lip-synced one sentence after the other, at the pace of the
 * running world, and what was really played is reported, once for each sentence.
 *
 * How a sentence is voiced depends on who plays it. With `none` it brings its own duration. With `file` its `audio`
 * brings that, and the game plays the file, or else the subtitle stands for it. With `daemon` the daemon plays, says
 * by `playback` when each sentence begins and ends, and needs no reports.
 */

import type { NpcId, World } from "./game";
import type { Lips } from "./lips";
import { isObject, type AudioMode, type FromDaemon, type Interrupt, type SpeechReport } from "./protocol";
import type { Settings } from "./settings";
import type { Store } from "./store";
import { add, sounds, takeAlong, unvoice, voice, waitsForVoice, type SpokenTurn, type Utterance } from "./utterances";

/** How precisely a reload finds again where a sentence was. */
const KEEP_EVERY_MS = 250;
/** Farther than this many hearing distances nobody listens any more. */
const OUT_OF_EARSHOT = 2;
const TURNS = 16;
const PAST_TURNS = 32;

interface Playing {
  readonly turn: SpokenTurn;
  readonly utterance: Utterance;
  heard: number;
  kept: number;
}

export interface SpeechListener {
  send(message: SpeechReport | Interrupt): void;
  subtitle(npc: NpcId, text: string): void;
  silence(): void;
  /** Speech was not begun, or stopped, for the game's own script has this NPC act. */
  scripted(npc: NpcId): void;
}

export class Speech {
  audio: AudioMode = "none";
  private turns: SpokenTurn[] = [];
  /** All that were ever begun, of late: the answer to a line that is sent again begins its turn again. */
  private past: string[] = [];
  private playing: Playing | undefined;
  private facing: NpcId | undefined;
  private readonly changed: () => void;
  /** The same for how far the sentence is, which is said often and is small. */
  private readonly moved: () => void;

  constructor(
    private readonly world: World,
    store: Store,
    private readonly settings: Settings,
    private readonly lips: Lips,
    private readonly listener: SpeechListener,
  ) {
    this.changed = store.keep("speech", () => ({
      turns: this.turns,
      past: this.past,
      facing: this.facing,
      audio: this.audio,
    }));
    this.moved = store.keep("playing", () => {
      if (!this.playing) return null;
      const { turn, utterance, heard } = this.playing;
      return { turn: turn.id, seq: utterance.seq, heard };
    });
    this.restore(store.load("speech"), store.load("playing"));
  }

  /** Whom the daemon voices, or will soon: it must know where they stand. */
  get voices(): NpcId[] {
    return this.audio === "daemon" ? this.turns.filter(sounds).map(({ npc }) => npc) : [];
  }

  /** Nothing is said or about to be. */
  get idle(): boolean {
    return this.turns.length === 0;
  }

  /** Whether this turn still has something to say. */
  pending(turnId: string): boolean {
    return this.turns.some((turn) => turn.id === turnId);
  }

  // --- What the daemon sends. World calls.

  receive(message: FromDaemon): void {
    switch (message.type) {
      case "turn_started":
        this.begin(message.turn_id, message.npc_id);
        break;
      case "decision":
        this.withTurn(message.turn_id, (turn) => (turn.mood = message.state.mood));
        break;
      case "sentence":
        this.withTurn(message.turn_id, (turn) => add(turn, message, this.voiced));
        break;
      case "audio":
        this.withTurn(message.turn_id, (turn) => voice(turn, message, this.audio === "daemon" ? "announced" : "ready"));
        break;
      case "audio_dropped":
        this.withTurn(message.turn_id, (turn) => unvoice(turn.utterances.find(({ seq }) => seq === message.seq)));
        break;
      case "playback":
        this.withTurn(message.turn_id, (turn) => this.follow(turn, message.seq, message.status));
        break;
      case "turn_finished":
        this.withTurn(message.turn_id, (turn) => {
          if (message.status === "interrupted") this.stop(turn);
          else this.finish(turn);
        });
        break;
      case "action_request":
        if (message.name === "attack") this.withTurn(message.turn_id, (turn) => (turn.fighting = true));
        break;
      case "turn_recorded":
        if (this.audio === "daemon") this.withTurn(message.turn_id, (turn) => this.settle(turn));
        break;
    }
  }

  /** World call, each frame. `passed`: milliseconds of the running world. */
  update(now: number, passed: number): void {
    if (this.playing) this.advance(this.playing, passed);
    if (!this.playing && this.turns.length > 0) this.next();
    if (this.facing !== undefined && this.turns.length === 0) this.rest();
    this.lips.settle(now);
  }

  /** World call. This NPC can speak no more. */
  silence(npc: NpcId, reason: string): void {
    for (const turn of this.turns.filter((each) => each.npc === npc)) this.cut(turn, reason);
  }

  /** World call. This NPC is drawn into a fight, and says no more of what it began to say in peace. */
  alarm(npc: NpcId): void {
    for (const turn of this.turns.filter((each) => each.npc === npc && !each.fighting)) this.cut(turn, "combat");
  }

  /** Everything ends here: a load, or a session that is gone. No world calls; the daemon is told if `report`. */
  abandon(report: boolean): void {
    if (this.playing && report) this.report(this.playing, "aborted");
    if (this.audio === "daemon" && report) for (const turn of this.turns) this.interrupt(turn, "another moment");
    if (this.playing) this.lips.end();
    this.playing = undefined;
    this.moved();
    this.turns = [];
    this.listener.silence();
    this.changed();
  }

  // --- Turns

  /** Who is spoken to anew says no more of what was before: that turn may long be complete at the daemon. */
  private begin(id: string, npc: NpcId): void {
    if (this.past.includes(id)) return;
    this.past.push(id);
    if (this.past.length > PAST_TURNS) this.past.shift();
    for (const turn of this.turns.filter((each) => each.npc === npc)) this.stop(turn);
    const fighting = this.world.conditions(npc)?.combat_active ?? false;
    this.turns.push({ id, npc, utterances: [], mood: undefined, begun: false, finished: false, fighting });
    if (this.turns.length > TURNS) this.stop(this.turns[0] as SpokenTurn);
    this.changed();
  }

  private withTurn(id: string, change: (turn: SpokenTurn) => void): void {
    const turn = this.turns.find((each) => each.id === id);
    if (!turn) return;
    change(turn);
    this.changed();
  }

  private get voiced(): boolean {
    return this.audio === "file" || this.audio === "daemon";
  }

  /** World call. The daemon plays, and says how far it is: what it begins is shown at once. */
  private follow(turn: SpokenTurn, seq: number, status: "started" | "ended" | "aborted"): void {
    const utterance = turn.utterances.find((each) => each.seq === seq);
    if (!utterance || utterance.unvoiced || utterance.state === "over") return;
    if (status !== "started") {
      this.over(utterance);
    } else if (utterance.state !== "playing" && this.mayPlay(turn)) {
      this.giveWay();
      takeAlong(turn, utterance);
      this.play(turn, utterance);
    }
  }

  private over(utterance: Utterance): void {
    if (this.playing?.utterance === utterance) this.end(this.playing);
    else utterance.state = "over";
  }

  /** Another is shown. What the daemon plays sounds on, and is over when it says so. */
  private giveWay(): void {
    if (!this.playing) return;
    const { utterance } = this.playing;
    this.end(this.playing);
    if (!utterance.unvoiced) utterance.state = "playing";
  }

  /** Nothing more comes: what got no voice by now is shown. */
  private finish(turn: SpokenTurn): void {
    turn.finished = true;
    turn.utterances.filter(({ state }) => state === "text").forEach(unvoice);
  }

  /** What the daemon plays of a turn is over, whatever became of the message that said so. */
  private settle(turn: SpokenTurn): void {
    this.finish(turn);
    for (const utterance of turn.utterances) if (!utterance.unvoiced) this.over(utterance);
  }

  /** World call. The daemon, or whoever the player is, has this turn end now. */
  private stop(turn: SpokenTurn): void {
    if (this.playing?.turn === turn) {
      this.report(this.playing, "aborted");
      this.lips.end();
      this.playing = undefined;
      this.moved();
      this.listener.silence();
    }
    this.turns = this.turns.filter((each) => each !== turn);
    this.changed();
  }

  /** World call. The game has this turn end now: the daemon is told. */
  private cut(turn: SpokenTurn, reason: string): void {
    this.stop(turn);
    this.interrupt(turn, reason);
  }

  /** At once, and not at the end of a word, as where the player goes on talking. */
  private interrupt({ id }: SpokenTurn, reason: string): void {
    this.listener.send({ type: "interrupt", turn_id: id, reason, priority: "critical" });
  }

  // --- Sentences

  private next(): void {
    for (const turn of this.turns.slice()) {
      const utterance = turn.utterances.find(({ state }) => state !== "over");
      if (!utterance && turn.finished) {
        this.turns = this.turns.filter((each) => each !== turn);
        this.changed();
        continue;
      }
      if (utterance?.state === "ready" && !(this.audio === "daemon" && waitsForVoice(turn, utterance))) {
        if (this.mayPlay(turn)) {
          this.play(turn, utterance);
          return;
        }
        continue;
      }
      if (turn.begun) return; // it is in the middle of its say, and others wait
    }
  }

  /** False, and the turn is cut, where the game does not allow it to speak. */
  private mayPlay(turn: SpokenTurn): boolean {
    if (!this.world.here(turn.npc) || this.world.distance(turn.npc) > this.settings.hearing_distance * OUT_OF_EARSHOT) {
      this.cut(turn, "not here any more");
      return false;
    }
    if (!this.world.scripted(turn.npc)) return true;
    this.cut(turn, "a scripted scene");
    this.listener.scripted(turn.npc);
    return false;
  }

  private play(turn: SpokenTurn, utterance: Utterance): void {
    const { npc } = turn;
    turn.begun = true;
    utterance.state = "playing";
    this.playing = { turn, utterance, heard: 0, kept: 0 };
    this.moved();
    if (this.facing !== npc) this.turnTo(npc);
    if (this.settings.expressions && turn.mood) this.world.express(npc, turn.mood);
    this.listener.subtitle(npc, utterance.text);
    if (utterance.file !== "") this.world.playSpeech(npc, baseName(utterance.file));
    this.report(this.playing, "started");
    this.moveLips(npc, utterance);
    this.changed();
  }

  private advance(playing: Playing, passed: number): void {
    const { turn, utterance } = playing;
    if (passed === 0 || !this.mayPlay(turn)) return;
    playing.heard += passed;
    if (playing.heard >= utterance.ms && (this.audio !== "daemon" || utterance.unvoiced)) {
      playing.heard = utterance.ms;
      this.end(playing);
      return;
    }
    this.lips.move(playing.heard);
    if (playing.heard - playing.kept >= KEEP_EVERY_MS) {
      playing.kept = playing.heard;
      this.moved();
    }
  }

  private end(playing: Playing): void {
    playing.utterance.state = "over";
    this.report(playing, "ended");
    this.lips.end();
    this.playing = undefined;
    this.moved();
    this.changed();
  }

  private moveLips(npc: NpcId, utterance: Utterance): void {
    if (this.settings.lips) this.lips.begin(npc, utterance.visemes);
  }

  private report({ turn, utterance, heard }: Playing, status: SpeechReport["status"]): void {
    if (this.audio === "daemon" || utterance.unvoiced) return;
    const report: SpeechReport = { type: "speech_report", turn_id: turn.id, seq: utterance.seq, status };
    if (status !== "started") report.heard_ms = Math.round(heard);
    this.listener.send(report);
  }

  // --- The body

  private turnTo(npc: NpcId): void {
    this.turnAway();
    this.facing = npc;
    if (this.settings.look_at) this.world.lookAtPlayer(npc);
  }

  private turnAway(): void {
    const npc = this.facing;
    if (npc === undefined) return;
    this.facing = undefined;
    if (this.settings.look_at) this.world.lookAway(npc);
    if (this.settings.expressions) this.world.express(npc, undefined);
  }

  private rest(): void {
    this.turnAway();
    this.listener.silence();
    this.changed();
  }

  // --- A reload of the plugin

  /** A sentence goes on where it was: it was shown, and its end is reported as if nothing had been. */
  private restore(kept: unknown, playing: unknown): void {
    if (!isObject(kept) || !Array.isArray(kept.turns)) return;
    this.turns = kept.turns as SpokenTurn[];
    if (Array.isArray(kept.past)) this.past = kept.past as string[];
    if (typeof kept.facing === "string") this.facing = kept.facing;
    if (typeof kept.audio === "string") this.audio = kept.audio as AudioMode;
    if (!isObject(playing)) return;
    const { turn: id, seq, heard } = playing;
    const turn = this.turns.find((each) => each.id === id);
    const utterance = turn?.utterances.find((each) => each.seq === seq);
    if (!turn || !utterance || typeof heard !== "number") return;
    this.playing = { turn, utterance, heard, kept: heard };
  }

  /** World call, in the first frame after a reload, once the mouth is shut. */
  takeUp(): void {
    if (this.playing) this.moveLips(this.playing.turn.npc, this.playing.utterance);
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
