/** The plugin: reads its settings and puts game and adapter together. */

import { Adapter } from "./adapter";
import { readSettings } from "./settings";
import { findPlatform } from "./skyrim/platform";
import { Skyrim } from "./skyrim/skyrim";
import { Store } from "./store";

/** Also the name of the plugin's file, and so of its settings. */
const NAME = "rfsn-bridge";
const VERSION = "0.1.0";

const platform = findPlatform();
const store = new Store(platform.storage);
const problems: string[] = [];
const settings = readSettings(platform.settings[NAME], (problem) => problems.push(problem));
const game = new Skyrim(platform, store, settings);
for (const problem of problems) {
  game.log(`${NAME}-settings.txt: ${problem}`);
  game.notify(`RFSN Bridge settings: ${problem}`);
}
game.listen(new Adapter(game, store, settings, VERSION));
game.log(`version ${VERSION}`);
