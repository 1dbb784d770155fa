// @ts-check
/**
 * Forms, references and actors as a plugin holds them: good for the frame in which they were got. Each method is
 * a call into the game, so that it is refused outside of the legal contexts.
 */

import { PHONEMES, PLAYER, distance } from './world.mjs';

/** @typedef {import('./world.mjs').Form} Form */
/** @typedef {import('./world.mjs').ActorForm} ActorForm */
/** @typedef {import('./recorder.mjs').Recorder} Recorder */

/**
 * What the methods work on.
 * @typedef {object} Engine
 * @property {import('./world.mjs').World} world
 * @property {import('./rules.mjs').Rules} rules
 * @property {Recorder} recorder
 * @property {() => number} frame   the number of this frame
 * @property {(name: string) => void} openMenu
 * @property {(actor: number, target: number) => void} combat   begins, or (target 0) ends
 * @property {<T>(begin: (resolve: (value: T) => void) => void) => Promise<T>} promise   of the plugin's own realm
 */

/** @typedef {Record<string, (this: Call, ...args: any[]) => unknown>} Methods */
/** @typedef {{record: any, engine: Engine, wrap: (form: Form | null | undefined) => Wrapped | null}} Call */
/** @typedef {{frame: number, record: Form}} Wrapped */

const KINDS_OF_REFERENCE = new Set(['actor']);

/** @type {Methods} */
const FORM = {
  getFormID() {
    return this.record.id;
  },
  /** The game has no names for voice types, scenes and topics. */
  getName() {
    return this.record.name;
  },
  getType() {
    return this.record.type;
  },
};

/** @type {Methods} */
const REFERENCE = {
  getDisplayName() {
    return this.record.name;
  },
  getBaseObject() {
    return this.wrap(this.engine.world.forms.get(this.record.base));
  },
  getParentCell() {
    return this.record.loaded ? this.wrap(this.engine.world.forms.get(this.record.cell)) : null;
  },
  getCurrentLocation() {
    return this.wrap(this.engine.world.forms.get(this.record.location));
  },
  getCurrentScene() {
    return this.wrap(this.engine.world.forms.get(this.record.scene));
  },
  getVoiceType() {
    return this.wrap(this.engine.world.forms.get(this.record.voiceType));
  },
  getPositionX() {
    return this.record.position[0];
  },
  getPositionY() {
    return this.record.position[1];
  },
  getPositionZ() {
    return this.record.position[2];
  },
  getAngleZ() {
    return this.record.angleZ;
  },
  getDistance(other) {
    return distance(this.record, recordOf(this, 'getDistance', other));
  },
  is3DLoaded() {
    return this.record.loaded;
  },
  isDisabled() {
    return this.record.disabled;
  },
  getItemCount(item) {
    return this.record.items.get(recordOf(this, 'getItemCount', item).id) ?? 0;
  },
  getNumItems() {
    return this.record.items.size;
  },
  getNthForm(index) {
    return this.wrap(this.engine.world.forms.get([...this.record.items.keys()][index]));
  },
  removeItem(item, count, _silent, to) {
    const { world, recorder } = this.engine;
    const form = recordOf(this, 'removeItem', item);
    const taker = to ? recordOf(this, 'removeItem', to) : null;
    const moved = Math.min(count, this.record.items.get(form.id) ?? 0);
    if (moved > 0) world.moveItems(this.record, taker, form.id, moved);
    recorder.note('item', { item: form.name, count: moved, from: this.record.name, to: taker?.name ?? null });
  },
  say(topic) {
    const { rules, recorder } = this.engine;
    if (this.record.dead) rules.refuse('a dead actor was to speak', this.record.name);
    recorder.note('say', { actor: this.record.name, topic: recordOf(this, 'say', topic).id });
  },
};

