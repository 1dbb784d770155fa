// @ts-check
/** The daemon is not there when the game starts: the plugin finds it when it comes, and loses nothing when it goes. */

import { LYDIA } from '../whiterun.mjs';
import { check, said, subtitles } from './acts.mjs';

/**
 * @param {import('../game.mjs').Game} game
 * @param {import('../line.mjs').Line} line
 */
export async function late(game, line) {
  check(subtitles(game) === 0, 'nobody speaks without a daemon');
  line.down = true;
  line.breakAll();
  await game.wait(40_000);
  line.down = false;
  game.pointAt(LYDIA);
  await said(game, 'Hello, Lydia.');
  line.interrupt(200);
  await said(game, 'Where is the court wizard?');
}
