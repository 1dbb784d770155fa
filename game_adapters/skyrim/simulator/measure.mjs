// @ts-check
/**
 * Measures the plugin in the simulated game, in real time, against a running daemon: what it costs in each frame
 * while an NPC talks, beside a plugin that does nothing; and how long the first sentence of a reply takes to the
 * screen, over each transport in turn. Prints JSON; benchmarks/adapter.py makes a table of it.
 *
 * node --experimental-websocket measure.mjs DAEMON HTTP TURNS SECONDS
 */

import { readFileSync } from 'node:fs';
import { Game } from './game.mjs';
import { LYDIA } from './whiterun.mjs';

const TRANSPORTS = /** @type {const} */ (['web_socket', 'long_poll']);
const WARM_UP = 3;

const [daemon, http, turns, seconds] = process.argv.slice(2);
const plugin = readFileSync(new URL('../dist/rfsn-bridge.js', import.meta.url), 'utf8');

/**
 * @param {string} code
 * @param {string} transport
 */
async function started(code, transport) {
  const game = new Game({
    code,
    webSocket: transport === 'web_socket',
    speed: 20, // until it has started
    settings: {
      host: new URL(daemon).hostname,
      port: Number(new URL(daemon).port),
      http_port: Number(new URL(http).port),
      transport,
      audio: 'none',
      playthrough: `measured-${transport}-${process.pid}`,
    },
  });
  await game.start();
  game.pointAt(LYDIA);
  game.frames.speed = 1;
  return game;
}

let lines = 0;

/**
 * Say a line of one's own; gives the milliseconds until the first sentence of the reply is on the screen.
 * @param {Game} game
 */
async function firstSentence(game) {
  lines += 1;
  const line = `line ${lines}`;
  let at = 0;
  game.recorder.watchers = [({ what, text }) => (at ||= what === 'subtitle' && text.includes(line) ? performance.now() : 0)];
  await game.say(`[${line}]`);
  const began = performance.now();
  await game.until('the first sentence', () => at, 20_000);
  return at - began;
}

async function measure() {
  const games = await Promise.all(TRANSPORTS.map((transport) => started(plugin, transport)));
  const empty = await started('', 'auto');
  /** @type {Record<string, number[]>} */
  const first = { web_socket: [], long_poll: [] };
  for (let turn = 0; turn < Number(turns) + WARM_UP; turn += 1) {
    for (const [index, game] of games.entries()) {
      const ms = await firstSentence(game);
      if (turn >= WARM_UP) first[TRANSPORTS[index]].push(ms);
      // Not in step with the frames, nor with the polls.
      await game.wait(100 + Math.random() * 200);
    }
  }
  const frames = { plugin: /** @type {number[]} */ ([]), empty: /** @type {number[]} */ ([]) };
  const [game] = games;
  game.meter = (ms) => {
    if (game.recorder.open.get(LYDIA)?.size) frames.plugin.push(ms);
  };
  empty.meter = (ms) => frames.empty.push(ms);
  const enough = () => frames.plugin.length >= Number(seconds) * 60;
  while (!enough()) {
    await firstSentence(game);
    await game.until('the end of the reply', () => enough() || game.recorder.turns.settled, 120_000);
  }
  for (const each of [...games, empty]) await each.stop();
  process.stdout.write(`${JSON.stringify({ first, frames })}\n`);
}

await measure();
process.exit(0); // connections that the daemon keeps open hold nothing up
