// @ts-check
/**
 * The line is broken for longer than the daemon keeps a session: it hears again who is there and what they can do,
 * and the next line is answered.
 */

import { LYDIA } from '../whiterun.mjs';
import { check, said } from './acts.mjs';

/** Of real time: how long the daemon takes a silent long poll for one that is late. */
const AWAY_MS = 5000;

/**
 * @param {import('../game.mjs').Game} game
 * @param {import('../line.mjs').Line} line
 */
export async function newSession(game, line) {
  game.pointAt(LYDIA);
  await said(game, 'Hello, Lydia.');
  const { received, sent } = game.recorder;
  const identified = received.find(({ message }) => message.type === 'identified')?.message;
  const before = sent.length;
  line.interrupt(identified.limits.resume_grace_s * 1000 + (line.polled ? AWAY_MS : 0) + 300);
  const session = () => received.findLast(({ message }) => message.type === 'identified')?.message.session_id;
  await game.until('a new session', () => session() !== identified.session_id, 600_000);
  await said(game, 'Where is the court wizard?');
  const again = sent.slice(before).map(({ message }) => message.type);
  const order = ['identify', 'npc_update', 'game_started'].map((type) => again.indexOf(type));
  check(order.every((at) => at >= 0), `everybody is introduced again: ${again}`);
  check(again.includes('actions_register'), 'what they can do is told again');
  check(again.indexOf('player_line') > Math.max(...order), 'and all that before the next line');
}
