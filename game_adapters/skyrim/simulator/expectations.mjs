// @ts-check
/** What must hold of every evening, whatever happened in it. Each gives its complaints; none is the best answer. */

/** @typedef {import('./game.mjs').Game} Game */
/** @typedef {import('./recorder.mjs').Entry} Entry */

/** Of the game's time, in ms: how exactly mouth and subtitle must agree. */
const AT_ONCE = 150;
const RATE = 20;
const BURST = 40;
const POSITIONS_A_SECOND = 5;

/**
 * @param {Game} game
 * @returns {string[]}
 */
export function complaints(game) {
  return [
    ...brokenRules(game),
    ...shownOnce(game),
    ...reportedOnce(game),
    ...shownAsItSounds(game),
    ...placed(game),
    ...lipsMoved(game),
    ...silentInScenes(game),
    ...withinRate(game),
    ...identifiable(game),
    ...answered(game),
    ...withoutErrors(game),
    ...withoutFaults(game),
  ];
}

/** @param {Game} game */
function brokenRules({ rules }) {
  return rules.violations.map(({ t, rule, detail }) => `at ${t} ms: ${rule}: ${detail}`);
}

/**
 * What the player could read of what was said: sentences on the page, or lines of notifications where there is none.
 * What the plugin tells of itself is left out.
 * @param {Game} game
 */
export function readable({ recorder }) {
  const lines = recorder.entries.filter(
    ({ what, text }) => what === 'subtitle' || (what === 'notification' && !text.startsWith('RFSN Bridge')),
  );
  return lines.map(({ name, text }) => (name ? `${name}: ${text}` : text)).join('\n');
}

/**
 * Every sentence of a turn that was not interrupted is shown; none is shown twice.
 * @param {Game} game
 */
function shownOnce(game) {
  const text = readable(game);
  const found = [];
  for (const turn of game.recorder.turns.all) {
    for (const [seq, sentence] of turn.sentences) {
      const times = text.split(sentence).length - 1;
      if (times > 1) found.push(`shown ${times} times: ${sentence}`);
      const reported = turn.reports.get(seq) ?? [];
      if (times === 0 && (heardOut(turn) || reported.length > 0)) found.push(`never shown: ${sentence}`);
      if (times === 1 && reported.length === 0 && !turn.played) found.push(`shown and not reported: ${sentence}`);
    }
  }
  return found;
}

/**
 * Nobody stopped it, neither the daemon nor the plugin.
 * @param {import('./turns.mjs').Turn} turn
 */
function heardOut({ status, interrupted, playback }) {
  const aborted = [...playback.values()].flat().some((each) => each.status === 'aborted');
  return status === 'completed' && !interrupted && !aborted;
}

/**
 * `started`, then `ended` or `aborted`, once each; a turn that was not interrupted is heard to its end. What the
 * daemon plays is not reported.
 * @param {Game} game
 */
function reportedOnce({ recorder }) {
  const found = [];
  for (const turn of recorder.turns.all) {
    if (turn.played && turn.reports.size > 0) found.push(`${turn.id} was reported to the daemon, which plays it`);
    for (const [seq, statuses] of turn.reports) {
      const told = statuses.join(', ');
      if (told !== 'started, ended' && told !== 'started, aborted') found.push(`${turn.id} ${seq} reported: ${told}`);
      if (told !== 'started, ended' && heardOut(turn)) found.push(`${turn.id} ${seq} was cut short`);
    }
  }
  return found;
}

/**
 * What the daemon plays is shown when it begins, and not before.
 * @param {Game} game
 */
function shownAsItSounds({ recorder }) {
  const found = [];
  const lines = recorder.all('subtitle');
  for (const { playback, sentences } of recorder.turns.all) {
    for (const [seq, [first]] of playback) {
      const sentence = sentences.get(seq);
      if (first?.status !== 'started' || !sentence) continue;
      const line = lines.find(({ text }) => text.includes(sentence));
      if (!line || Math.abs(line.t - first.t) > AT_ONCE) found.push(`not shown while it sounds: ${sentence}`);
    }
  }
  return found;
}

/**
 * What the daemon plays comes from where the speaker is.
 * @param {Game} game
 */
