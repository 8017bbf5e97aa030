import assert from 'node:assert/strict';
import test from 'node:test';

import { RATE, Timeline, estimateTotal, sentenceAt } from '../../frontend/static/timeline.js';

/** @param {...number} seconds */
function timelineOf(...seconds) {
  const timeline = new Timeline();
  for (const length of seconds) timeline.append(length * RATE);
  return timeline;
}

test('clips lie at the running sum of samples, without drift', () => {
  const timeline = new Timeline();
  for (let index = 0; index < 10_000; index += 1) timeline.append(576 * 41 + (index % 2) * 576);
  assert.equal(timeline.end, (5000 * (576 * 41 + 576 * 42)) / RATE);
  assert.equal(timeline.start(2), (576 * 41 + 576 * 42) / RATE);
});

test('a place and its seconds are inverse', () => {
  const timeline = timelineOf(2, 3, 1);
  for (const seconds of [0, 1.5, 2, 4.999, 5, 5.5]) {
    assert.ok(Math.abs(timeline.secondsAt(timeline.placeAt(seconds)) - seconds) < 1e-9, `${seconds}`);
  }
  assert.deepEqual(timeline.placeAt(2), { index: 1, offset: 0 });
  assert.deepEqual(timeline.placeAt(-1), { index: 0, offset: 0 });
});

test('a place past the end waits for the next clip with the rest', () => {
  assert.deepEqual(timelineOf(2, 3).placeAt(83), { index: 2, offset: 78 });
  assert.deepEqual(new Timeline().placeAt(83), { index: 0, offset: 83 });
});

test('settle carries an offset over the clips that came', () => {
  assert.deepEqual(timelineOf(2, 3).settle({ index: 0, offset: 83 }), { index: 2, offset: 78 });
  assert.deepEqual(timelineOf(2, 3, 90).settle({ index: 0, offset: 83 }), { index: 2, offset: 78 });
  assert.deepEqual(timelineOf(2, 3).settle({ index: 7, offset: 1 }), { index: 7, offset: 1 });
});

test('the window holds what sounds until the horizon, and keeps a little behind', () => {
  const timeline = timelineOf(...Array(100).fill(5));
  assert.deepEqual(timeline.windowAt({ index: 20, offset: 1 }, 10, 30), { keep: 14, from: 20, to: 23 });
  assert.deepEqual(timeline.windowAt({ index: 0, offset: 0 }, 10, 30), { keep: 0, from: 0, to: 3 });
  assert.deepEqual(timeline.windowAt({ index: 99, offset: 4 }, 10, 30), { keep: 93, from: 99, to: 100 });
});

test('the window is empty where nothing is there yet', () => {
  const { from, to } = timelineOf(5, 5).windowAt({ index: 6, offset: 0 }, 10, 30);
  assert.equal(to - from, 0);
});

test('truncate keeps the first clips', () => {
  const timeline = timelineOf(2, 3, 1);
  timeline.truncate(1);
  assert.equal(timeline.end, 2);
  timeline.truncate(5);
  assert.equal(timeline.count, 1);
});

test('the estimate begins with a usual rate and learns the real one', () => {
  assert.equal(estimateTotal(1500, 0, 0), 100);
  const slow = estimateTotal(20_000, 10_000, 1000);
  assert.ok(slow > 1950 && slow < 2000, `${slow}`);
  assert.equal(estimateTotal(300, 300, 21), 21);
});

test('sentenceAt finds the sentence under an offset, also in the gaps', () => {
  const plan = [[0, 10, 0], [12, 20, 0], [20, 25, 0]];
  const found = [0, 9, 10, 11, 12, 19, 20, 24, 25, 99].map((at) => sentenceAt(plan, at));
  assert.deepEqual(found, [0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
  assert.equal(sentenceAt([], 3), -1);
});
