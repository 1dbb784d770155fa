/**
 * HTTP with callbacks and nothing else: one poll waits for messages, one post at a time takes ours there, in order.
 * A request that got no answer is made again: what must not be done twice carries an `id`.
 */

import type { Http, HttpAnswer } from "../game";
import { asIdentified, asMessage, isObject, parseObject } from "../protocol";
import type { Envelope, Opening, Transport } from "./transport";
import { sayError } from "./transport";

const BATCH = 16;
const BATCH_CHARACTERS = 16_000;
const TRIES = 4;
const RETRY_MS = 400;
/** A poll takes at most 4 s. One that is neither answered nor failed by now never will be. */
const LOST_MS = 20_000;

export class LongPollTransport implements Transport {
  readonly kind = "long_poll";
  private session = "";
  private over = false;
  private lastTick = 0;
  /** The world does: nothing is worth giving up for. */
  private standing = false;
  private readonly waiting: Envelope[] = [];
  private readonly poll = new Request();
  private readonly post = new Request();
  private batch: readonly Envelope[] = [];
  private lastN: number;

  constructor(
    private readonly http: Http,
    private readonly opening: Opening,
  ) {
    this.lastN = opening.lastN;
  }

  start(): void {
    this.post.begin();
    this.http.post("/session", this.opening.identify, (answer) => {
      if (this.over) return;
      this.post.end();
      this.begin(answer);
    });
  }

  send(envelopes: readonly Envelope[]): void {
    this.waiting.push(...envelopes);
    this.sendWaiting();
  }

  tick(now: number, waited: number): void {
    if (this.over) return;
    const passed = now - this.lastTick;
    this.lastTick = now;
    this.standing = waited === 0;
    this.poll.rest -= passed;
    this.post.rest -= passed;
    if (this.poll.wait(waited) || this.post.wait(waited)) {
      this.end("a request was never answered");
      return;
    }
    if (this.session === "") return;
    if (this.poll.due) this.ask();
    this.sendWaiting();
  }

  stop(): void {
    this.over = true;
  }

  private begin(answer: HttpAnswer): void {
    const body = parseObject(answer.body);
    const identified = body && answer.status === 200 ? asIdentified(body) : undefined;
    if (!identified) {
      const refusal = answer.status >= 400 && body?.type === "error" ? sayError(body) : undefined;
      this.end(`POST /session answered ${answer.status}`, refusal);
      return;
    }
    this.session = identified.session_id;
    if (!identified.resumed) this.lastN = 0;
    this.opening.listener.identified(identified);
    this.ask();
  }

  private ask(): void {
    if (this.over) return;
    this.poll.begin();
    this.http.get(`/poll?session=${encodeURIComponent(this.session)}&after=${this.lastN}`, (answer) => {
      if (this.over) return;
      this.poll.end();
      if (this.failed(this.poll, answer, "GET /poll")) return;
      const messages = parseObject(answer.body)?.messages;
      if (Array.isArray(messages)) messages.forEach((message) => this.receive(message));
      this.ask();
    });
  }

  private receive(value: unknown): void {
    if (this.over || !isObject(value)) return;
    if (typeof value.n === "number") this.lastN = Math.max(this.lastN, value.n);
    const message = asMessage(value);
    if (message) this.opening.listener.received(message);
  }

  private sendWaiting(): void {
    if (this.over || this.session === "" || !this.post.due) return;
    if (this.batch.length === 0) this.batch = this.takeBatch();
    if (this.batch.length === 0) return;
    const messages = this.batch.map((envelope) => envelope.text).join(",");
    this.post.begin();
    this.http.post("/send", `{"session_id":${JSON.stringify(this.session)},"messages":[${messages}]}`, (answer) => {
      if (this.over) return;
      this.post.end();
      if (answer.status === 400 || answer.status === 413) {
        this.opening.listener.refused(this.batch.map((envelope) => envelope.id));
      } else if (this.failed(this.post, answer, "POST /send")) {
        return;
      }
      this.batch = [];
      this.sendWaiting();
    });
  }

  private takeBatch(): Envelope[] {
    let characters = 0;
    let count = 0;
    for (const envelope of this.waiting) {
      characters += envelope.text.length;
      if (count > 0 && (count === BATCH || characters > BATCH_CHARACTERS)) break;
      count += 1;
    }
    return this.waiting.splice(0, count);
  }

  /** Whether it is to be made again, or the connection is over. */
  private failed(request: Request, answer: HttpAnswer, name: string): boolean {
    if (answer.status >= 200 && answer.status < 300) {
      request.failures = 0;
      return false;
    }
    request.failures += 1;
    if (answer.status === 404) this.end("the session is gone");
    else if (request.failures >= TRIES && !this.standing) this.end(`${name} answered ${answer.status}`);
    else request.rest = RETRY_MS * Math.min(request.failures, TRIES);
    return true;
  }

  private end(reason: string, said?: string): void {
    if (this.over) return;
    this.stop();
    this.opening.listener.closed(reason, said);
  }
}

/** One request after the other. */
class Request {
  failures = 0;
  /** Milliseconds to let pass before the next one. */
  rest = 0;
  private running = false;
  private waited = 0;

  get due(): boolean {
    return !this.running && this.rest <= 0;
  }

  begin(): void {
    this.running = true;
    this.waited = 0;
  }

  end(): void {
    this.running = false;
  }

  /** Wait for the answer; true if the answer will not come any more. */
  wait(ms: number): boolean {
    if (this.running) this.waited += ms;
    return this.running && this.waited > LOST_MS;
  }
}
