// @ts-check
/** The game's own script has Lydia act in the middle of a sentence: she is silent at once, and until it is over. */

import { heardOf } from '../turns.mjs';
import { LYDIA, SCENE } from '../whiterun.mjs';
import { check, said, subtitles } from './acts.mjs';

/** @param {import('../game.mjs').Game} game */
export async function scripted(game) {
  game.pointAt(LYDIA);
  await game.say('Tell me about Whiterun.');
  await game.until('the first sentence', () => subtitles(game) > 0);
  await game.wait(400);
  game.setScene(LYDIA, SCENE);
  const [turn] = game.recorder.turns.all;
  await game.until('the end of the sentence', () => heardOf(turn, 0).length === 2);
  await game.until('the end of the turn', () => turn.interrupted || turn.status === 'interrupted');
  check(String(heardOf(turn, 0)) === 'started,aborted', 'it was cut off, and what was heard of it is known');
  const shown = subtitles(game);
  await game.say('Lydia, do you hear me?');
  await game.wait(6000);
  check(subtitles(game) === shown, 'she says nothing while she acts');
  game.setScene(LYDIA, 0);
  await game.wait(1000);
  await said(game, 'Hello, Lydia.');
  check(subtitles(game) > shown, 'she speaks again when it is over');
}
