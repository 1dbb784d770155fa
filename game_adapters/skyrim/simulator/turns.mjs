// @ts-check
/** The turns of an evening as they went over the wire: what was said, what was played, how they ended. */

/**
 * @typedef {object} Turn
 * @property {string} id
 * @property {string} npc
 * @property {Map<number, string>} sentences
 * @property {Map<number, string[]>} reports   statuses by sentence, in order, each report counted once
 * @property {boolean} played                   by the daemon, which needs no reports
 * @property {Map<number, {t: number, status: string}[]>} playback   what it said of each sentence
 * @property {string} status                   empty until `turn_finished`
 * @property {boolean} interrupted             by the client
 * @property {boolean} recorded
 */

/**
 * What is known of the sound of a sentence: what the plugin reported, or else the daemon said that it has played.
 * @param {Turn} turn
 * @param {number} seq
 * @returns {string[]}
 */
export function heardOf({ played, playback, reports }, seq) {
  return (played ? playback.get(seq)?.map(({ status }) => status) : reports.get(seq)) ?? [];
}

/**
 * Every sentence of it began and ended.
 * @param {Turn} turn
 */
export function heardWhole(turn) {
  return turn.status === 'completed' && [...turn.sentences.keys()].every((seq) => String(heardOf(turn, seq)) === 'started,ended');
}

export class Turns {
  constructor() {
    /** @type {Map<string, Turn>} */
    this.byId = new Map();
    /** Ids of the client's messages that were seen. @type {Set<string>} */
    this.ids = new Set();
    /** Messages of the client that have an id and no answer yet. @type {Map<string, string>} */
    this.unanswered = new Map();
    this.lastN = 0;
    this.session = '';
    this.audio = '';
  }

  get all() {
    return [...this.byId.values()];
  }

  /** Nothing of any turn is still to come. */
  get settled() {
    return this.all.every((turn) => turn.recorded);
  }

  /**
   * @param {any} message
   * @param {number} t
   */
  received(message, t) {
    this.unanswered.delete(message.re);
    if (message.type === 'identified') this.audio = message.audio;
    if (message.type === 'identified' && message.session_id !== this.session) {
      this.session = message.session_id;
      this.lastN = 0;
      for (const turn of this.all) turn.recorded = true; // of an old session nothing more is told
    }
    if (typeof message.n === 'number') {
      if (message.n <= this.lastN) return;
      this.lastN = message.n;
    }
    // A line that is sent again is answered again, with a number of its own.
    if (message.type === 'turn_started' && !this.byId.has(message.turn_id)) {
      const { turn_id: id, npc_id: npc } = message;
      const empty = { sentences: new Map(), reports: new Map(), status: '', interrupted: false, recorded: false };
      this.byId.set(id, { id, npc, played: this.audio === 'daemon', playback: new Map(), ...empty });
    }
    const turn = this.byId.get(message.turn_id);
    if (!turn) return;
    if (message.type === 'sentence') turn.sentences.set(message.seq, message.text);
    if (message.type === 'playback') {
      const { seq, status } = message;
      turn.playback.set(seq, [...(turn.playback.get(seq) ?? []), { t, status }]);
    }
    if (message.type === 'turn_finished') turn.status = message.status;
    if (message.type === 'turn_recorded') turn.recorded = true;
  }

  /** @param {any} message */
  sent(message) {
    if (message.id !== undefined) {
      if (this.ids.has(message.id)) return; // sent again after the connection was lost
      this.ids.add(message.id);
      this.unanswered.set(message.id, message.type);
    }
    const turn = this.byId.get(message.turn_id);
    if (!turn) return;
    if (message.type === 'interrupt') turn.interrupted = true;
    if (message.type !== 'speech_report') return;
    turn.reports.set(message.seq, [...(turn.reports.get(message.seq) ?? []), message.status]);
  }

  /** A save was loaded: the turns until now were forgotten, and none of them is recorded. */
  forget() {
    for (const turn of this.all) turn.recorded = true;
  }
}
