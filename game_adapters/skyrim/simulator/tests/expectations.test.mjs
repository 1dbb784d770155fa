// @ts-check
/** Each expectation fails where it should: a good evening, made up, is spoiled in one point after the other. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { complaints } from '../expectations.mjs';
import { Recorder } from '../recorder.mjs';
import { Rules } from '../rules.mjs';
import { whiterun } from '../whiterun.mjs';

const LYDIA = '000a2c94|skyrim.esm';

/** An evening of one sentence, told by hand. */
class Evening {
  constructor() {
    this.time = 0;
    this.rules = new Rules(() => this.time);
    this.recorder = new Recorder(() => this.time);
    this.world = whiterun();
    this.ids = 0;
  }

  get lydia() {
    return this.world.actors()[1];
  }

  /** @param {Record<string, unknown>} message */
  send(message) {
    const id = `b-${(this.ids += 1)}`;
    this.recorder.wire('sent', JSON.stringify({ id, ...message }));
    this.receive({ type: 'result', re: id });
  }

  /** @param {Record<string, unknown>} message */
  receive(message) {
    this.recorder.wire('received', JSON.stringify({ n: this.recorder.received.length + 1, ...message }));
  }

  /** @param {string} status */
  report(status) {
    this.send({ type: 'speech_report', turn_id: 't1', seq: 0, status });
  }

  begin() {
    this.receive({ type: 'turn_started', turn_id: 't1', npc_id: LYDIA });
    this.receive({ type: 'sentence', turn_id: 't1', npc_id: LYDIA, seq: 0, text: 'Well met.' });
    this.receive({ type: 'turn_finished', turn_id: 't1', status: 'completed' });
  }

  show() {
    this.recorder.note('subtitle', { name: 'Lydia', text: 'Well met.' });
  }

  /** @param {number} weight */
  mouth(weight) {
    this.lydia.phonemes[3] = weight;
    this.recorder.mouth(this.lydia, 3, weight);
  }

  /** Everything as it should be; `spoil` may leave out steps or add some. @param {Partial<Record<string, () => void>>} [spoil] */
  play(spoil = {}) {
    /** @type {[string, () => void][]} */
    const steps = [
      ['begin', () => this.begin()],
      ['show', () => this.show()],
      ['started', () => this.report('started')],
      ['open', () => this.mouth(0.5)],
      ['pass', () => void (this.time += 1500)],
      ['shut', () => this.mouth(0)],
      ['ended', () => this.report('ended')],
      ['clear', () => this.recorder.note('clear')],
      ['after', () => void (this.time += 3000)],
    ];
    for (const [name, step] of steps) (spoil[name] ?? step)();
    return complaints(/** @type {any} */ (this));
  }
}

/** The same evening where the daemon plays: its sentence sounds after it was told where she stands. */
class AloudEvening extends Evening {
  begin() {
    this.receive({ type: 'identified', session_id: 's1', audio: 'daemon' });
    super.begin();
    this.recorder.wire('sent', JSON.stringify({ type: 'positions', npcs: { [LYDIA]: [120, 40, 0] } }));
  }

  /** @param {string} status */
  report(status) {
    this.receive({ type: 'playback', turn_id: 't1', seq: 0, status });
  }
}

const nothing = () => undefined;

