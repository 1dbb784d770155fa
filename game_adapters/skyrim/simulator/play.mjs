// @ts-check
/** One scene from its beginning to its end, and what came of it. */

import { complaints, readable } from './expectations.mjs';
import { Game } from './game.mjs';
import { Line } from './line.mjs';
import { describe } from './rules.mjs';
import { allAnswered } from './scenes/acts.mjs';
import { SCENES } from './scenes/scenes.mjs';
import { heardOf } from './turns.mjs';
import { differences, normalised } from './wire.mjs';

/** @typedef {'auto' | 'web_socket' | 'page' | 'long_poll'} Transport */

/**
 * @typedef {object} Setup
 * @property {string} code          the plugin
 * @property {string} daemon        its WebSocket
 * @property {string} http          its HTTP listener
 * @property {string} scene
 * @property {Transport} transport
 * @property {number} speed
 * @property {import('./line.mjs').Cut | null} [cut]
 * @property {import('./chromium.mjs').Chromium | null} [chromium]
 * @property {Record<string, unknown>} [settings]
 * @property {(line: string) => void} [print]
 */

/**
 * @typedef {object} Played
 * @property {string} scene
 * @property {string} transport
 * @property {number} messages           that passed the line, in either direction
 * @property {number} cuts               of the line
 * @property {string[]} faults           rules broken and expectations failed; none: all is well
 * @property {string[]} shown            subtitles in order
 * @property {string} text               all that could be read of what was said
 * @property {string[]} items            that changed hands
 * @property {Record<string, string[]>} sent   by type, normalised
 * @property {string[]} turns            npc, status and what is known of the sound of each
 * @property {number} seconds            of the game
 * @property {number} real_seconds
 */

let evenings = 0;

/**
 * @param {Setup} setup
 * @returns {Promise<Played>}
 */
export async function play({ code, daemon, http, scene, transport, speed, cut, chromium, settings, print }) {
  const act = SCENES[scene];
  if (!act) throw new Error(`there is no scene ${scene}; there are: ${Object.keys(SCENES).join(', ')}`);
  const began = performance.now();
  const line = new Line(cut);
  const socket = await line.open(daemon);
  const poll = await line.open(http);
  evenings += 1;
  const game = new Game({
    code,
    speed,
    chromium: transport === 'page' ? chromium : null,
    webSocket: transport === 'web_socket' || transport === 'auto',
    settings: {
      host: socket.hostname,
      port: Number(socket.port),
      http_port: Number(poll.port),
      transport,
      audio: 'none',
      // Each evening is a story of its own, or they would remember each other.
      playthrough: `evening-${process.pid}-${evenings}-${Math.floor(Math.random() * 1e9)}`,
      ...settings,
    },
    print,
  });
  /** @type {string[]} */
  const faults = [];
  try {
    await game.start();
    await act(game, line);
    await allAnswered(game);
  } catch (error) {
    const at = `${Math.round(game.frames.now)} ms`;
    faults.push(`the scene stopped at ${at}: ${describe(error)}`, ...lately(game));
  }
  faults.push(...complaints(game));
  const errors = /** @type {{errors?: string[]}} */ (game.browser.surface)?.errors ?? [];
  faults.push(...errors.map((error) => `the page: ${error}`));
  await game.stop();
  line.close();
  const { recorder } = game;
  return {
    scene,
    transport,
    messages: line.count,
    cuts: line.cuts,
    faults,
    shown: recorder.shown(),
    text: readable(game),
    items: recorder.all('item').map(({ item, count, from, to }) => `${count} ${item}: ${from} to ${to}`),
    sent: normalised(recorder),
    turns: recorder.turns.all.map((turn) => {
      const told = [...turn.sentences.keys()].map((seq) => [seq, ...heardOf(turn, seq)].join(' '));
      return `${turn.npc} ${turn.status}: ${told.join(', ')}`;
    }),
    seconds: Math.round(game.frames.now / 100) / 10,
    real_seconds: Math.round((performance.now() - began) / 10) / 100,
  };
}

/**
 * What happened last, for whoever wonders why a scene goes no further.
 * @param {Game} game
 */
function lately({ recorder }) {
  const types = (/** @type {{message: any}[]} */ list) => list.slice(-8).map(({ message }) => message.type);
  const seen = recorder.entries.slice(-8).map(({ what, text, name }) => [what, text ?? name].filter(Boolean).join(' '));
  return [
    `last sent: ${types(recorder.sent).join(', ')}`,
    `last received: ${types(recorder.received).join(', ')}`,
    `last seen: ${seen.join('; ')}`,
  ];
}

/**
 * The evening uncut, then cut at each of its messages, some games at a time.
 * @param {Setup} setup
 * @param {object} options
 * @param {number} options.every     cut at every so many-th message
 * @param {number} options.from      the first
 * @param {number} options.together  games at a time
 * @param {(played: Played, cut: import('./line.mjs').Cut) => void} [options.told]  after each
 */
export async function playCut(setup, { every, from, together, told }) {
  const uncut = await play({ ...setup, cut: null });
  /** @type {import('./line.mjs').Cut[]} */
  const cuts = [];
  for (let at = from; at <= uncut.messages; at += every) {
    cuts.push({ at, lost: false }, { at, lost: true });
  }
  const count = cuts.length + 1;
  /** @type {{cut: import('./line.mjs').Cut, faults: string[]}[]} */
  const failed = [];
  const playing = Array.from({ length: together }, async () => {
    for (let cut = cuts.shift(); cut; cut = cuts.shift()) {
      const played = await play({ ...setup, cut });
      const faults = [...played.faults, ...unlike(uncut, played)];
      told?.(played, cut);
      if (faults.length > 0) failed.push({ cut, faults });
    }
  });
  await Promise.all(playing);
  return { uncut, failed, evenings: count };
}

/**
 * What a cut has changed that no cut may change.
 * @param {Played} uncut
 * @param {Played} played
 */
export function unlike(uncut, played) {
  const found = [];
  if (played.text !== uncut.text) found.push(`what was said: ${firstDifference(uncut.text, played.text)}`);
  found.push(...differences(uncut.sent, played.sent));
  if (String(played.items) !== String(uncut.items)) found.push(`items: ${played.items} instead of ${uncut.items}`);
  if (String(played.turns) !== String(uncut.turns)) {
    found.push(`turns: ${firstDifference(uncut.turns.join('\n'), played.turns.join('\n'))}`);
  }
  return found;
}

/**
 * @param {string} expected
 * @param {string} got
 */
function firstDifference(expected, got) {
  const wanted = expected.split('\n');
  const found = got.split('\n');
  const at = wanted.findIndex((line, index) => line !== found[index]);
  const where = at < 0 ? wanted.length : at;
  return `${JSON.stringify(wanted[where] ?? null)} became ${JSON.stringify(found[where] ?? null)}`;
}
