/**
 * The page that the daemon serves and the game shows: text box, subtitles, and a WebSocket for a runtime that has
 * none. All plugins share one page, so that ours may be there, not yet be there, or be gone without a word.
 */

import type { Browser, OpenSocket, Socket, SocketListener } from "../game";

/** How long a page that is still there from before may take to say so. */
const GREETING_MS = 3_000;
const FIRST_RETRY_MS = 10_000;
const LAST_RETRY_MS = 60_000;

export interface PageListener {
  said(text: string): void;
  cancelled(): void;
}

export class Page {
  /** It has said that it is there. */
  ready = false;
  private next = 0;
  private retry = FIRST_RETRY_MS;
  private greeted = false;
  private asking = false;
  private connection = 0;
  private socket: SocketListener | undefined;

  constructor(
    private readonly browser: Browser,
    private readonly url: string,
    /** Different after each reload of the plugin, so that nothing meant for the one before reaches this one. */
    seed: number,
    private readonly listener: PageListener,
  ) {
    this.connection = seed;
    browser.listen((values) => this.receive(values));
  }

  /** Load the page, and again while it does not appear: the daemon may have been started after the game. */
  tick(now: number): void {
    if (this.ready || now < this.next) return;
    if (!this.greeted) {
      this.greeted = true;
      this.next = now + GREETING_MS;
      this.call("greet");
      return;
    }
    this.browser.load(this.url);
    this.next = now + this.retry;
    this.retry = Math.min(this.retry * 2, LAST_RETRY_MS);
  }

  /** It seems to be gone: look for it again, and load it if it is. */
  lost(): void {
    this.ready = false;
    this.greeted = false;
    this.next = 0;
    this.retry = FIRST_RETRY_MS;
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
    if (kind === "ready") {
      this.appear();
    } else if (kind === "said" && typeof first === "string") {
      this.closed();
      this.listener.said(first);
    } else if (kind === "cancelled") {
      this.closed();
      this.listener.cancelled();
    } else if (first === this.connection) {
      if (kind === "message" && typeof second === "string") this.socket?.message(second);
      if (kind === "closed") this.close(`closed with ${String(second)}`);
    }
  }

  /** The text box is; keys go to the game again. */
  private closed(): void {
    this.asking = false;
    this.browser.focus(false);
  }

  private appear(): void {
    // A page that appears a second time was loaded anew: its WebSocket went with the old one.
    if (this.ready) this.close("the page was loaded anew");
    if (this.asking) this.closed();
    this.ready = true;
    this.browser.show();
  }

  private close(reason: string): void {
    const socket = this.socket;
    this.socket = undefined;
    socket?.closed(reason);
  }
}
