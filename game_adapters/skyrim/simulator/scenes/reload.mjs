// @ts-check
/** The plugin is reloaded in the middle of a sentence: that goes on, is shown once, and the mouth closes. */

import { heardWhole } from '../turns.mjs';
import { LYDIA } from '../whiterun.mjs';
import { check, replied, said, subtitles } from './acts.mjs';

/** @param {import('../game.mjs').Game} game */
export async function reload(game) {
  game.pointAt(LYDIA);
  await game.say('Tell me about Whiterun.');
  await game.until('the first sentence', () => subtitles(game) > 0);
  await game.wait(400);
  game.reload();
  await replied(game);
  const [turn] = game.recorder.turns.all;
  check(heardWhole(turn), 'the whole reply was heard');
  await said(game, 'Farewell, Lydia.');
}
