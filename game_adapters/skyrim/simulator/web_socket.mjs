// @ts-check
/** The WebSocket that the development line of Skyrim Platform has: its callbacks come only while `update` runs. */

/** @typedef {import('./recorder.mjs').Recorder} Recorder */

/** The sockets of one game, and what has happened to them since the last update. */
export class SocketPump {
  /** @param {Recorder} recorder */
  constructor(recorder) {
    this.recorder = recorder;
    /** @type {(() => void)[]} */
    this.ready = [];
    /** @type {Set<WebSocket>} */
    this.sockets = new Set();
  }

  take() {
    return this.ready.splice(0);
  }

  close() {
    for (const socket of this.sockets) socket.close();
  }
}

/**
 * The class as a plugin sees it.
 * @param {SocketPump} pump
 * @param {(context: string, run: () => void) => void} within  runs a callback, unless the plugin was unloaded
 */
export function webSocketOf(pump, within) {
  return class GameWebSocket {
    static CONNECTING = 0;
    static OPEN = 1;
    static CLOSING = 2;
    static CLOSED = 3;

    /** @type {WebSocket} */
    #socket;
    /** @type {Map<string, Set<(event: any) => void>>} */
    #listeners = new Map();

    /**
     * @param {string} url
     * @param {string | string[]} [protocols]
     */
    constructor(url, protocols) {
      /** @type {any} */ (this).onopen = null;
      /** @type {any} */ (this).onmessage = null;
      /** @type {any} */ (this).onclose = null;
      /** @type {any} */ (this).onerror = null;
      // An array of the plugin's realm is none to the host's WebSocket.
      this.#socket = new WebSocket(url, typeof protocols === 'string' ? protocols : [...(protocols ?? [])]);
      pump.sockets.add(this.#socket);
      this.#socket.addEventListener('open', () => this.#deliver({ type: 'open' }));
      this.#socket.addEventListener('error', () => this.#deliver({ type: 'error' }));
      this.#socket.addEventListener('message', ({ data }) => {
        this.#deliver({ type: 'message', data }, () => pump.recorder.wire('received', String(data)));
      });
      this.#socket.addEventListener('close', ({ code, reason, wasClean }) => {
        pump.sockets.delete(this.#socket);
        this.#deliver({ type: 'close', code, reason, wasClean });
      });
    }

    get url() {
      return this.#socket.url;
    }

    get readyState() {
      return this.#socket.readyState;
    }

    get protocol() {
      return this.#socket.protocol;
    }

    get bufferedAmount() {
      return this.#socket.bufferedAmount;
    }

    /** @param {string} data */
    send(data) {
      this.#socket.send(data);
      if (this.#socket.readyState === GameWebSocket.OPEN) pump.recorder.wire('sent', String(data));
    }

    /**
     * @param {number} [code]
     * @param {string} [reason]
     */
    close(code, reason) {
      this.#socket.close(code, reason);
    }

    /**
     * @param {string} type
     * @param {(event: any) => void} listener
     */
    addEventListener(type, listener) {
      this.#listeners.set(type, (this.#listeners.get(type) ?? new Set()).add(listener));
    }

    /**
     * @param {string} type
     * @param {(event: any) => void} listener
     */
    removeEventListener(type, listener) {
      this.#listeners.get(type)?.delete(listener);
    }

    /**
     * @param {{type: string} & Record<string, unknown>} event
     * @param {() => void} [before]
     */
    #deliver(event, before) {
      pump.ready.push(() => {
        before?.();
        const handler = /** @type {any} */ (this)[`on${event.type}`];
        const listeners = [...(handler ? [handler] : []), ...(this.#listeners.get(event.type) ?? [])];
        for (const listener of listeners) within('a WebSocket callback', () => listener.call(this, event));
      });
    }
  };
}
