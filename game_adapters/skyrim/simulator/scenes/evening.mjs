// @ts-check
/**
 * An evening in Dragonsreach: greet Lydia, ask her, get a torch, insult her, fight, save, load, leave the game in
 * its menu, reload the plugin, go.
 */

import { BANDIT, BANNERED_MARE, LYDIA, TORCH, WHITERUN_INN } from '../whiterun.mjs';
import { PLAYER } from '../world.mjs';
import { check, replied, said, standStill, subtitles } from './acts.mjs';

/** @param {import('../game.mjs').Game} game */
export async function evening(game) {
  const { world } = game;
  const lydia = () => /** @type {import('../world.mjs').ActorForm} */ (world.actor(LYDIA));

  game.pointAt(LYDIA);
  await said(game, 'Hello, Lydia.');
  await said(game, 'Where is the court wizard?');

  await game.say('Can you give me a torch?');
  await game.until('the torch', () => world.player.items.get(TORCH) === 1, 30_000);
  await replied(game);
  check(lydia().items.get(TORCH) === 1, 'Lydia gave one torch of her two');

  game.save('before the insult');
  await game.wait(500);
  await said(game, 'You are a coward, Lydia.');

  await fight(game);
  await said(game, 'Well fought, Lydia.');

  await game.load('before the insult');
  game.recorder.turns.forget();
  check(lydia().items.get(TORCH) === 1, 'the torch is still given');
  await game.wait(1000);
  game.pointAt(LYDIA);

  const shown = subtitles(game);
  await game.say('Tell me about Whiterun.');
  await game.until('the first sentence', () => subtitles(game) > shown);
  await standStill(game, 'Journal Menu', 10 * 60_000);
  await replied(game);

  game.reload();
  await game.wait(1000);
  await said(game, 'Farewell, Lydia.');

  game.enter(BANNERED_MARE, WHITERUN_INN);
  const gone = () => game.recorder.sent.flatMap(({ message }) => (message.type === 'npc_gone' ? message.npc_ids : []));
  const here = ['000a2c94|skyrim.esm', '0001a6a4|skyrim.esm', 'ff000d62|save'];
  await game.until('npc_gone of everybody', () => here.every((npc) => gone().includes(npc)));
}

/**
 * A bandit comes in, and does not get far.
 * @param {import('../game.mjs').Game} game
 */
async function fight(game) {
  const bandit = /** @type {import('../world.mjs').ActorForm} */ (game.world.actor(BANDIT));
  Object.assign(bandit, { disabled: false, loaded: true, position: [400, 300, 0] });
  game.combat(BANDIT, PLAYER);
  await game.wait(1500);
  game.combat(LYDIA, BANDIT);
  await game.wait(1500);
  game.hit(LYDIA, BANDIT);
  await game.wait(1500);
  game.hit(BANDIT, LYDIA);
  await game.wait(1500);
  game.kill(BANDIT, LYDIA);
  await game.wait(3000);
}