/** @type {Methods} */
const ACTOR = {
  isDead() {
    return this.record.dead;
  },
  isInCombat() {
    return this.record.combatTarget !== 0;
  },
  getCombatTarget() {
    return this.wrap(this.engine.world.actor(this.record.combatTarget));
  },
  isWeaponDrawn() {
    return this.record.weaponDrawn;
  },
  isHostileToActor(other) {
    return this.record.hostileTo.has(recordOf(this, 'isHostileToActor', other).id);
  },
  isChild() {
    return this.record.child;
  },
  isUnconscious() {
    return this.record.unconscious;
  },
  isPlayerTeammate() {
    return this.record.teammate;
  },
  isInDialogueWithPlayer() {
    return this.record.inDialogue;
  },
  isInFaction(faction) {
    return this.record.factions.has(recordOf(this, 'isInFaction', faction).id);
  },
  getRace() {
    return this.wrap(this.engine.world.forms.get(this.record.race));
  },
  getActorBase() {
    return this.wrap(this.engine.world.forms.get(this.record.base));
  },
  getLeveledActorBase() {
    return this.wrap(this.engine.world.forms.get(this.record.base));
  },
  getRelationshipRank(other) {
    const asked = recordOf(this, 'getRelationshipRank', other);
    return asked.id === PLAYER ? this.record.rank : this.record.id === PLAYER ? asked.rank : 0;
  },
  getActorValue(name) {
    return this.record.values.get(String(name)) ?? 0;
  },
  setActorValue(name, value) {
    this.record.values.set(String(name), finite(this, 'setActorValue', value));
    this.engine.recorder.note('value', { actor: this.record.name, name, value });
  },
  setPlayerTeammate(teammate) {
    this.record.teammate = Boolean(teammate);
  },
  setLookAt(target) {
    this.record.lookAt = recordOf(this, 'setLookAt', target).id;
    this.engine.recorder.note('look', { actor: this.record.name, at: this.record.lookAt });
  },
  clearLookAt() {
    this.record.lookAt = 0;
    this.engine.recorder.note('look', { actor: this.record.name, at: 0 });
  },
  setExpressionOverride(mood, strength) {
    const { rules } = this.engine;
    if (!Number.isInteger(mood) || mood < 0 || mood > 16 || !(strength >= 0 && strength <= 100)) {
      rules.refuse('expression out of range', `setExpressionOverride(${mood}, ${strength})`);
    }
    this.record.expression = [mood, strength];
  },
  clearExpressionOverride() {
    this.record.expression = null;
  },
  setExpressionPhoneme(morph, weight) {
    const { rules, recorder } = this.engine;
    if (!Number.isInteger(morph) || morph < 0 || morph >= PHONEMES || !(weight >= 0 && weight <= 1)) {
      rules.refuse('phoneme out of range', `setExpressionPhoneme(${morph}, ${weight})`);
    }
    this.record.phonemes[morph] = weight;
    recorder.mouth(this.record, morph, weight);
  },
  startCombat(target) {
    const { rules, recorder } = this.engine;
    const enemy = recordOf(this, 'startCombat', target);
    if (enemy.id === this.record.id) rules.refuse('combat with oneself', this.record.name);
    if (enemy.dead || this.record.dead) rules.refuse('combat with the dead', `${this.record.name} and ${enemy.name}`);
    recorder.note('combat', { actor: this.record.name, target: enemy.name });
    this.engine.combat(this.record.id, enemy.id);
  },
  stopCombat() {
    this.engine.recorder.note('combat', { actor: this.record.name, target: null });
    this.engine.combat(this.record.id, 0);
  },
  evaluatePackage() {},
  keepOffsetFromActor(target) {
    this.record.offset = recordOf(this, 'keepOffsetFromActor', target).id;
    this.engine.recorder.note('follow', { actor: this.record.name, target: this.record.offset });
  },
  clearKeepOffsetFromActor() {
    if (this.record.offset) this.engine.recorder.note('follow', { actor: this.record.name, target: 0 });
    this.record.offset = 0;
  },
  setDontMove(still) {
    this.record.dontMove = Boolean(still);
    this.engine.recorder.note('still', { actor: this.record.name, still: this.record.dontMove });
  },
  pathToReference(target) {
    const goal = recordOf(this, 'pathToReference', target);
    this.record.path?.resolve(false);
    this.engine.recorder.note('walk', { actor: this.record.name, to: goal.name });
    return this.engine.promise((resolve) => {
      this.record.path = { target: goal.id, resolve };
    });
  },
  showBarterMenu() {
    this.engine.recorder.note('barter', { actor: this.record.name });
    this.engine.openMenu('BarterMenu');
  },
};