/** @type {Record<string, [(evening: Evening) => Partial<Record<string, () => void>>, RegExp]>} */
const SPOILED = {
  'a rule of the game is broken': [(e) => ({ after: () => e.rules.broken('stale object', 'Lydia') }), /stale object/],
  'a sentence is not shown': [() => ({ show: nothing }), /never shown/],
  'a sentence is shown twice': [(e) => ({ clear: () => e.show() }), /shown 2 times/],
  'its beginning is not reported': [() => ({ started: nothing }), /reported: ended/],
  'its end is not reported': [() => ({ ended: nothing }), /reported: started/],
  'its end is reported twice': [(e) => ({ clear: () => e.report('ended') }), /started, ended, ended/],
  'it is cut short for no reason': [(e) => ({ ended: () => e.report('aborted') }), /cut short/],
  'nothing is reported': [() => ({ started: nothing, ended: nothing }), /shown and not reported/],
  'lips do not move': [() => ({ open: nothing, shut: nothing }), /lips did not move/],
  'a mouth stays open': [() => ({ shut: nothing }), /stands open/],
  'somebody speaks in a scripted scene': [
    (e) => ({ started: () => (e.recorder.note('scene', { actor: 'Lydia', on: true }), e.show()) }),
    /spoken over a scripted scene/,
  ],
  'messages come too fast': [
    (e) => ({ after: () => Array.from({ length: 60 }, () => e.send({ type: 'npc_gone', npc_ids: [] })) }),
    /more than 20 messages/,
  ],
  'positions come too fast': [
    (e) => ({
      after: () => {
        for (let frame = 0; frame < 200; frame += 1) {
          e.time += 100;
          e.recorder.wire('sent', '{"type":"positions"}');
        }
      },
    }),
    /more than 5 positions/,
  ],
  'a message has no id': [(e) => ({ after: () => e.recorder.wire('sent', '{"type":"npc_update"}') }), /has no id/],
  'a message is never answered': [
    (e) => ({ after: () => e.recorder.wire('sent', '{"type":"npc_update","id":"x"}') }),
    /npc_update x was never answered/,
  ],
  'the daemon finds a mistake': [
    (e) => ({ after: () => e.receive({ type: 'error', code: 'bad_message', message: 'npc_id is missing' }) }),
    /answered bad_message/,
  ],
  'the plugin finds a mistake in itself': [
    (e) => ({ after: () => e.recorder.note('console', { text: '[RFSN Bridge] a fault in tick: x is undefined' }) }),
    /a fault in tick/,
  ],
};

test('a good evening gives no cause for complaint', () => {
  assert.deepEqual(new Evening().play(), []);
});

for (const [name, [spoil, complaint]] of Object.entries(SPOILED)) {
  test(`it is noticed when ${name}`, () => {
    const evening = new Evening();
    const found = evening.play(spoil(evening));
    assert.ok(found.some((each) => complaint.test(each)), `${complaint} is not among ${JSON.stringify(found)}`);
  });
}

/** @type {Record<string, [(evening: AloudEvening) => Partial<Record<string, () => void>>, RegExp]>} */
const SPOILED_ALOUD = {
  'it is reported all the same': [
    (e) => ({ clear: () => e.send({ type: 'speech_report', turn_id: 't1', seq: 0, status: 'started' }) }),
    /the daemon, which plays it/,
  ],
  'it is shown late': [(e) => ({ show: nothing, pass: () => ((e.time += 1500), e.show()) }), /not shown while it sounds/],
  'it is not shown': [() => ({ show: nothing }), /not shown while it sounds/],
  'it is not said where it sounds': [
    (e) => ({
      begin() {
        e.receive({ type: 'identified', session_id: 's1', audio: 'daemon' });
        Evening.prototype.begin.call(e);
      },
    }),
    /does not know where it sounds/,
  ],
};

test('a good evening that the daemon plays gives no cause for complaint', () => {
  assert.deepEqual(new AloudEvening().play(), []);
});

for (const [name, [spoil, complaint]] of Object.entries(SPOILED_ALOUD)) {
  test(`where the daemon plays it is noticed when ${name}`, () => {
    const evening = new AloudEvening();
    const found = evening.play(spoil(evening));
    assert.ok(found.some((each) => complaint.test(each)), `${complaint} is not among ${JSON.stringify(found)}`);
  });
}

test('what the daemon cuts off need not be heard to its end', () => {
  const evening = new AloudEvening();
  assert.deepEqual(evening.play({ ended: () => evening.report('aborted') }), []);
});

test('what is sent again after a lost connection counts once', () => {
  const evening = new Evening();
  const again = evening.play({
    clear: () => {
      for (const { message } of [...evening.recorder.sent]) evening.recorder.wire('sent', JSON.stringify(message));
      for (const { message } of [...evening.recorder.received]) evening.recorder.wire('received', JSON.stringify(message));
      evening.recorder.note('clear');
    },
  });
  assert.deepEqual(again.filter((complaint) => !/messages a second/.test(complaint)), []);
});
