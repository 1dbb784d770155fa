// @ts-check
/**
 * What the game forgives nobody: where a plugin may call the game, and what it may do there. Every breach is kept,
 * and any one of them fails the run.
 */

/** The moments in which the game's own functions may be called. */
const LEGAL = new Set([
  'update',
  'activate',
  'combatState',
  'crosshairRefChanged',
  'deathStart',
  'hit',
  'locationChanged',
  'questStage',
  'questStart',
  'questStop',
]);

const KEPT = 200;

/** @typedef {{t: number, rule: string, detail: string}} Violation */

export class Rules {
  /** @param {() => number} now the game's clock, in milliseconds */
  constructor(now) {
    this.now = now;
    /** @type {Violation[]} */
    this.violations = [];
    this.count = 0;
    /** The event whose handlers are running, `module` while the plugin loads, or '' outside of the plugin. */
    this.context = '';
  }

  /**
   * Note a breach. Only the first 200 are kept: a mistake made on every frame fills no memory.
   * @param {string} rule
   * @param {string} detail
   */
  broken(rule, detail) {
    this.count += 1;
    if (this.violations.length < KEPT) this.violations.push({ t: Math.round(this.now()), rule, detail });
  }

  /**
   * Run the plugin's code in a context; what it throws is a breach, for nobody in the game would catch it.
   * @param {string} context
   * @param {() => void} run
   */
  within(context, run) {
    const outer = this.context;
    this.context = context;
    try {
      run();
    } catch (error) {
      this.broken('unhandled exception', `in ${context}: ${describe(error)}`);
    } finally {
      this.context = outer;
    }
  }

  /**
   * Called by every function of the game before it does anything. Throws, as the game does.
   * @param {string} call
   */
  mayCall(call) {
    if (LEGAL.has(this.context)) return;
    const where = this.context || 'no event';
    this.broken('game call outside a legal context', `${call} in ${where}`);
    throw new IllegalCall(`${call} cannot be called in ${where}`);
  }

  /**
   * A breach by which the game would crash or go wrong: noted, and thrown to the plugin.
   * @param {string} rule
   * @param {string} detail
   * @returns {never}
   */
  refuse(rule, detail) {
    this.broken(rule, detail);
    throw new IllegalCall(`${rule}: ${detail}`);
  }
}

export class IllegalCall extends Error {}

/** @param {unknown} error often of the plugin's realm, where `instanceof Error` does not hold */
export function describe(error) {
  const thrown = /** @type {{stack?: string} | null} */ (error);
  return String(thrown?.stack ?? error).slice(0, 600);
}
