/** Bundles the plugin into the one file that a player drops in; `--check` only says whether it is up to date. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const OUT = fileURLToPath(new URL("dist/rfsn-bridge.js", import.meta.url));
const LIMIT = 100_000;

const { outputFiles } = await build({
  absWorkingDir: fileURLToPath(new URL(".", import.meta.url)), // or the bundle would name its parts by where it is built
  entryPoints: ["src/main.ts"],
  bundle: true,
  write: false,
  format: "cjs", // leaves `require` to the game
  // ChakraCore, which the released runtime embeds, has no spread of objects yet.
  target: "es2017",
  charset: "utf8",
  banner: { js: "// RFSN Bridge for Skyrim Platform. Built from game_adapters/skyrim/src; change it there.\n(function () {" },
  footer: { js: "})();" },
});
// Tabs: the file stays readable, and is smaller by a tenth. No literal of the sources has lines of its own.
const bundle = outputFiles[0].text.replace(/^( {2})+/gm, (indent) => "\t".repeat(indent.length / 2));
const size = Buffer.byteLength(bundle);

if (size >= LIMIT) fail(`the bundle has ${size} bytes; it may have ${LIMIT}`);
if (!process.argv.includes("--check")) {
  mkdirSync(dirname(OUT), { recursive: true });
  writeFileSync(OUT, bundle);
} else if (readFileSync(OUT, "utf8") !== bundle) {
  fail("dist/rfsn-bridge.js is not what the sources give; run: npm run build");
}
console.log(`dist/rfsn-bridge.js: ${size} bytes`);

function fail(message) {
  console.error(message);
  process.exit(1);
}
