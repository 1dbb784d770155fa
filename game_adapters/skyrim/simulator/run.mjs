#!/usr/bin/env node
// @ts-check
/** Plays scenes against a running daemon: `node run.mjs --help`. */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Chromium, findChromium } from './chromium.mjs';
import { play, playCut } from './play.mjs';
import { SCENES } from './scenes/scenes.mjs';

const OURS = fileURLToPath(new URL('../dist/rfsn-bridge.js', import.meta.url));
const HELP = `Plays Skyrim for the RFSN Bridge plugin: node run.mjs [options]

  --daemon URL       the daemon's WebSocket (ws://127.0.0.1:8765/ws)
  --http URL         its HTTP listener (http://127.0.0.1:8001)
  --scene NAME       ${Object.keys(SCENES).join(', ')}; several with commas (evening)
  --transport NAME   web_socket, page (needs Chromium), long_poll or auto; several with commas (auto)
  --plugin FILE      another plugin than ../dist/rfsn-bridge.js; may be given several times
  --speed N          seconds of the game in one second; a daemon takes 50 messages in one of its own (10)
  --settings JSON    settings of the plugin, over those of the simulator
  --cut N            cut the connection after the N-th message; with --lost that message is lost too
  --cut-every N      the scene uncut, then cut at every N-th message, and compare
  --cut-from N       where that begins (1)
  --together N       games at a time while cutting (${2 * availableParallelism()})
  --json             print one line of JSON for each scene
  --verbose          print the game's console

Ends with 1 when a rule of the game was broken or an expectation failed.
`;

const OPTIONS = /** @type {const} */ ({
  daemon: { type: 'string', default: 'ws://127.0.0.1:8765/ws' },
  http: { type: 'string', default: 'http://127.0.0.1:8001' },
  scene: { type: 'string', default: 'evening' },
  transport: { type: 'string', default: 'auto' },
  plugin: { type: 'string', multiple: true },
  speed: { type: 'string', default: '10' },
  settings: { type: 'string', default: '{}' },
  cut: { type: 'string' },
  lost: { type: 'boolean', default: false },
  'cut-every': { type: 'string' },
  'cut-from': { type: 'string', default: '1' },
  together: { type: 'string', default: String(2 * availableParallelism()) },
  json: { type: 'boolean', default: false },
  verbose: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
});

async function main() {
  const { values: told } = parseArgs({ options: OPTIONS });
  if (told.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const transports = /** @type {import('./play.mjs').Transport[]} */ (told.transport.split(','));
  const chromium = transports.includes('page') && findChromium() ? await Chromium.start() : null;
  if (transports.includes('page') && !chromium) throw new Error('page needs Chromium; install it, or name it in CHROMIUM');
  let failed = false;
  try {
    const setups = (told.plugin ?? [OURS]).flatMap((plugin) =>
      told.scene.split(',').flatMap((scene) => transports.map((transport) => ({ plugin, scene, transport }))),
    );
    const playing = setups.map(async ({ plugin, scene, transport }) => {
      const setup = {
        code: readFileSync(plugin, 'utf8'),
        scene,
        transport,
        chromium,
        daemon: told.daemon,
        http: told.http,
        speed: Number(told.speed),
        settings: JSON.parse(told.settings),
        print: told.verbose ? (/** @type {string} */ line) => void process.stderr.write(`${line}\n`) : undefined,
      };
      const result = told['cut-every'] ? await cutEvening(setup, told) : await play({ ...setup, cut: cutOf(told) });
      const faults = 'failed' in result ? result.failed.flatMap((each) => each.faults) : result.faults;
      failed ||= faults.length > 0;
      process.stdout.write(told.json ? `${JSON.stringify({ plugin, ...result })}\n` : inWords(scene, transport, result));
    });
    await Promise.all(playing);
  } finally {
    await chromium?.close();
  }
  return failed ? 1 : 0;
}

/** @param {{cut?: string, lost: boolean}} told */
function cutOf({ cut, lost }) {
  return cut === undefined ? null : { at: Number(cut), lost };
}

/**
 * @param {import('./play.mjs').Setup} setup
 * @param {Record<string, any>} told
 */
async function cutEvening(setup, told) {
  const options = { every: Number(told['cut-every']), from: Number(told['cut-from']), together: Number(told.together) };
  const done = await playCut(setup, options);
  const { scene, transport } = setup;
  const failed = [...done.failed];
  if (done.uncut.faults.length > 0) failed.unshift({ cut: { at: 0, lost: false }, faults: done.uncut.faults });
  return { scene, transport, evenings: done.evenings, messages: done.uncut.messages, failed };
}

/**
 * @param {string} scene
 * @param {string} transport
 * @param {any} result
 */
function inWords(scene, transport, result) {
  const lines = [`${scene} over ${transport}`];
  if (result.failed) {
    lines.push(`  ${result.evenings} evenings, ${result.messages} messages each, ${result.failed.length} went wrong`);
    for (const { cut, faults } of result.failed) {
      const which = cut.at === 0 ? 'uncut' : `cut at ${cut.at}${cut.lost ? ', which is lost' : ''}`;
      lines.push(`  ${which}:`, ...faults.map((/** @type {string} */ fault) => `    ${fault}`));
    }
  } else {
    lines.push(...result.shown.map((/** @type {string} */ line) => `  ${line}`));
    lines.push(...result.items.map((/** @type {string} */ item) => `  (${item})`));
    lines.push(`  ${result.messages} messages, ${result.seconds} s of the game in ${result.real_seconds} s`);
    lines.push(...result.faults.map((/** @type {string} */ fault) => `  FAULT ${fault}`));
  }
  return `${lines.join('\n')}\n`;
}

// An ending process takes its Chromium along, however it ends, and ends with the one that began it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130));
process.once('disconnect', () => process.exit(130));
process.channel?.unref();
process.channel?.unref(); // listening for its end alone would keep us alive

if (typeof WebSocket === 'undefined') {
  // Node 20 has it behind a flag; later versions have it at once.
  const again = spawn(process.execPath, ['--experimental-websocket', '--no-warnings', ...process.argv.slice(1)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  again.on('exit', (code) => (process.exitCode = code ?? 1));
} else {
  main().then(
    (code) => {
      process.exitCode = code;
    },
    (error) => {
      process.stderr.write(`${error.message ?? error}\n`);
      process.exitCode = 2;
    },
  );
}
