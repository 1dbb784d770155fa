/** Bundles the plugin into the one file that a player drops in; `--check` only says whether it is up to date. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const OUT = fileURLToPath(new URL("dist/rfsn-bridge.js", import.meta.url));
const LIMIT = 100_000;

const check = process.argv.includes("--check");
const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("src/main.ts", import.meta.url))],
  outfile: OUT,
  bundle: true,
  write: !check,
  format: "iife",
  platform: "neutral",
  // ChakraCore, which the released runtime embeds, has no spread of objects yet.
  target: "es2017",
  charset: "utf8",
  banner: { js: "// RFSN Bridge for Skyrim Platform. Built from game_adapters/skyrim/src; change it there." },
});

if (check && readFileSync(OUT, "utf8") !== outputFiles[0].text) {
  console.error("dist/rfsn-bridge.js is not what the sources give; run: npm run build");
  process.exit(1);
}
const size = readFileSync(OUT).length;
if (size >= LIMIT) {
  console.error(`dist/rfsn-bridge.js has ${size} bytes; it may have ${LIMIT}`);
  process.exit(1);
}
console.log(`dist/rfsn-bridge.js: ${size} bytes`);
