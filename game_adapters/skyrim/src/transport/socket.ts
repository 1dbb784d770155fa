/** The handshake over any WebSocket: the runtime's own, or that of a page. */

import type { OpenSocket, Socket } from "../game";
import { asIdentified, asMessage, parseObject, SUBPROTOCOL } from "../protocol";
import type { Envelope, Opening, Transport, TransportKind } from "./transport";
import { sayError } from "./transport";

const HANDSHAKE_MS = 8_000;
const SILENCE_MS = 20_000;
/** After this long without a word, in spite of a ping, the other end is gone. */
const GIVE_UP_MS = 35_000;

export class SocketTransport implements Transport {
  private socket: Socket | undefined;
  private identified = false;
  private awaitingApproval = false;
  private over = false;
  private silent = 0;
  private pinged = false;
  private refusal: string | undefined;

  constructor(
    readonly kind: TransportKind,
    private readonly open: OpenSocket,
    private readonly url: string,
    private readonly opening: Opening,
  ) {}

  start(): void {
    try {
      this.socket = this.open(this.url, SUBPROTOCOL, {
        message: (text) => this.receive(text),
        closed: (reason) => this.end(reason),
      });
    } catch (error) {
      this.end(String(error));
    }
  }

  send(envelopes: readonly Envelope[]): void {
    try {
      for (const envelope of envelopes) this.socket?.send(envelope.text);
    } catch (error) {
      this.end(String(error));
    }
  }

  tick(_now: number, waited: number): void {
    if (this.over || this.awaitingApproval) return;
    this.silent += waited;
    if (!this.identified) {
      if (this.silent > HANDSHAKE_MS) this.end("no answer");
    } else if (this.silent > GIVE_UP_MS) {
      this.end("no sign of life");
    } else if (this.silent > SILENCE_MS && !this.pinged) {
      this.pinged = true;
      this.send([{ id: undefined, text: '{"type":"ping"}' }]);
    }
  }

  stop(): void {
    this.over = true;
    this.socket?.close();
  }

  private receive(text: string): void {
    if (this.over) return;
    this.silent = 0;
    this.pinged = false;
    const message = parseObject(text);
    if (!message) return;
    if (this.identified) {
      const known = asMessage(message);
      if (known) this.opening.listener.received(known);
      return;
    }
    if (message.type === "hello") {
      this.send([{ id: undefined, text: this.opening.identify }]);
    } else if (message.type === "error") {
      this.refusal = sayError(message);
    } else if (message.type === "approval_pending") {
      this.awaitingApproval = true;
      const text = `Approve this game on the daemon's page. Its code is ${String(message.code)}.`;
      this.opening.listener.received({ type: "notice", level: "warning", code: "approval_pending", message: text });
    } else {
      const identified = asIdentified(message);
      if (!identified) return;
      this.identified = true;
      this.awaitingApproval = false;
      this.opening.listener.identified(identified);
    }
  }

  private end(reason: string): void {
    if (this.over) return;
    this.stop();
    this.opening.listener.closed(reason, this.refusal);
  }
}
