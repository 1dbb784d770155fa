/**
 * Which way to the daemon to try: the best that is there, the next after it has failed a few times, and the better
 * one again after a rest that grows each time it fails.
 */

import type { Opening, Transport, TransportKind } from "./transport";

/** In a row; then the rung rests. */
const FAILURES = 3;
const FIRST_REST_MS = 20_000;
const LAST_REST_MS = 600_000;

export interface Rung {
  readonly kind: TransportKind;
  /** Whether it could be tried now. */
  available(): boolean;
  open(opening: Opening): Transport;
}

interface Standing {
  readonly rung: Rung;
  failures: number;
  rest: number;
  restsUntil: number;
}

export class Ladder {
  private readonly standings: readonly Standing[];

  /** The best first. */
  constructor(rungs: readonly Rung[]) {
    this.standings = rungs.map((rung) => ({ rung, failures: 0, rest: FIRST_REST_MS, restsUntil: 0 }));
  }

  /** Undefined where nothing is there to try. */
  pick(now: number): Rung | undefined {
    const available = this.standings.filter(({ rung }) => rung.available());
    const rested = available.find((standing) => standing.restsUntil <= now);
    if (rested) return rested.rung;
    // All have failed, so that most likely nobody is there: begin again from above.
    for (const standing of available) standing.restsUntil = 0;
    return available[0]?.rung;
  }

  /** A better rung than this that could be tried now. */
  better(kind: TransportKind, now: number): Rung | undefined {
    for (const { rung, restsUntil } of this.standings) {
      if (rung.kind === kind) return undefined;
      if (rung.available() && restsUntil <= now) return rung;
    }
    return undefined;
  }

  /** `atOnce`: let it rest after this one failure, for there is another that works. */
  failed(kind: TransportKind, now: number, atOnce: boolean): void {
    const standing = this.standings.find(({ rung }) => rung.kind === kind);
    if (!standing || (++standing.failures < FAILURES && !atOnce)) return;
    standing.failures = 0;
    standing.restsUntil = now + standing.rest;
    standing.rest = Math.min(standing.rest * 2, LAST_REST_MS);
  }

  /** It has carried something. */
  worked(kind: TransportKind): void {
    const standing = this.standings.find(({ rung }) => rung.kind === kind);
    if (!standing) return;
    standing.failures = 0;
    standing.rest = FIRST_REST_MS;
  }
}
