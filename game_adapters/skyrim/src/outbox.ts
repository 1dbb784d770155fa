/**
 * What was said to the daemon and not answered yet. Each message has an id that no connection used before, so that
 * it can be sent again over the next one and is done once.
 */

import { isObject, type ToDaemon } from "./protocol";

const LIMIT = 128;

export interface Entry {
  readonly id: string;
  readonly message: ToDaemon;
  /** When it was handed in, on the wall clock. */
  readonly at: number;
  /** May be given up where there is no room. */
  readonly droppable: boolean;
  /** How often it was taken back because the daemon was busy. */
  refusals: number;
  /** Handed to the present connection. */
  sent: boolean;
  /** Not to be sent before. */
  notBefore: number;
}

export class Outbox {
  /** How many were given up for want of room. */
  dropped = 0;
  private entries: Entry[] = [];
  private counter = 0;

  /** `boot` is different for each start of the plugin. */
  constructor(
    private readonly boot: string,
    private readonly changed: () => void,
  ) {}

  get size(): number {
    return this.entries.length;
  }

  add(message: ToDaemon, now: number, options: { droppable?: boolean } = {}): Entry {
    const entry: Entry = {
      id: `${this.boot}-${++this.counter}`,
      message,
      at: now,
      droppable: options.droppable === true,
      refusals: 0,
      sent: false,
      notBefore: 0,
    };
    this.entries.push(entry);
    if (this.entries.length > LIMIT) {
      const oldest = this.entries.findIndex((each) => each.droppable);
      this.entries.splice(Math.max(oldest, 0), 1);
      this.dropped += 1;
    }
    this.changed();
    return entry;
  }

  /** The first that waits to be sent; what waits for its time holds up what follows, for order matters. */
  next(now: number): Entry | undefined {
    const entry = this.entries.find((each) => !each.sent);
    return entry && entry.notBefore <= now ? entry : undefined;
  }

  /** Take out what was answered. */
  answered(id: string): Entry | undefined {
    const index = this.entries.findIndex((entry) => entry.id === id);
    if (index < 0) return undefined;
    this.changed();
    return this.entries.splice(index, 1)[0];
  }

  /** Have what the daemon was too busy for sent again, ahead of what was not sent yet. */
  putBack(entry: Entry, notBefore: number): void {
    entry.refusals += 1;
    entry.sent = false;
    entry.notBefore = notBefore;
    this.entries.unshift(entry);
    this.changed();
  }

  /** A new connection has carried nothing yet. */
  unsend(): void {
    for (const entry of this.entries) entry.sent = false;
  }

  /** Give up those of which `keep` says no. */
  sift(keep: (message: ToDaemon, entry: Entry) => boolean): Entry[] {
    const given = this.entries.filter((entry) => !keep(entry.message, entry));
    this.entries = this.entries.filter((entry) => !given.includes(entry));
    this.changed();
    return given;
  }

  /** What goes before all that waits. */
  putFirst(messages: readonly ToDaemon[], now: number): void {
    const waiting = this.entries;
    this.entries = [];
    for (const message of messages) this.add(message, now);
    this.entries.push(...waiting);
    this.changed();
  }

  dump(): unknown {
    return this.entries.map(({ id, message, at, droppable }) => ({ id, message, at, droppable }));
  }

  /** Take up what an earlier start of the plugin left. */
  restore(kept: unknown): void {
    if (!Array.isArray(kept)) return;
    for (const each of kept.slice(-LIMIT) as unknown[]) {
      if (!isObject(each) || typeof each.id !== "string" || typeof each.at !== "number" || !isObject(each.message)) continue;
      this.entries.push({
        id: each.id,
        message: each.message as unknown as ToDaemon,
        at: each.at,
        droppable: each.droppable === true,
        refusals: 0,
        sent: false,
        notBefore: 0,
      });
    }
  }
}
