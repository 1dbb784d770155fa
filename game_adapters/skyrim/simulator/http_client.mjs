// @ts-check
/**
 * The game's HttpClient: three threads for all clients together, callbacks on a tick, status 0 and an empty error
 * where no answer came. Every request has a connection of its own.
 */

import http from 'node:http';
import { parsed } from './recorder.mjs';

const THREADS = 3;
/** Of real time: what the game's library waits for an answer. */
const TIMEOUT_MS = 5000;
/** Of the game's time: a poll that brings nothing ends after this long, as it does at the daemon in real time. */
const POLL_MS = 4000;

/** @typedef {{status: number, body: string, error: string}} Answer */
/** @typedef {{method: string, url: URL, headers: Record<string, string>, body: string, answered: (answer: Answer) => void}} Request */

/** The pool of threads. */
export class HttpPool {
  /**
   * @param {object} game
   * @param {import('./recorder.mjs').Recorder} game.recorder
   * @param {import('./frames.mjs').Frames} game.frames
   */
  constructor({ recorder, frames }) {
    this.recorder = recorder;
    this.frames = frames;
    /** @type {Request[]} */
    this.waiting = [];
    this.busy = 0;
    /** Answers that wait for the next tick. @type {(() => void)[]} */
    this.ready = [];
    this.agent = new http.Agent({ keepAlive: false });
  }

  /** @param {Request} request */
  add(request) {
    this.waiting.push(request);
    this.begin();
  }

  begin() {
    while (this.busy < THREADS && this.waiting.length > 0) {
      const request = /** @type {Request} */ (this.waiting.shift());
      this.busy += 1;
      this.note(request);
      void this.perform(request).then((answer) => {
        this.busy -= 1;
        this.ready.push(() => {
          this.noteAnswer(request, answer);
          request.answered(answer);
        });
        this.begin();
      });
    }
  }

  /** What arrived since the last tick. */
  take() {
    return this.ready.splice(0);
  }

  /**
   * @param {Request} request
   * @returns {Promise<Answer>}
   */
  perform({ method, url, headers, body }) {
    return new Promise((resolve) => {
      const failed = () => resolve({ status: 0, body: '', error: '' });
      const options = { method, headers, agent: this.agent, timeout: TIMEOUT_MS };
      const request = http.request(url, options, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text, error: '' }));
        response.on('error', failed);
      });
      request.on('error', failed);
      request.on('timeout', () => request.destroy());
      if (url.pathname === '/poll' && this.frames.speed > 1) this.endPoll(request, resolve);
      request.end(body);
    });
  }

  /**
   * The daemon waits four seconds of its own time, in which a faster game would live minutes. So that its plugin
   * sees what it would see in the game, a poll without news is ended here, after four seconds of the game.
   * @param {http.ClientRequest} request
   * @param {(answer: Answer) => void} resolve
   */
  endPoll(request, resolve) {
    const end = this.frames.now + POLL_MS;
    let over = false;
    request.on('response', () => (over = true));
    request.on('close', () => (over = true));
    this.frames
      .until('a poll', () => over || this.frames.now >= end, POLL_MS * 4)
      .then(() => {
        if (over) return;
        resolve({ status: 200, body: '{"messages":[]}', error: '' });
        request.destroy();
      })
      .catch(() => request.destroy());
  }

  /** @param {Request} request */
  note({ url, body }) {
    if (url.pathname === '/session') this.recorder.wire('sent', body);
    if (url.pathname !== '/send') return;
    for (const message of parsed(body)?.messages ?? []) this.recorder.wire('sent', JSON.stringify(message));
  }

  /**
   * @param {Request} request
   * @param {Answer} answer
   */
  noteAnswer({ url }, { body }) {
    if (url.pathname === '/session') this.recorder.wire('received', body);
    if (url.pathname !== '/poll') return;
    for (const message of parsed(body)?.messages ?? []) this.recorder.wire('received', JSON.stringify(message));
  }
}

/**
 * The class as a plugin sees it.
 * @param {HttpPool} pool
 * @param {(context: string, run: () => void) => void} within  runs a callback, unless the plugin was unloaded
 */
export function httpClientOf(pool, within) {
  return class HttpClient {
    /** @param {string} url */
    constructor(url) {
      Object.defineProperty(this, 'url', { value: String(url) });
    }

    /**
     * @param {string} path
     * @param {{headers?: Record<string, string>}} options
     * @param {(answer: Answer) => void} callback
     */
    get(path, options, callback) {
      this.#request('GET', path, options?.headers, '', callback);
    }

    /**
     * @param {string} path
     * @param {{body: string, contentType: string, headers?: Record<string, string>}} options
     * @param {(answer: Answer) => void} callback
     */
    post(path, options, callback) {
      const headers = { ...options.headers, 'Content-Type': options.contentType };
      this.#request('POST', path, headers, options.body, callback);
    }

    /**
     * @param {string} method
     * @param {string} path
     * @param {Record<string, string> | undefined} headers
     * @param {string} body
     * @param {(answer: Answer) => void} callback
     */
    #request(method, path, headers, body, callback) {
      const url = new URL(path, /** @type {any} */ (this).url);
      const answered = (/** @type {Answer} */ answer) => within('an HTTP callback', () => callback(answer));
      pool.add({ method, url, headers: { ...headers }, body, answered });
    }
  };
}
