// @ts-check
/** What an adapter said to the daemon in one evening, made comparable with another evening's. */

const UNCOUNTED = new Set(['identify', 'positions', 'ping']);
/** One NPC after the other is looked after, so that their order is chance. */
const UNORDERED = new Set(['npc_gone']);
/** What depends on when it was said. */
const TIMED = new Set(['id', 'heard_ms', 'game_time', 'save_id', 'playthrough', 'action_id']);

/**
 * The messages by type, each type in its order, each message once, without what differs from evening to evening.
 * @param {import('./recorder.mjs').Recorder} recorder
 * @returns {Record<string, string[]>}
 */
export function normalised(recorder) {
  const turns = [...recorder.turns.byId.keys()];
  /** @type {Set<string>} */
  const seen = new Set();
  /** @type {Record<string, string[]>} */
  const byType = {};
  for (const { message } of recorder.sent) {
    if (UNCOUNTED.has(message.type) || seen.has(message.id)) continue;
    seen.add(message.id);
    const kept = Object.entries(message).filter(([key]) => !TIMED.has(key));
    const plain = kept.map(([key, value]) => [key, key === 'turn_id' ? `turn ${turns.indexOf(String(value)) + 1}` : value]);
    (byType[message.type] ??= []).push(JSON.stringify(Object.fromEntries(plain)));
  }
  for (const type of UNORDERED) byType[type]?.sort();
  return byType;
}

/**
 * Where two evenings differ, in words.
 * @param {Record<string, string[]>} one
 * @param {Record<string, string[]>} other
 */
export function differences(one, other) {
  const found = [];
  for (const type of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const mine = one[type] ?? [];
    const theirs = other[type] ?? [];
    const at = mine.findIndex((message, index) => message !== theirs[index]);
    if (at < 0 && mine.length === theirs.length) continue;
    const where = at < 0 ? mine.length : at;
    found.push(`${type} ${where + 1}: ${mine[where] ?? 'none'} became ${theirs[where] ?? 'none'}`);
  }
  return found;
}