function placed({ recorder }) {
  const found = [];
  for (const { npc, playback, sentences } of recorder.turns.all) {
    for (const [seq, [first]] of playback) {
      if (first?.status !== 'started') continue;
      const told = recorder.sent.some(({ t, message }) => message.type === 'positions' && npc in message.npcs && t <= first.t);
      if (!told) found.push(`the daemon does not know where it sounds: ${sentences.get(seq)}`);
    }
  }
  return found;
}

/**
 * Under each subtitle the speaker's lips move, and after it they are closed; in the end all are.
 * @param {Game} game
 */
function lipsMoved({ recorder, world }) {
  const found = [];
  const lines = recorder.entries.filter(({ what }) => what === 'subtitle' || what === 'clear');
  lines.forEach((line, index) => {
    if (line.what !== 'subtitle') return;
    const end = lines[index + 1]?.t ?? recorder.now();
    const moves = recorder.mouths.filter(({ actor, t }) => actor === line.name && t >= line.t - AT_ONCE);
    const during = moves.filter(({ t }) => t <= end + AT_ONCE);
    const long = end - line.t > 500;
    if (long && !during.some(({ open, t }) => open && t <= end)) found.push(`lips did not move: ${line.text}`);
    if (during.length > 0 && !during.some(({ open }) => !open)) found.push(`a mouth was left open after: ${line.text}`);
  });
  for (const actor of world.actors()) {
    if (actor.phonemes.some((weight) => weight !== 0)) found.push(`${actor.name}'s mouth stands open in the end`);
  }
  return found;
}

/**
 * Nobody speaks while the game's own script has them act.
 * @param {Game} game
 */
function silentInScenes({ recorder }) {
  const found = [];
  /** @type {Set<string>} */
  const acting = new Set();
  for (const { what, actor, on, name, text } of recorder.entries) {
    if (what === 'scene' && on) acting.add(actor);
    if (what === 'scene' && !on) acting.delete(actor);
    if (what === 'subtitle' && acting.has(name)) found.push(`spoken over a scripted scene: ${text}`);
  }
  return found;
}

/**
 * The rates that an adapter promises, by the game's clock.
 * @param {Game} game
 */
function withinRate({ recorder }) {
  let tokens = BURST + 1;
  let last = 0;
  for (const { t } of recorder.sent) {
    tokens = Math.min(BURST + 1, tokens + ((t - last) / 1000) * RATE) - 1;
    last = t;
    if (tokens < 0) return [`more than ${RATE} messages a second, at ${Math.round(t)} ms`];
  }
  const positions = recorder.sent.filter(({ message }) => message.type === 'positions').map(({ t }) => t);
  // Over ten seconds, for those that meet a post on its way wait for it.
  const crowded = positions.find((t, index) => positions[index + 10 * POSITIONS_A_SECOND + 1] - t < 9990);
  return crowded === undefined ? [] : [`more than ${POSITIONS_A_SECOND} positions a second, at ${Math.round(crowded)} ms`];
}

/**
 * What must not be lost has an `id`.
 * @param {Game} game
 */
function identifiable({ recorder }) {
  const without = recorder.sent.filter(({ message: { id, type } }) => !id && !['identify', 'ping', 'positions'].includes(type));
  return without.map(({ message }) => `${message.type} has no id`);
}

/**
 * What has an `id` was answered, whatever happened to the connection.
 * @param {Game} game
 */
function answered({ recorder }) {
  return [...recorder.turns.unanswered].map(([id, type]) => `${type} ${id} was never answered`);
}

/**
 * The daemon found nothing wrong with what it was sent.
 * @param {Game} game
 */
function withoutErrors({ recorder }) {
  const errors = recorder.received.filter(({ message }) => message.type === 'error' && message.code !== 'unavailable');
  return errors.map(({ message }) => `the daemon answered ${message.code}: ${message.message}`);
}

/**
 * The plugin found nothing wrong with itself.
 * @param {Game} game
 */
function withoutFaults({ recorder }) {
  return recorder.all('console').filter(({ text }) => /\bfault\b/.test(text)).map(({ text }) => `the plugin: ${text}`);
}