/** @type {Methods} */
const CELL = {
  getNumRefs(type) {
    return type === 62 ? this.engine.world.actorsIn(this.record.id).length : 0;
  },
  getNthRef(index, type) {
    return type === 62 ? this.wrap(this.engine.world.actorsIn(this.record.id)[index]) : null;
  },
};

/** @type {Methods} */
const ACTOR_BASE = {
  getSex() {
    const actor = this.engine.world.actors().find((each) => each.base === this.record.id);
    return actor?.sex ?? -1;
  },
};

/** @type {Methods} */
const QUEST = {
  getID() {
    return `Quest${this.record.id}`;
  },
};

/** The classes of one loaded plugin, and how a form of the world becomes an object of one of them. */
export class Objects {
  /** @param {Engine} engine */
  constructor(engine) {
    this.engine = engine;
    const Form = this.define('Form', Base, FORM, () => true);
    const ObjectReference = this.define('ObjectReference', Form, REFERENCE, (form) => KINDS_OF_REFERENCE.has(form.kind));
    /** @type {Record<string, any>} */
    this.classes = {
      Form,
      ObjectReference,
      Actor: this.define('Actor', ObjectReference, ACTOR, (form) => form.kind === 'actor'),
      ActorBase: this.define('ActorBase', Form, ACTOR_BASE, (form) => form.kind === 'actorBase'),
      Cell: this.define('Cell', Form, CELL, (form) => form.kind === 'cell'),
      Quest: this.define('Quest', Form, QUEST, (form) => form.kind === 'quest'),
    };
    for (const name of ['Faction', 'Location', 'Race', 'Scene', 'Topic', 'VoiceType']) {
      const kind = name[0].toLowerCase() + name.slice(1);
      this.classes[name] = this.define(name, Form, {}, (form) => form.kind === kind);
    }
  }

  /**
   * An object for this frame, of the form's own class.
   * @param {Form | null | undefined} form
   * @returns {any}
   */
  wrap(form) {
    if (!form) return null;
    const name = form.kind[0].toUpperCase() + form.kind.slice(1);
    return new (this.classes[name] ?? this.classes.Form)(form, this.engine.frame());
  }

  /**
   * @param {string} name
   * @param {any} Parent
   * @param {Methods} methods
   * @param {(form: Form) => boolean} fits  what `from` takes for one
   */
  define(name, Parent, methods, fits) {
    const { engine } = this;
    const wrap = this.wrap.bind(this);
    /** @type {any} */
    const Class = { [name]: class extends Parent {} }[name];
    for (const [method, body] of Object.entries(methods)) {
      Class.prototype[method] = function called(/** @type {unknown[]} */ ...args) {
        const record = use(engine, this, `${name}.${method}`);
        return body.call({ record, engine, wrap }, ...args);
      };
    }
    /** @param {any} form */
    Class.from = (form) => {
      engine.rules.mayCall(`${name}.from`);
      if (!form) return null;
      const record = use(engine, form, `${name}.from`);
      return fits(record) ? new Class(record, form.frame) : null;
    };
    return Class;
  }
}

class Base {
  /**
   * @param {Form} record
   * @param {number} frame
   */
  constructor(record, frame) {
    Object.defineProperty(this, 'record', { value: record });
    Object.defineProperty(this, 'frame', { value: frame });
  }
}

/**
 * The form behind an object of a plugin, if the plugin may use it now.
 * @param {Engine} engine
 * @param {any} object
 * @param {string} call
 */
function use(engine, object, call) {
  engine.rules.mayCall(call);
  if (!(object instanceof Base)) engine.rules.refuse('not an object of the game', `${call} of ${object}`);
  const { frame, record } = /** @type {Wrapped} */ (/** @type {unknown} */ (object));
  if (frame !== engine.frame()) {
    engine.rules.refuse('stale object', `${call} of ${record.name}, got ${engine.frame() - frame} frames ago`);
  }
  return record;
}

/**
 * @param {Call} call
 * @param {string} method
 * @param {unknown} object
 * @returns {any}
 */
function recordOf(call, method, object) {
  return use(call.engine, object, `${method}(...)`);
}

/**
 * @param {Call} call
 * @param {string} method
 * @param {number} value
 */
function finite(call, method, value) {
  if (!Number.isFinite(value)) call.engine.rules.refuse('not a number', `${method}(${value})`);
  return value;
}
