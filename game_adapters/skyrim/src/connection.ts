/**
 * The session with the daemon, over whichever transport there is: it says who we are, takes the session up again
 * after a break, sees to it that each message arrives once in either direction, and keeps to the daemon's rates.
 *
 * It is driven by `tick`. What it receives waits in `inbox` until the world runs and somebody takes it.
 */

import type { Game } from "./game";
import { Outbox, type Entry } from "./outbox";
import {
  isObject,
  PROTOCOL,
  type AudioMode,
  type FromDaemon,
  type Identified,
  type Identify,
  type Positions,
  type ToDaemon,
} from "./protocol";
import type { Store } from "./store";
import type { Ladder } from "./transport/ladder";
import type { Envelope, Opening, Transport, TransportListener } from "./transport/transport";

const FIRST_DELAY_MS = 500;
const LAST_DELAY_MS = 15_000;
/** A connection that was lost sooner did not work. */
const PROVEN_MS = 10_000;
/** How long a lower rung is kept before a better one is tried. */
const SETTLED_MS = 15_000;
const STRANDED_MS = 15_000;
const BUSY_MS = 1_000;
const BUSY_TRIES = 6;
const INBOX = 1_000;
const MESSAGES_PER_S = 20;
const BURST = 40;

export interface ConnectionListener {
  identity(): Pick<Identify, "client" | "token" | "capabilities" | "playthrough">;
  /** The session is new: what the daemon must know before anything else. */
  introduction(): ToDaemon[];
  /** Whether a message that was not answered in the old session makes sense in the new one. */
  outlives(message: ToDaemon, age: number): boolean;
  /** Messages that were given up: no room, too old, or of a session that is gone. */
  gaveUp(entries: readonly Entry[]): void;
  connected(identified: Identified): void;
  /** `said` is for the player, if the daemon said anything. */
  unreachable(reason: string, said: string | undefined): void;
  /** An answer with an error that is not tried again. */
  refused(message: ToDaemon, code: string, text: string): void;
}

export class Connection {
  audio: AudioMode = "none";
  private readonly outbox: Outbox;
  private session: string | undefined;
  private lastN = 0;
  private inbox: FromDaemon[] = [];
  private transport: Transport | undefined;
  private listener: TransportListener | undefined;
  private identified = false;
  private identifiedAt = 0;
  private progress = false;
  private climbing = false;
  private attempts = 0;
  private nextTry = 0;
  private strandedSince: number | undefined;
  private lastTick = 0;
  private tokens = BURST;
  private rate = MESSAGES_PER_S;
  private reported = 0;
  private readonly sessionChanged: () => void;

  constructor(
    private readonly game: Game,
    store: Store,
    private readonly ladder: Ladder,
    private readonly daemon: ConnectionListener,
  ) {
    const boot = Math.floor(Math.random() * 0x7fffffff).toString(36);
    this.outbox = new Outbox(
      boot,
      store.keep("outbox", () => this.outbox.dump()),
    );
    this.outbox.restore(store.load("outbox"));
    this.sessionChanged = store.keep("session", () => ({ id: this.session, lastN: this.lastN, inbox: this.inbox }));
    const kept = store.load("session");
    if (isObject(kept) && typeof kept.id === "string" && typeof kept.lastN === "number") {
      this.session = kept.id;
      this.lastN = kept.lastN;
      if (Array.isArray(kept.inbox)) this.inbox = kept.inbox as FromDaemon[];
    }
  }

  get live(): boolean {
    return this.identified;
  }

  /** Whether nothing is under way in either direction. */
  get quiet(): boolean {
    return this.outbox.size === 0 && this.inbox.length === 0;
  }

  post(message: ToDaemon, options?: { droppable?: boolean }): void {
    this.outbox.add(message, this.game.now(), options);
    if (this.outbox.dropped > this.reported) {
      this.reported = this.outbox.dropped;
      this.game.log(`${this.reported} messages to the daemon were given up so far: there was no room to keep them`);
    }
  }

  /** Send what is worth nothing later: it goes now or not at all. */
  postNow(message: Positions): void {
    if (this.identified && this.tokens >= 1) this.transmit([{ id: undefined, text: JSON.stringify(message) }]);
  }

  /** What has arrived, in order. */
  take(): FromDaemon | undefined {
    if (this.inbox.length === 0) return undefined;
    this.sessionChanged();
    return this.inbox.shift();
  }

  /** `standing`: the world stands still, so that some transports cannot answer. `calm`: a good moment to change. */
  tick(now: number, standing: boolean, calm: boolean): void {
    const passed = Math.max(0, Math.min(now - this.lastTick, 250));
    this.lastTick = now;
    this.tokens = Math.min(BURST, this.tokens + (passed / 1000) * this.rate);
    this.transport?.tick(now, standing ? 0 : passed);
    if (!this.transport) {
      if (now >= this.nextTry) this.open(now);
    } else if (this.identified) {
      this.sendWaiting(now);
      if (calm && this.quiet && now - this.identifiedAt > SETTLED_MS) this.climb(this.transport, now);
    }
  }

