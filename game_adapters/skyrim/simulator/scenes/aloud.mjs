// @ts-check
/**
 * What the daemon plays itself: heard to its end with a menu in its midst, and cut off by the player's next line, a
 * scripted scene, a fight, a load and a death. Wants `audio: daemon`, and the daemon a voice.
 */

import { heardWhole } from '../turns.mjs';
import { BANDIT, LYDIA, SCENE } from '../whiterun.mjs';
import { check, replied, said, subtitles } from './acts.mjs';

/** Of the game: what was on its way when a menu opened has arrived by then. */
const CROSSING_MS = 2000;
const MENU_MS = 10_000;

/** @param {import('../game.mjs').Game} game */
export async function aloud(game) {
  game.pointAt(LYDIA);
  await said(game, 'Hello, Lydia.');
  check(lastTurn(game).played, 'the daemon plays');

  await speaking(game, 'Tell me about Whiterun.');
  await menu(game);
  await replied(game);
  check(heardWhole(lastTurn(game)), 'the whole reply was heard');

  const before = await speaking(game, 'Where is the court wizard?');
  await speaking(game, 'You are a coward, Lydia.');
  await cut(game, before);

  game.setScene(LYDIA, SCENE);
  await cut(game, lastTurn(game), 'a scripted scene');
  game.setScene(LYDIA, 0);
  await game.wait(1000);

  await speaking(game, 'Well fought, Lydia.');
  game.combat(LYDIA, BANDIT);
  await cut(game, lastTurn(game), 'combat');
  game.combat(LYDIA, 0);

  game.save('before the torch');
  await game.wait(500);
  const undone = await speaking(game, 'Can you give me a torch?');
  await game.load('before the torch');
  game.recorder.turns.forget();
  await cut(game, undone, 'another moment');
  await game.wait(1000);

  game.pointAt(LYDIA);
  await speaking(game, 'Farewell, Lydia.');
  game.kill(LYDIA, BANDIT);
  await cut(game, lastTurn(game), 'death');
}

/** @param {import('../game.mjs').Game} game */
function lastTurn({ recorder }) {
  return /** @type {import('../turns.mjs').Turn} */ (recorder.turns.all.at(-1));
}

/**
 * Say something, and wait until the answer sounds and is seen.
 * @param {import('../game.mjs').Game} game
 * @param {string} text
 */
async function speaking(game, text) {
  const { turns } = game.recorder;
  const [count, shown] = [turns.all.length, subtitles(game)];
  await game.say(text);
  await game.until('sound', () => turns.all.length > count && lastTurn(game).playback.size > 0);
  await game.until('its subtitle', () => subtitles(game) > shown);
  await game.wait(400);
  return lastTurn(game);
}

/**
 * Some seconds in a menu: nothing sounds or moves, and the subtitle stays.
 * @param {import('../game.mjs').Game} game
 */
async function menu(game) {
  const { recorder, world } = game;
  game.openMenu('Journal Menu');
  await game.wait(CROSSING_MS);
  const seen = () => {
    const played = recorder.received.filter(({ message }) => message.type === 'playback').length;
    const faces = JSON.stringify(world.actors().map(({ phonemes }) => phonemes));
    return `${played} ${faces} ${recorder.all('subtitle').length} ${recorder.all('clear').length}`;
  };
  const before = seen();
  await game.wait(MENU_MS);
  check(seen() === before, `nothing sounds or moves while the game stands still: ${seen()} was ${before}`);
  game.closeMenu('Journal Menu');
}

/**
 * The turn is over before its end, and the daemon was told why, unless the player's own next line has ended it.
 * @param {import('../game.mjs').Game} game
 * @param {import('../turns.mjs').Turn} turn
 * @param {string} [reason]
 */
async function cut(game, turn, reason) {
  const { recorder } = game;
  const statuses = () => [...turn.playback.values()].flat().map(({ status }) => status);
  await game.until('the end of the sound', () => statuses().includes('aborted'));
  const told = recorder.sent.filter(({ message }) => message.type === 'interrupt' && message.turn_id === turn.id);
  const why = told.map(({ message }) => `${message.reason}, ${message.priority}`);
  check(String(why) === (reason ? `${reason}, critical` : ''), `it was cut off for ${reason}: ${why}`);
  if (!reason) return;
  const begun = () => statuses().filter((status) => status === 'started').length + subtitles(game);
  const before = begun();
  await game.wait(1500);
  check(begun() === before, 'nothing of it comes later');
}
