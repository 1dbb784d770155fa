/** The modules that need no game, bundled one by one from the sources. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { build } from "esbuild";

async function load(module) {
  const entry = fileURLToPath(new URL(`../src/${module}.ts`, import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, write: false, format: "esm", target: "es2017" });
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
}

const { Ids } = await load("skyrim/ids");
const { Ladder } = await load("transport/ladder");
const { Outbox } = await load("outbox");
const { Pause } = await load("pause");
const { readSettings, DEFAULTS } = await load("settings");
const { lines } = await load("subtitles");
const { timeOfDay } = await load("conversation");

const ids = () => {
  const full = ["Skyrim.esm", "Update.esm", "Überfall 100%.esp"];
  const light = ["Carriages.esl"];
  return new Ids({ full: (index) => full[index] ?? "", light: (index) => light[index] ?? "" });
};

test("an id is the plugin's own part of the FormID and its file", () => {
  assert.equal(ids().id(0x00013bbd), "00013bbd|skyrim.esm");
  assert.equal(ids().id(0x020abcde), "000abcde|%c3%9cberfall 100%.esp");
  assert.equal(ids().id(0xfe000803), "00000803|carriages.esl");
  assert.equal(ids().id(0xff000d62 | 0), "ff000d62|save");
});

test("an id leads back to its FormID, also after a reload", () => {
  for (const form of [0x00013bbd, 0x020abcde, 0xfe000803, 0xff000d62]) assert.equal(ids().form(ids().id(form)), form);
  assert.equal(ids().form("00000001|gone.esp"), undefined);
  assert.equal(ids().form("nonsense"), undefined);
});

test("a wrong setting is named, and its default is used", () => {
  const told = [];
  const settings = readSettings({ port: "8765", talk_key: 30, colour: "red", constructor: 1 }, (each) => told.push(each));
  assert.equal(settings.port, DEFAULTS.port);
  assert.equal(settings.talk_key, 30);
  assert.deepEqual(told, [
    '"port" must be a whole number from 1 to 65535, not "8765"; 8765 is used.',
    'There is no setting "colour"; it is ignored.',
    'There is no setting "constructor"; it is ignored.',
  ]);
});

const rung = (kind, there = true) => ({ kind, available: () => there, open: () => undefined });

test("a rung that failed three times rests, and the next is tried", () => {
  const ladder = new Ladder([rung("web_socket"), rung("long_poll")]);
  for (let failures = 0; failures < 3; failures++) {
    assert.equal(ladder.pick(0).kind, "web_socket");
    ladder.failed("web_socket", 0, false);
  }
  assert.equal(ladder.pick(0).kind, "long_poll");
  assert.equal(ladder.better("long_poll", 1000), undefined);
  assert.equal(ladder.better("long_poll", 20_000).kind, "web_socket");
});

test("where all have failed the best is tried again", () => {
  const ladder = new Ladder([rung("page"), rung("long_poll")]);
  ladder.failed("page", 0, true);
  ladder.failed("long_poll", 0, true);
  assert.equal(ladder.pick(0).kind, "page");
});

test("a page that is not there is no rung", () => {
  assert.equal(new Ladder([rung("page", false), rung("long_poll")]).pick(0).kind, "long_poll");
  assert.equal(new Ladder([rung("page", false)]).pick(0), undefined);
});

test("a full outbox gives up what is droppable first", () => {
  const outbox = new Outbox("boot", () => undefined);
  const line = outbox.add({ type: "player_line" }, 0);
  outbox.add({ type: "game_event" }, 0, { droppable: true });
  for (let count = 0; count < 127; count++) outbox.add({ type: "speech_report" }, 0);
  assert.equal(outbox.dropped, 1);
  assert.equal(outbox.size, 128);
  assert.equal(outbox.next(0), line);
});

test("what was not answered keeps its id over a reload", () => {
  const outbox = new Outbox("first", () => undefined);
  outbox.add({ type: "player_line" }, 5).sent = true;
  const later = new Outbox("second", () => undefined);
  later.restore(JSON.parse(JSON.stringify(outbox.dump())));
  assert.equal(later.next(10).id, "first-1");
  assert.equal(later.answered("first-1").at, 5);
  assert.equal(later.size, 0);
});

test("no time passes in a menu, nor in a frame that follows it", () => {
  const told = [];
  const pause = new Pause((paused) => told.push(paused));
  pause.frame(1000);
  assert.equal(pause.frame(1016), 16);
  pause.menu("Journal Menu", true);
  pause.tick(601_000);
  pause.menu("Journal Menu", false);
  assert.equal(pause.frame(601_016), 0);
  assert.equal(pause.frame(601_032), 16);
  assert.deepEqual(told, [true, false]);
});

test("a world whose frames go on in a menu does not stand still", () => {
  const pause = new Pause(() => undefined);
  pause.frame(0);
  pause.menu("Journal Menu", true);
  for (let frame = 1; frame < 60; frame++) pause.frame(frame * 16);
  assert.equal(pause.paused, false);
});

test("a world without frames stands still, whatever the reason", () => {
  const pause = new Pause(() => undefined);
  pause.frame(1);
  pause.tick(500);
  assert.equal(pause.paused, false);
  pause.tick(1500);
  assert.equal(pause.paused, true);
});

test("long subtitles are cut at white space", () => {
  const cut = lines(`Lydia: ${"word ".repeat(60)}`);
  assert.ok(cut.every((line) => line.length <= 110));
  assert.equal(cut.join(" ").split(" ").length, 61);
});

test("the hour has a word", () => {
  assert.equal(timeOfDay(17.25), "early morning");
  assert.equal(timeOfDay(3.5), "midday");
  assert.equal(timeOfDay(0.99), "night");
});
