import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { EMPTY, fold } from '../../frontend/static/fold.js';

const fixtures = JSON.parse(readFileSync(new URL('../../casts/fixtures/v1.json', import.meta.url), 'utf8'));
const asRecord = ({ header, body }) => ({ header, body: new TextEncoder().encode(body) });

/** What the fixtures speak of. */
function told({ epoch, attempt, plan, sentences, ended, reason, digest, ignored, next }) {
  const short = sentences.map(({ seq, i, n, d, s }) => ({ seq, i, n, d, s }));
  return { epoch, attempt, plan, sentences: short, ended, reason, digest, ignored, next };
}

test('the fixtures hold folds', () => assert.ok(fixtures.folds.length > 0));

for (const { name, records: raw, state } of fixtures.folds) {
  const records = raw.map(asRecord);
  test(`fold fixture: ${name}`, () => assert.deepEqual(told(fold(EMPTY, records)), state));

  test(`fold fixture in two parts: ${name}`, () => {
    const whole = fold(EMPTY, records);
    for (let cut = 0; cut <= records.length; cut += 1) {
      const parts = fold(fold(EMPTY, records.slice(0, cut)), records.slice(cut));
      assert.deepEqual(parts, whole, `split at ${cut}`);
    }
  });
}

for (const { text, spans, slices } of fixtures.spans) {
  test(`span fixture: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(spans.map(([begin, end]) => text.slice(begin, end)), slices);
  });
}

const start = (seq, n, i, plan) => asRecord({ header: { seq, e: 'start', n, i }, body: plan ? JSON.stringify(plan) : '' });
const audio = (seq, n, i) => asRecord({ header: { seq, e: 'audio', n, i, d: 24, s: 576 }, body: `${n}/${i}` });
const plan = [[0, 2, 0], [3, 5, 0]];

test('fold leaves the state before as it was', () => {
  const before = fold(EMPTY, [start(0, 1, 0, plan), audio(1, 1, 0)]);
  const copy = structuredClone(before);
  fold(before, [start(2, 2, 0, plan), audio(3, 2, 0)]);
  assert.deepEqual(before, copy);
  assert.equal(EMPTY.sentences.length, 0);
});

test('fold keeps the very sentences that a resume keeps', () => {
  const before = fold(EMPTY, [start(0, 1, 0, plan), audio(1, 1, 0), audio(2, 1, 1)]);
  const after = fold(before, [start(3, 2, 1)]);
  assert.equal(after.sentences.length, 1);
  assert.equal(after.sentences[0], before.sentences[0]);
});

test('fold carries sound, words and the public message', () => {
  const words = [[0, 2, 46, 400]];
  const record = asRecord({ header: { seq: 1, e: 'audio', n: 1, i: 0, d: 24, s: 576, w: words }, body: 'mp3' });
  const failed = asRecord({ header: { seq: 2, e: 'fail', n: 1, r: 'engine_crashed' }, body: 'The voice failed.' });
  const { sentences, message } = fold(EMPTY, [start(0, 1, 0, plan), record, failed]);
  assert.deepEqual(sentences[0].words, words);
  assert.equal(new TextDecoder().decode(sentences[0].mp3), 'mp3');
  assert.equal(message, 'The voice failed.');
});

test('fold steps over a body that is no JSON', () => {
  const bad = asRecord({ header: { seq: 0, e: 'start', n: 1, i: 0 }, body: '{' });
  const state = fold(EMPTY, [bad, start(1, 1, 0, plan)]);
  assert.equal(state.ignored, 1);
  assert.equal(state.attempt, 1);
});
