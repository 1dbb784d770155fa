// @ts-check
/** What a player would have seen and heard, and what went over the wire: in order, with the game's time. */

import { Turns } from './turns.mjs';

/** @typedef {{t: number, what: string} & Record<string, any>} Entry */
/** @typedef {import('./world.mjs').ActorForm} ActorForm */

export class Recorder {
  /** @param {() => number} now the game's clock, in milliseconds */
  constructor(now) {
    this.now = now;
    /** @type {Entry[]} */
    this.entries = [];
    /** Protocol messages by direction. @type {{t: number, message: any}[]} */
    this.sent = [];
    /** @type {{t: number, message: any}[]} */
    this.received = [];
    this.turns = new Turns();
    /** The moments in which a mouth opens and in which it is closed again. @type {{t: number, actor: string, open: boolean}[]} */
    this.mouths = [];
    /** @type {Map<number, Set<number>>} */
    this.open = new Map();
    /** @type {((entry: Entry) => void)[]} */
    this.watchers = [];
  }

  /**
   * @param {string} what
   * @param {Record<string, unknown>} [details]
   */
  note(what, details = {}) {
    const entry = { ...details, t: this.now(), what };
    this.entries.push(entry);
    for (const watcher of this.watchers) watcher(entry);
  }

  /** @param {string} what */
  all(what) {
    return this.entries.filter((entry) => entry.what === what);
  }

  /**
   * One message of the protocol, as JSON.
   * @param {'sent' | 'received'} direction
   * @param {string} text
   */
  wire(direction, text) {
    const message = parsed(text);
    if (!message) return;
    this[direction].push({ t: this.now(), message });
    this.turns[direction](message, this.now());
  }

  /**
   * @param {ActorForm} actor
   * @param {number} morph
   * @param {number} weight
   */
  mouth(actor, morph, weight) {
    const open = this.open.get(actor.id) ?? new Set();
    this.open.set(actor.id, open);
    const before = open.size;
    if (weight > 0) open.add(morph);
    else open.delete(morph);
    if (Boolean(before) !== Boolean(open.size)) {
      this.mouths.push({ t: this.now(), actor: actor.name, open: open.size > 0 });
    }
  }

  /** The subtitles in the order in which they were shown. */
  shown() {
    return this.all('subtitle').map(({ name, text }) => `${name}: ${text}`);
  }
}

/** @param {string} text */
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
