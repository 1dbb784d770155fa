// @ts-check
/** The world as data: who and what there is, where it stands, who carries what. It has no rules and no clock. */

/** @typedef {[number, number, number]} Position */

/**
 * Anything with a FormID.
 * @typedef {object} Form
 * @property {number} id
 * @property {string} kind   actor, actorBase, cell, item, location, quest, race, scene, topic or voiceType
 * @property {number} type   as the game numbers its kinds of forms
 * @property {string} name
 */

/**
 * @typedef {Form & {
 *   base: number, cell: number, location: number, race: number, voiceType: number, sex: number,
 *   position: Position, angleZ: number, loaded: boolean, disabled: boolean, dead: boolean, unconscious: boolean,
 *   child: boolean, inDialogue: boolean, scene: number, combatTarget: number, weaponDrawn: boolean, rank: number,
 *   teammate: boolean, hostileTo: Set<number>, factions: Set<number>, items: Map<number, number>,
 *   values: Map<string, number>, phonemes: number[], expression: [number, number] | null, lookAt: number,
 *   offset: number, dontMove: boolean, path: Path | null,
 * }} ActorForm
 */

/** @typedef {{target: number, resolve: (arrived: boolean) => void}} Path */

/** How the game numbers kinds of forms. */
export const TYPES = {
  race: 14,
  sound: 15,
  armor: 26,
  book: 27,
  light: 31,
  misc: 32,
  weapon: 41,
  actorBase: 43,
  potion: 46,
  cell: 60,
  actor: 62,
  quest: 77,
  voiceType: 98,
  location: 104,
  topic: 75,
  scene: 121,
};

export const PLAYER = 0x14;
export const PHONEMES = 16;
/** Units a second that a person walks. */
const WALK = 150;

/** Full plugins by their index, and the light ones that share index 0xFE. */
export const LOAD_ORDER = ['Skyrim.esm', 'Update.esm', 'Dawnguard.esm', 'Überfall.esp'];
export const LIGHT_ORDER = ['Carriages.esl'];

export class World {
  constructor() {
    /** @type {Map<number, Form>} */
    this.forms = new Map();
    this.gameDays = 17.25;
    this.crosshair = 0;
    this.loadOrder = [...LOAD_ORDER];
    this.lightOrder = [...LIGHT_ORDER];
  }

  /**
   * @template {Form} F
   * @param {F} form
   * @returns {F}
   */
  add(form) {
    this.forms.set(form.id, form);
    return form;
  }

  /**
   * @param {number} id
   * @param {string} kind
   * @param {string} [name]
   * @param {number} [type]
   */
  addForm(id, kind, name = '', type = TYPES[/** @type {keyof typeof TYPES} */ (kind)] ?? 0) {
    return this.add({ id, kind, type, name });
  }

  /**
   * @param {number} id
   * @param {string} name
   * @param {Partial<ActorForm>} [more]
   * @returns {ActorForm}
   */
  addActor(id, name, more = {}) {
    const base = this.addForm(more.base ?? baseOf(id), 'actorBase', name);
    /** @type {ActorForm} */
    const actor = {
      id,
      kind: 'actor',
      type: TYPES.actor,
      name,
      cell: 0,
      location: 0,
      race: 0,
      voiceType: 0,
      sex: 0,
      position: [0, 0, 0],
      angleZ: 0,
      loaded: true,
      disabled: false,
      dead: false,
      unconscious: false,
      child: false,
      inDialogue: false,
      scene: 0,
      combatTarget: 0,
      weaponDrawn: false,
      rank: 0,
      teammate: false,
      hostileTo: new Set(),
      factions: new Set(),
      items: new Map(),
      values: new Map([
        ['Aggression', 0],
        ['Confidence', 2],
        ['Health', 100],
        ['WaitingForPlayer', 0],
      ]),
      phonemes: new Array(PHONEMES).fill(0),
      expression: null,
      lookAt: 0,
      offset: 0,
      dontMove: false,
      path: null,
      ...more,
      base: base.id,
    };
    return this.add(actor);
  }

  /** @param {number} id */
  actor(id) {
    const form = this.forms.get(id);
    return form?.kind === 'actor' ? /** @type {ActorForm} */ (form) : null;
  }

  get player() {
    return /** @type {ActorForm} */ (this.forms.get(PLAYER));
  }

  /** @returns {ActorForm[]} */
  actors() {
    return /** @type {ActorForm[]} */ ([...this.forms.values()].filter((form) => form.kind === 'actor'));
  }

  /**
   * The actors of a cell whose bodies are there, in the game's order.
   * @param {number} cell
   */
  actorsIn(cell) {
    return this.actors().filter((actor) => actor.cell === cell && actor.loaded);
  }

  /**
   * Hand items over; false (and nothing moved) if there are not as many.
   * @param {ActorForm} from
   * @param {ActorForm | null} to  null: they are gone
   * @param {number} item
   * @param {number} count
   */
  moveItems(from, to, item, count) {
    const had = from.items.get(item) ?? 0;
    if (had < count) return false;
    if (had === count) from.items.delete(item);
    else from.items.set(item, had - count);
    if (to) to.items.set(item, (to.items.get(item) ?? 0) + count);
    return true;
  }

  /**
   * Let time pass: people walk where they were sent.
   * @param {number} seconds
   */
  pass(seconds) {
    this.gameDays += (seconds * 20) / 86400; // the game's usual time scale
    for (const actor of this.actors()) {
      const goal = this.actor(actor.path?.target ?? actor.offset);
      if (!goal || !actor.loaded || actor.dontMove) continue;
      const left = distance(actor, goal);
      const near = actor.path ? 100 : 200;
      if (left > near) approach(actor, goal, Math.min(left - near, WALK * seconds) / left);
      if (actor.path && distance(actor, goal) <= near + 1) {
        const { resolve } = actor.path;
        actor.path = null;
        resolve(true);
      }
    }
  }

  /**
   * What a save file holds: everything but where people look and how their faces stand.
   * @returns {string}
   */
  save() {
    const actors = this.actors().map((actor) => ({
      ...actor,
      hostileTo: [...actor.hostileTo],
      factions: [...actor.factions],
      items: [...actor.items],
      values: [...actor.values],
      path: null,
    }));
    return JSON.stringify({ gameDays: this.gameDays, actors });
  }

  /** @param {string} saved */
  load(saved) {
    const { gameDays, actors } = JSON.parse(saved);
    this.gameDays = gameDays;
    this.crosshair = 0;
    for (const actor of actors) {
      this.actor(actor.id)?.path?.resolve(false);
      this.add({
        ...actor,
        hostileTo: new Set(actor.hostileTo),
        factions: new Set(actor.factions),
        items: new Map(actor.items),
        values: new Map(actor.values),
        // The face is kept: an open mouth stays open until somebody closes it.
        phonemes: this.actor(actor.id)?.phonemes ?? actor.phonemes,
      });
    }
  }
}

/** @param {number} id */
function baseOf(id) {
  return (id & 0xff000000) | ((id + 0x100000) & 0xffffff);
}

/**
 * @param {ActorForm} one
 * @param {ActorForm} other
 */
export function distance(one, other) {
  return Math.hypot(...one.position.map((at, axis) => at - other.position[axis]));
}

/**
 * @param {ActorForm} actor
 * @param {ActorForm} goal
 * @param {number} share  of the way
 */
function approach(actor, goal, share) {
  actor.position = /** @type {Position} */ (
    actor.position.map((at, axis) => at + (goal.position[axis] - at) * share)
  );
}
