/** What the daemon plays, as the player sees it: the speech player with a world that only writes down. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { build } from "esbuild";

async function load(module) {
  const entry = fileURLToPath(new URL(`../src/${module}.ts`, import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, write: false, format: "esm", target: "es2017" });
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
}

const { Speech } = await load("speech");
const { Lips } = await load("lips");
const { DEFAULTS } = await load("settings");

/** A speech player, what was shown and sent, and the daemon's side of one turn. */
class Table {
  constructor() {
    this.shown = [];
    this.sent = [];
    this.fighting = false;
    const world = {
      here: () => true,
      distance: () => 100,
      scripted: () => false,
      conditions: () => ({ combat_active: this.fighting }),
      position: () => [0, 0, 0],
      moveMouth: () => undefined,
      lookAtPlayer: () => undefined,
      lookAway: () => undefined,
      express: () => undefined,
    };
    const store = { keep: () => () => undefined, load: () => undefined };
    this.speech = new Speech(world, store, { ...DEFAULTS, expressions: false }, new Lips(world, store), {
      send: (message) => this.sent.push(message),
      subtitle: (npc, text) => this.shown.push(text),
      silence: () => this.shown.push(""),
      scripted: () => undefined,
    });
    this.speech.audio = "daemon";
    this.now = 0;
  }

  tell(type, fields, turn_id = "t1") {
    this.speech.receive({ type, turn_id, npc_id: turn_id === "t1" ? "lydia" : "farkas", ...fields });
    return this;
  }

  begin(turn_id = "t1") {
    return this.tell("turn_started", {}, turn_id);
  }

  sentence(seq, text, turn_id) {
    return this.tell("sentence", { seq, text }, turn_id);
  }

  audio(seq, through_seq = seq, turn_id = "t1") {
    return this.tell("audio", { seq, through_seq, visemes: [[0, 1, 0.5], [100, 1, 0]] }, turn_id);
  }

  played(seq, status, turn_id) {
    return this.tell("playback", { seq, status }, turn_id);
  }

  finish(status = "completed", turn_id = "t1") {
    return this.tell("turn_finished", { status }, turn_id);
  }

  pass(ms) {
    for (let passed = 0; passed < ms; passed += 100) this.speech.update((this.now += 100), 100);
    return this;
  }
}

test("a sentence is shown when it begins to sound, however long it takes", () => {
  const table = new Table().begin().sentence(0, "Well met.").audio(0).pass(5_000);
  assert.deepEqual(table.shown, []);
  table.played(0, "started").pass(20_000);
  assert.deepEqual(table.shown, ["Well met."]);
  table.finish().played(0, "ended").pass(100);
  assert.deepEqual(table.shown, ["Well met.", ""]);
  assert.deepEqual(table.sent, []);
});

test("what is spoken together is shown together", () => {
  const table = new Table().begin().sentence(0, "No.").sentence(1, "Take two.").audio(0, 1).played(0, "started").pass(100);
  assert.deepEqual(table.shown, ["No. Take two."]);
});

test("what stays unspoken is shown with what sounds next", () => {
  const table = new Table().begin().sentence(0, "Aye.").audio(0).played(0, "started");
  table.sentence(1, "*nods*").sentence(2, "Come.").tell("audio_dropped", { seq: 1 }).audio(2).played(0, "ended").pass(3_000);
  assert.deepEqual(table.shown, ["Aye."]);
  table.played(2, "started").pass(100);
  assert.deepEqual(table.shown, ["Aye.", "*nods* Come."]);
});

test("what stays unspoken at the end is shown for the time that it takes to read", () => {
  const table = new Table().begin().sentence(0, "Aye.").sentence(1, "*nods*").audio(0).tell("audio_dropped", { seq: 1 });
  table.played(0, "started").finish().played(0, "ended").tell("turn_recorded").pass(1_000);
  assert.deepEqual(table.shown, ["Aye.", "*nods*"]);
  table.pass(1_000);
  assert.deepEqual(table.shown, ["Aye.", "*nods*", ""]);
});

test("without any voice every sentence is read", () => {
  const table = new Table().begin().sentence(0, "Aye.").tell("audio_dropped", { seq: 0 }).pass(2_000);
  table.sentence(1, "Come.").tell("audio_dropped", { seq: 1 }).finish().tell("turn_recorded").pass(2_000);
  assert.deepEqual(table.shown, ["Aye.", "Come.", ""]);
});

test("what got no voice when the turn failed is read", () => {
  const table = new Table().begin().sentence(0, "Aye.").finish("failed").pass(2_000);
  assert.deepEqual(table.shown, ["Aye.", ""]);
});

test("what was announced and never sounded is over when the turn is recorded", () => {
  const table = new Table().begin().sentence(0, "Aye.").sentence(1, "Come.").audio(0).audio(1).played(0, "started").finish();
  table.played(0, "aborted").played(1, "aborted").tell("turn_recorded").pass(2_000);
  assert.deepEqual(table.shown, ["Aye.", ""]);
  assert.deepEqual([table.speech.idle, table.speech.voices], [true, []]);
});

test("two may sound at once: each is shown as it begins", () => {
  const table = new Table().begin().begin("t2");
  table.sentence(0, "Aye.").audio(0).played(0, "started").pass(100);
  table.sentence(0, "Nay.", "t2").audio(0, 0, "t2").played(0, "started", "t2").pass(100);
  assert.deepEqual([table.shown, table.speech.voices], [["Aye.", "Nay."], ["lydia", "farkas"]]);
  table.finish().played(0, "ended").pass(100);
  assert.deepEqual([table.shown, table.speech.voices], [["Aye.", "Nay."], ["farkas"]]);
  table.finish("completed", "t2").played(0, "ended", "t2").pass(100);
  assert.deepEqual([table.shown, table.speech.voices], [["Aye.", "Nay.", ""], []]);
});

const cut = (reason) => ({ type: "interrupt", turn_id: "t1", reason, priority: "critical" });

test("a fight silences at once what was begun in peace", () => {
  const table = new Table().begin().sentence(0, "Aye.").audio(0).played(0, "started").pass(100);
  table.speech.alarm("lydia");
  assert.deepEqual([table.shown, table.sent], [["Aye.", ""], [cut("combat")]]);
});

test("words of a fight outlive its beginning", () => {
  const attack = new Table().begin().sentence(0, "Die!").audio(0).played(0, "started");
  attack.tell("action_request", { action_id: "x", name: "attack", arguments: {} }).speech.alarm("lydia");
  assert.deepEqual(attack.sent, []);
  const table = new Table();
  table.fighting = true;
  table.begin().speech.alarm("lydia");
  assert.deepEqual(table.sent, []);
});

test("a load silences everybody, and the daemon is told", () => {
  const table = new Table().begin().sentence(0, "Aye.").audio(0).played(0, "started").pass(100);
  table.speech.abandon(true);
  assert.deepEqual([table.sent, table.speech.idle], [[cut("another moment")], true]);
});
