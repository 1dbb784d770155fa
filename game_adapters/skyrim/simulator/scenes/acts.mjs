// @ts-check
/** What scenes are made of. */

/** Of the game's time: it is not written down anywhere, and at twenty to one a long time. */
const PATIENCE = 120_000;
/** How many times faster time goes in a menu in which nothing happens. */
const MENU_HASTE = 30;
const MENU_FRAME_MS = 100;

/**
 * Say something and hear the reply to its end.
 * @param {import('../game.mjs').Game} game
 * @param {string} text
 */
export async function said(game, text) {
  await game.say(text);
  await replied(game);
}

/**
 * Wait until the line that was said has been answered, heard and recorded.
 * @param {import('../game.mjs').Game} game
 */
export async function replied(game) {
  const { recorder } = game;
  await game.until('the player_line', () => typeof ofLastLine(recorder) === 'string', PATIENCE);
  const id = ofLastLine(recorder);
  await game.until('turn_started', () => recorder.received.some(({ message }) => message.re === id), PATIENCE);
  await game.until('turn_recorded', () => recorder.turns.settled, PATIENCE);
}

/**
 * The id of the player_line that carries what was last said, once it is sent.
 * @param {import('../recorder.mjs').Recorder} recorder
 */
function ofLastLine(recorder) {
  const text = recorder.all('said').at(-1)?.text;
  const line = recorder.sent.findLast(({ message }) => message.type === 'player_line' && message.text === text);
  return line?.message.id;
}

/**
 * Wait until the daemon has answered everything, and a moment more for what it may still say.
 * @param {import('../game.mjs').Game} game
 */
export async function allAnswered(game) {
  const { recorder } = game;
  await game.wait(1000);
  await game.until('an answer to everything', () => recorder.turns.unanswered.size === 0, PATIENCE);
  await game.wait(1000);
}

/**
 * How many sentences were shown.
 * @param {import('../game.mjs').Game} game
 */
export function subtitles(game) {
  return game.recorder.all('subtitle').length;
}

/**
 * Leave the game in a menu.
 * @param {import('../game.mjs').Game} game
 * @param {string} menu
 * @param {number} ms
 */
export async function standStill(game, menu, ms) {
  const { frames } = game;
  const { speed, length } = frames;
  game.openMenu(menu);
  await game.wait(500);
  frames.speed = speed * MENU_HASTE;
  frames.length = MENU_FRAME_MS;
  await game.wait(ms);
  frames.speed = speed;
  frames.length = length;
  game.closeMenu(menu);
}

/**
 * @param {unknown} holds
 * @param {string} what
 */
export function check(holds, what) {
  if (!holds) throw new Error(`not so: ${what}`);
}
