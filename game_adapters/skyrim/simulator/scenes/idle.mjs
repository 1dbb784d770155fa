// @ts-check
/**
 * Everything happens once and nothing is said: what a plugin does by itself. Needs no daemon.
 */

import { BANDIT, BANNERED_MARE, GUARD, LYDIA, QUEST, WHITERUN_INN } from '../whiterun.mjs';
import { PLAYER } from '../world.mjs';

/** @param {import('../game.mjs').Game} game */
export async function idle(game) {
  await game.wait(1000);
  game.pointAt(LYDIA);
  game.press(21);
  await game.wait(500);
  game.openMenu('Journal Menu');
  await game.wait(1000);
  game.closeMenu('Journal Menu');
  game.sendModEvent('rfsn_nothing', '', 0);
  game.questStage(QUEST, 10);
  game.combat(GUARD, PLAYER);
  await game.wait(500);
  game.hit(PLAYER, GUARD);
  game.hit(GUARD, PLAYER);
  await game.wait(500);
  game.kill(GUARD, PLAYER);
  await game.wait(500);
  game.save('quicksave');
  await game.wait(500);
  await game.load('quicksave');
  game.reload();
  await game.wait(1000);
  game.enter(BANNERED_MARE, WHITERUN_INN);
  game.pointAt(BANDIT);
  await game.wait(1000);
}
