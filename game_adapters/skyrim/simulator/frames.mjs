// @ts-check
/**
 * The game's clock. It goes as fast as asked, in whole frames: where the machine is too slow the game's time falls
 * behind, and nothing is skipped. While it waits for something that only real time brings (a page that loads) it
 * keeps to real time.
 */

/** Frames in one go, before sockets and the other games have their turn. */
const BURST = 4;

export class Frames {
  /**
   * @param {object} options
   * @param {number} options.speed   seconds of the game in a second
   * @param {number} options.rate    frames in a second of the game
   * @param {(seconds: number) => void} options.step   plays one frame
   */
  constructor({ speed, rate, step }) {
    this.speed = speed;
    this.length = 1000 / rate;
    this.step = step;
    /** The game's time in ms since its start. */
    this.now = 0;
    this.count = 0;
    this.held = 0;
    /** What it owes to real time, in ms of the game. */
    this.due = 0;
    /** @type {Set<Wait>} */
    this.waits = new Set();
    this.running = false;
    this.last = performance.now();
  }

  start() {
    this.running = true;
    this.last = performance.now();
    const turn = () => {
      if (!this.running) return;
      this.catchUp();
      if (this.due >= this.length) setImmediate(turn);
      else setTimeout(turn, 1);
    };
    setImmediate(turn);
  }

  stop() {
    this.running = false;
    for (const wait of this.waits) wait.reject(new Error(`the game ended while it waited for ${wait.what}`));
    this.waits.clear();
  }

  catchUp() {
    const real = performance.now();
    this.due += (real - this.last) * (this.held > 0 ? 1 : this.speed);
    this.last = real;
    for (let frames = 0; frames < BURST && this.due >= this.length && this.running; frames += 1) {
      this.due -= this.length;
      this.now += this.length;
      this.count += 1;
      this.step(this.length / 1000);
      this.look();
    }
    this.due = Math.min(this.due, BURST * this.length);
  }

  /** Let those go on whose condition holds. */
  look() {
    for (const wait of this.waits) {
      let held;
      try {
        held = wait.condition();
      } catch (error) {
        this.waits.delete(wait);
        wait.reject(error);
        continue;
      }
      if (held) {
        this.waits.delete(wait);
        wait.resolve();
      } else if (this.now >= wait.deadline && performance.now() >= wait.realDeadline) {
        this.waits.delete(wait);
        wait.reject(new TimedOut(`${wait.what} did not happen in ${wait.patience / 1000} s`));
      }
    }
  }

  /**
   * Wait for a condition, looked at after each frame. The patience is the game's time, but never less than a
   * second in ten of real time, for the daemon lives in real time.
   * @param {string} what
   * @param {() => unknown} condition
   * @param {number} [patience] in ms of the game
   * @returns {Promise<void>}
   */
  until(what, condition, patience = 60_000) {
    return new Promise((resolve, reject) => {
      const realDeadline = performance.now() + patience / 10;
      this.waits.add({ what, condition, patience, deadline: this.now + patience, realDeadline, resolve, reject });
    });
  }

  /** @param {number} ms of the game */
  wait(ms) {
    const end = this.now + ms;
    return this.until(`${ms} ms`, () => this.now >= end, ms + 60_000);
  }

  /**
   * Keep to real time while something real is under way.
   * @template T
   * @param {Promise<T>} real
   */
  async hold(real) {
    this.held += 1;
    try {
      return await real;
    } finally {
      this.held -= 1;
    }
  }
}

/** @typedef {{what: string, condition: () => unknown, patience: number, deadline: number, realDeadline: number, resolve: () => void, reject: (error: unknown) => void}} Wait */

export class TimedOut extends Error {}
