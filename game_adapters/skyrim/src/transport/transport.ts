/** One way to the daemon. It lives for one connection: it is started once, and over when it says so. */

import type { FromDaemon, Identified, JsonObject } from "../protocol";

export type TransportKind = "web_socket" | "page" | "long_poll";

/** A message on its way: its `id`, if it has one, and itself as JSON. */
export interface Envelope {
  readonly id: string | undefined;
  readonly text: string;
}

export interface Transport {
  readonly kind: TransportKind;
  start(): void;
  send(envelopes: readonly Envelope[]): void;
  /** Each frame; `waited` is how long the other side could have answered, in ms: nothing while the game stands still. */
  tick(now: number, waited: number): void;
  /** Nothing is told to the listener after this. */
  stop(): void;
}

export interface TransportListener {
  identified(message: Identified): void;
  received(message: FromDaemon): void;
  /** The daemon took these for nonsense; they are not to be sent again. */
  refused(ids: readonly (string | undefined)[]): void;
  /** Called once. `said` is what a player should read: the daemon answered, and will not have us. */
  closed(reason: string, said?: string): void;
}

/** What a transport needs to begin. */
export interface Opening {
  /** The `identify` message. */
  readonly identify: string;
  /** The last number that arrived in the session to resume; 0 for a new one. */
  readonly lastN: number;
  readonly listener: TransportListener;
}

/** What an `error` of the daemon says to a person. */
export function sayError(message: JsonObject): string {
  return [message.message, message.hint].filter((part) => typeof part === "string" && part !== "").join(": ");
}
