// @ts-check
/** Greet Lydia, and hear her out. */

import { LYDIA } from '../whiterun.mjs';
import { said } from './acts.mjs';

/** @param {import('../game.mjs').Game} game */
export async function talk(game) {
  game.pointAt(LYDIA);
  await said(game, 'Hello, Lydia.');
}
