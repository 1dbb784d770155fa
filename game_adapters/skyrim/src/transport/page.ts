/**
 * The page that the daemon serves and the game shows: text box, subtitles, and a WebSocket for a runtime that has
 * none. All plugins share one page, so that ours may be there, not yet be there, or be gone without a word.
 */

import type { Browser, OpenSocket, Socket, SocketListener } from "../game";

/** How long a page that is still there from before may take to say so. */
const GREETING_MS = 3_000;
/** How often a page that was there is asked whether it still is, and how long it may take to answer. */
const HEARTBEAT_MS = 30_000;
const SILENCE_MS = 30_000;
const LONGEST_FRAME_MS = 100;
const FIRST_RETRY_MS = 10_000;
const LAST_RETRY_MS = 60_000;

export interface PageListener {
  said(text: string): void;
  cancelled(): void;
}

export class Page {
  /** It has said that it is there. */
  ready = false;
  /** Milliseconds of frames, so that a frame of half a minute while the game loads is no silence of the page. */
  private time = 0;
  private lastTick = 0;
  private next = 0;
  private retry = FIRST_RETRY_MS;
  private greeted = false;
  /** Another plugin has taken the page: ours is not loaded again before it is needed. */
  private yielded = false;
  private instance: unknown;
  private asking = false;
  private connection: number;
  private socket: SocketListener | undefined;

  constructor(
    private readonly browser: Browser,
    private readonly url: string,
    /** Different after each reload of the plugin, so that nothing meant for the one before reaches this one. */
    seed: number,
    /** The connection depends on the page, so that it is not left to others. */
    private readonly insist: boolean,
    private readonly listener: PageListener,
  ) {
    this.connection = seed;
    browser.listen((values) => this.receive(values));
  }

  /**
   * Load the page, and again while it does not appear: the daemon may have been started after the game. One that is
   * there is asked for a sign of life now and then, but for the time in which the world stands still.
   */
  tick(now: number, standing: boolean): void {
    if (!standing || !this.ready) this.time += Math.max(0, Math.min(now - this.lastTick, LONGEST_FRAME_MS));
    this.lastTick = now;
    if (this.time < this.next || this.yielded) return;
    if (this.ready && this.greeted) {
      this.lose();
    } else if (!this.greeted) {
      this.greeted = true;
      this.next = this.time + (this.ready ? SILENCE_MS : GREETING_MS);
      this.call("greet");
    } else {
      this.browser.load(this.url);
      this.next = this.time + this.retry;
      this.retry = Math.min(this.retry * 2, LAST_RETRY_MS);
    }
  }

  /** The player needs it: load it now, whoever has it. */
  need(): void {
    if (!this.yielded) return;
    this.yielded = false;
    this.greeted = true;
    this.next = 0;
  }

  /** Open the text box. */
  ask(name: string): void {
    this.asking = true;
    this.browser.show();
    this.browser.focus(true);
    this.call("ask", name);
  }

  /** Close the text box. */
  dismiss(): void {
    if (!this.asking) return;
    this.call("dismiss");
    this.closed();
  }

  subtitle(name: string, text: string): void {
    this.call("subtitle", name, text);
  }

  clear(): void {
    this.call("clear");
  }

  notice(level: string, text: string): void {
    this.call("notice", level, text);
  }

  /** The page's own WebSocket; the address is the page's own and not asked for. */
  readonly openSocket: OpenSocket = (_url, _protocol, listener): Socket => {
    const connection = ++this.connection;
    this.socket = listener;
    this.call("open", connection);
    return {
      send: (text) => this.call("send", connection, text),
      close: () => {
        if (this.connection !== connection) return;
        this.socket = undefined;
        this.call("close", connection);
      },
    };
  };

  private call(name: string, ...values: (string | number)[]): void {
    const list = values.map((value) => JSON.stringify(value).replace(/\u2028/g, "\\u2028").replace(/\u2029/g, "\\u2029"));
    this.browser.run(`window.rfsn && rfsn.${name}(${list.join(",")})`);
  }

  private receive(values: readonly unknown[]): void {
    const [ours, kind, first, second] = values;
    if (ours !== "rfsn") return;
    this.hear();
    if (kind === "ready") {
      this.appear(first);
    } else if (kind === "said" && typeof first === "string") {
      this.closed();
      this.listener.said(first);
    } else if (kind === "cancelled") {
      this.closed();
      this.listener.cancelled();
    } else if (first === this.connection) {
      if (kind === "message" && typeof second === "string") this.socket?.message(second);
      if (kind === "closed") this.closeSocket(`closed with ${String(second)}`);
    }
  }

  /** The text box is; keys go to the game again. */
  private closed(): void {
    this.asking = false;
    this.browser.focus(false);
  }

  private appear(instance: unknown): void {
    // Loaded anew: its WebSocket and its text box went with the old one.
    if (this.ready && instance !== this.instance) {
      this.closeSocket("the page was loaded anew");
      if (this.asking) this.closed();
    }
    this.instance = instance;
    if (!this.ready) this.browser.show();
    this.ready = true;
    this.hear();
  }

  /** It lives. */
  private hear(): void {
    if (!this.ready) return;
    this.greeted = false;
    this.next = this.time + HEARTBEAT_MS;
  }

  private lose(): void {
    this.ready = false;
    this.greeted = false;
    this.yielded = !this.insist;
    this.retry = FIRST_RETRY_MS;
    if (this.asking) this.closed();
    this.closeSocket("the page is gone");
  }

  private closeSocket(reason: string): void {
    const socket = this.socket;
    this.socket = undefined;
    socket?.closed(reason);
  }
}
