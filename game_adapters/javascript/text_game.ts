/**
 * The smallest game on the Skyrim plugin's modules: it gives them a world, and they do the rest. To run it:
 *
 *     ../skyrim/node_modules/.bin/esbuild text_game.ts --bundle --platform=node --format=esm --outfile=text_game.mjs
 *     node --experimental-websocket text_game.mjs ws://127.0.0.1:8765/ws
 */

import { createInterface } from "node:readline";
import { Adapter } from "../skyrim/src/adapter";
import type { Game, GameListener, OpenSocket, World } from "../skyrim/src/game";
import { readSettings } from "../skyrim/src/settings";
import { Store } from "../skyrim/src/store";

const LYDIA = "npc-0042";
const daemon = new URL(process.argv[2] ?? "ws://127.0.0.1:8765/ws");

const world: World = {
  gameTime: () => 17.25,
  playerName: () => "Hrefna",
  place: () => "Dragonsreach",
  listener: () => ({ position: [0, 0, 0], forward: [0, 1, 0] }),
  addressee: () => LYDIA,
  near: () => [LYDIA],
  distance: () => 100,
  here: (npc) => npc === LYDIA,
  scripted: () => false,
  position: () => [100, 0, 0],
  facts: (npc) => (npc === LYDIA ? { name: "Lydia", race: "Nord", gender: "female" } : undefined),
  conditions: () => ({ combat_active: false, quest_active: false, weapon_drawn: false, in_scene: false }),
  lookAtPlayer: () => {},
  lookAway: () => {},
  express: () => {},
  moveMouth: () => {},
  playSpeech: () => false,
  belongings: () => ["Torch"],
  perform: (deed, done) => {
    console.log(`(${deed.name} ${JSON.stringify(deed.arguments)})`);
    done({ status: "applied" });
  },
  tendDeeds: () => {},
};

const openSocket: OpenSocket = (url, protocol, listener) => {
  const socket = new WebSocket(url, protocol);
  let open = true;
  const ended = (reason: string) => {
    if (open) listener.closed(reason);
    open = false;
  };
  socket.onmessage = ({ data }) => listener.message(String(data));
  socket.onclose = ({ reason }) => ended(reason);
  socket.onerror = () => ended("it failed"); // after which Node 20 tells of no end
  return {
    send: (text) => socket.send(text),
    close: () => {
      open = false;
      socket.close();
    },
  };
};

const game: Game = {
  name: "text-game",
  world,
  now: () => Date.now(),
  log: (text) => console.error(text),
  notify: (text) => console.log(text),
  storage: {},
  http: () => undefined,
  openSocket,
  browser: undefined,
  listen: (listener: GameListener) => {
    setInterval(() => {
      listener.tick(Date.now());
      listener.update(Date.now());
    }, 16);
    createInterface({ input: process.stdin }).on("line", (text) => listener.said(text));
  },
};

const given = { host: daemon.hostname, port: Number(daemon.port), transport: "web_socket", actions: ["give_item"] };
const settings = readSettings(given, (problem) => console.error(problem));
game.listen(new Adapter(game, new Store(game.storage), settings, "1.0"));
