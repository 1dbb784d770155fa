// @ts-check
/** Dragonsreach and the Bannered Mare on a quiet evening: the world in which the scenes play. */

import { PLAYER, TYPES, World } from './world.mjs';

export const LYDIA = 0x000a2c94;
export const BALGRUUF = 0x0001a6a4;
export const GUARD = 0xff000d62;
export const BANDIT = 0x0301e5a0;
export const DRIVER = 0xfe000803;
export const TORCH = 0x0001d4ec;
export const POTION = 0x0003eade;
export const GOLD = 0x0000000f;
export const SWORD = 0x00012eb7;
export const DRAGONSREACH = 0x000165a3;
export const BANNERED_MARE = 0x000165a4;
export const WHITERUN = 0x00018a56;
export const WHITERUN_INN = 0x00018a57;
export const SCENE = 0x000d1b5f;
export const QUEST = 0x0002610c;
export const TOPIC = 0x000142a8;

const NORD = 0x00013746;
const IMPERIAL = 0x00013744;

export function whiterun() {
  const world = new World();
  world.addForm(NORD, 'race', 'Nord');
  world.addForm(IMPERIAL, 'race', 'Imperial');
  // The game names no voice types: what they are called stands only in the editor.
  const femaleEvenToned = world.addForm(0x00013add, 'voiceType').id;
  const maleCommander = world.addForm(0x00013ad4, 'voiceType').id;
  const maleGuard = world.addForm(0x000aa8d3, 'voiceType').id;
  world.addForm(WHITERUN, 'location', 'Whiterun');
  world.addForm(WHITERUN_INN, 'location', 'The Bannered Mare');
  world.addForm(DRAGONSREACH, 'cell', 'Dragonsreach');
  world.addForm(BANNERED_MARE, 'cell', 'The Bannered Mare');
  world.addForm(SCENE, 'scene');
  world.addForm(QUEST, 'quest', 'Bleak Falls Barrow');
  world.addForm(TOPIC, 'topic');
  world.addForm(TORCH, 'item', 'Torch', TYPES.light);
  world.addForm(POTION, 'item', 'Potion of Minor Healing', TYPES.potion);
  world.addForm(GOLD, 'item', 'Gold', TYPES.misc);
  world.addForm(SWORD, 'item', 'Iron Sword', TYPES.weapon);
  const here = { cell: DRAGONSREACH, location: WHITERUN, race: NORD };
  world.addActor(PLAYER, 'Hrefna', { ...here, base: 7, sex: 1, items: new Map([[GOLD, 100]]) });
  world.addActor(LYDIA, 'Lydia', {
    ...here,
    sex: 1,
    voiceType: femaleEvenToned,
    position: [120, 40, 0],
    rank: 3,
    teammate: true,
    items: new Map([
      [TORCH, 2],
      [POTION, 1],
      [SWORD, 1],
    ]),
  });
  world.addActor(BALGRUUF, 'Balgruuf the Greater', { ...here, voiceType: maleCommander, position: [600, 0, 64] });
  world.addActor(GUARD, 'Whiterun Guard', { ...here, voiceType: maleGuard, position: [-300, 200, 0] });
  world.addActor(DRIVER, 'Bjorlam', { ...here, race: IMPERIAL, cell: BANNERED_MARE, position: [50, 50, 0] });
  world.addActor(BANDIT, 'Räuber', { ...here, position: [2000, 900, 0], disabled: true, loaded: false });
  return world;
}
