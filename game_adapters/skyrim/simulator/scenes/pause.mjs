// @ts-check
/** Ten minutes in the game's menu, in the middle of a sentence: it goes on where it was, and nothing is lost. */

import { heardWhole } from '../turns.mjs';
import { LYDIA } from '../whiterun.mjs';
import { check, replied, standStill, subtitles } from './acts.mjs';

/** @param {import('../game.mjs').Game} game */
export async function pause(game) {
  game.pointAt(LYDIA);
  await game.say('Tell me about Whiterun.');
  await game.until('the first sentence', () => subtitles(game) > 0);
  await game.wait(400);
  const [{ text }] = game.recorder.all('subtitle');
  const read = await game.frames.hold(game.browser.surface?.text() ?? Promise.resolve(''));
  check(read.includes(text), `the page shows "${text}", not "${read}"`);
  await standStill(game, 'Journal Menu', 10 * 60_000);
  check(subtitles(game) === 1, 'nothing is shown while the game stands still');
  await replied(game);
  const [turn] = game.recorder.turns.all;
  check(heardWhole(turn), 'the whole reply was heard');
  const identified = game.recorder.received.filter(({ message }) => message.type === 'identified');
  check(identified.length === 1, 'a pause is no disconnection');
}