  private open(now: number): void {
    const rung = this.ladder.pick(now);
    if (!rung) {
      this.stranded(now);
      return;
    }
    this.strandedSince = undefined;
    const identify: Identify = { type: "identify", protocol: PROTOCOL, ...this.daemon.identity() };
    if (this.session !== undefined) identify.resume = { session_id: this.session, last_n: this.lastN };
    const listener = this.listen();
    const opening: Opening = { identify: JSON.stringify(identify), lastN: this.lastN, listener };
    this.listener = listener;
    this.identified = false;
    this.progress = false;
    this.transport = rung.open(opening);
    this.transport.start();
  }

  /** Say it if there has been nothing to connect with for a while: the page may need time to load. */
  private stranded(now: number): void {
    if (this.strandedSince === undefined) this.strandedSince = now;
    if (now - this.strandedSince < STRANDED_MS) return;
    this.strandedSince = Infinity;
    this.daemon.unreachable("there is no way to connect with these settings", undefined);
  }

  /** What a transport tells counts only while it is the present one. */
  private listen(): TransportListener {
    const listener: TransportListener = {
      identified: (message) => this.listener === listener && this.begin(message),
      received: (message) => this.listener === listener && this.receive(message),
      refused: (ids) => this.listener === listener && this.refuse(ids),
      closed: (reason, said) => this.listener === listener && this.lose(reason, said),
    };
    return listener;
  }

  private begin(message: Identified): void {
    const now = this.game.now();
    this.identified = true;
    this.identifiedAt = now;
    this.climbing = false;
    this.audio = message.audio;
    this.rate = Math.min(MESSAGES_PER_S, Math.max(1, message.limits.messages_per_second * 0.8));
    this.outbox.unsend();
    if (!message.resumed) {
      this.session = message.session_id;
      this.lastN = 0;
      this.inbox = [];
      this.daemon.gaveUp(this.outbox.sift((each, { at }) => this.daemon.outlives(each, now - at)));
      this.outbox.putFirst(this.daemon.introduction(), now);
    }
    this.sessionChanged();
    this.daemon.connected(message);
    this.sendWaiting(now);
  }

  private receive(message: FromDaemon): void {
    if (message.n !== undefined) {
      if (message.n <= this.lastN) return;
      this.lastN = message.n;
    }
    this.prove();
    const entry = message.re === undefined ? undefined : this.outbox.answered(message.re);
    if (entry && message.type === "error") {
      this.sessionChanged();
      this.answerError(entry, message.code, message.hint ? `${message.message}: ${message.hint}` : message.message);
      return;
    }
    this.inbox.push(message);
    if (this.inbox.length > INBOX) this.game.log(`too much to keep while the game stands still: ${this.inbox.shift()?.type}`);
    this.sessionChanged();
  }

  private answerError(entry: Entry, code: string, text: string): void {
    if ((code === "busy" || code === "rate_limited") && entry.refusals < BUSY_TRIES) {
      this.outbox.putBack(entry, this.game.now() + BUSY_MS);
    } else {
      this.daemon.refused(entry.message, code, text);
    }
  }

  private refuse(ids: readonly (string | undefined)[]): void {
    for (const id of ids) {
      const entry = id === undefined ? undefined : this.outbox.answered(id);
      if (entry) this.daemon.refused(entry.message, "bad_message", "the daemon could not read it");
    }
  }

  private prove(): void {
    if (this.progress || !this.transport || !this.identified) return;
    this.progress = true;
    this.attempts = 0;
  }

  private lose(reason: string, said: string | undefined): void {
    const now = this.game.now();
    const kind = this.transport?.kind;
    const wasLive = this.identified;
    this.leave();
    if (kind !== undefined) {
      if (wasLive && now - this.identifiedAt > PROVEN_MS) this.ladder.worked(kind);
      else this.ladder.failed(kind, now, this.climbing);
    }
    this.climbing = false;
    const delay = Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, this.attempts - 1));
    this.nextTry = this.attempts === 0 && wasLive ? now : now + delay * (0.8 + 0.4 * Math.random());
    this.attempts += 1;
    this.game.log(`connection over ${kind ?? "nothing"} ${wasLive ? "lost" : "failed"}: ${reason}`);
    if (!wasLive) this.daemon.unreachable(reason, said);
  }

  private climb(transport: Transport, now: number): void {
    if (!this.ladder.better(transport.kind, now)) return;
    this.leave();
    transport.stop();
    this.climbing = true;
    this.open(now);
  }

  private leave(): void {
    this.transport = undefined;
    this.listener = undefined;
    this.identified = false;
  }

  private sendWaiting(now: number): void {
    const envelopes: Envelope[] = [];
    for (let entry = this.outbox.next(now); entry && this.tokens - envelopes.length >= 1; entry = this.outbox.next(now)) {
      entry.sent = true;
      envelopes.push({ id: entry.id, text: JSON.stringify({ id: entry.id, ...entry.message }) });
    }
    if (envelopes.length > 0) this.transmit(envelopes);
  }

  private transmit(envelopes: readonly Envelope[]): void {
    this.tokens -= envelopes.length;
    this.transport?.send(envelopes);
  }
}
