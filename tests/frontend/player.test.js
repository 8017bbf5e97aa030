import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { Player } from '../../frontend/static/player.js';
import { FakeContext, fakeDecode, sentence } from './fake-audio.js';

const EDGE = 0.06;
const output = { name: 'output' };
const near = (a, b) => Math.abs(a - b) < 1e-6;

beforeEach(() => mock.timers.enable({ apis: ['setInterval'] }));
afterEach(() => mock.timers.reset());

/** Lets decodes finish. */
const decoded = async () => {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
};

function playerWith(...sentences) {
  const ctx = new FakeContext();
  const player = new Player(ctx, output, fakeDecode);
  for (const each of sentences) player.append(each);
  return { ctx, player };
}

/** Time passes with the player's own timer. */
async function run(ctx, until) {
  while (ctx.state === 'running' && ctx.currentTime < until - 1e-9) {
    ctx.advanceTo(Math.min(until, ctx.currentTime + 0.25));
    mock.timers.tick(250);
    await decoded();
  }
}

test('sentences sound butt-joined, each once, through the one output', async () => {
  const { ctx, player } = playerWith(sentence('a', 2), sentence('b', 3), sentence('c', 1));
  player.complete();
  await decoded();
  player.play();
  assert.equal(player.state, 'playing');
  assert.ok(ctx.nodes.every(({ connected }) => connected === output));
  await run(ctx, 7);
  assert.deepEqual(ctx.heard, [[EDGE, 2.06, 'a', 0], [2.06, 5.06, 'b', 0], [5.06, 6.06, 'c', 0]]);
  assert.equal(player.state, 'ended');
});

test('the first sentences are decoded before the click', async () => {
  const decode = mock.fn(fakeDecode);
  const player = new Player(new FakeContext(), output, decode);
  for (let index = 0; index < 20; index += 1) player.append(sentence(`${index}`, 4));
  await decoded();
  assert.equal(decode.mock.callCount(), 3);
  assert.equal(player.state, 'paused');
});

test('play before any sound waits and starts with the first sentence', async () => {
  const { ctx, player } = playerWith();
  const states = [];
  player.addEventListener('state', () => states.push(player.state));
  player.play();
  await run(ctx, 3);
  player.append(sentence('a', 2));
  await decoded();
  assert.deepEqual(states, ['waiting', 'playing']);
  await run(ctx, 5);
  assert.deepEqual(ctx.heard, [[3.06, 5.06, 'a', 0]]);
});

test('an underrun waits with a running context and skips nothing when the sentence comes late', async () => {
  const { ctx, player } = playerWith(sentence('a', 1));
  await decoded();
  player.play();
  await run(ctx, 4);
  assert.equal(player.state, 'waiting');
  assert.equal(ctx.state, 'running');
  assert.ok(near(player.position_s, 1));
  player.append(sentence('b', 1));
  await decoded();
  assert.deepEqual(ctx.heard.at(-1), [4.06, 5.06, 'b', 0]);
});

test('a sentence that comes just after the end, before any timer, is not cut', async () => {
  const { ctx, player } = playerWith(sentence('a', 1));
  await decoded();
  player.play();
  ctx.nodes[0].onended = null; // a late onended
  ctx.advanceTo(1.1);
  player.append(sentence('b', 1));
  await decoded();
  assert.deepEqual(ctx.heard.at(-1), [1.16, 2.16, 'b', 0]);
});

test('a sentence that comes too late to begin in time begins whole, a moment later', async () => {
  const { ctx, player } = playerWith(sentence('a', 1));
  await decoded();
  player.play();
  ctx.advanceTo(1.05);
  player.append(sentence('b', 1));
  await decoded();
  assert.deepEqual(ctx.heard.at(-1), [1.11, 2.11, 'b', 0]);
});

test('seeks inside one sentence never sound together', async () => {
  const { ctx, player } = playerWith(sentence('a', 9));
  await decoded();
  player.play();
  await run(ctx, 1);
  player.seekTo(4);
  await run(ctx, 2);
  player.seekTo(1);
  await run(ctx, 3);
  assert.deepEqual(ctx.heard, [[EDGE, 1, 'a', 0], [1.06, 2, 'a', 4], [2.06, 10.06, 'a', 1]]);
});

test('a pause keeps the place and what is scheduled', async () => {
  const { ctx, player } = playerWith(sentence('a', 2), sentence('b', 2));
  await decoded();
  player.play();
  await run(ctx, 1);
  player.pause();
  assert.equal(ctx.state, 'suspended');
  assert.ok(near(player.position_s, 1 - EDGE));
  ctx.advanceTo(100);
  player.play();
  await run(ctx, 5);
  assert.deepEqual(ctx.heard, [[EDGE, 2.06, 'a', 0], [2.06, 4.06, 'b', 0]]);
});

test('a seek drops what is scheduled and starts inside the sentence', async () => {
  const { ctx, player } = playerWith(sentence('a', 2), sentence('b', 3));
  await decoded();
  player.play();
  await run(ctx, 1);
  player.seekTo(3.5);
  await run(ctx, 5);
  assert.deepEqual(ctx.heard, [[EDGE, 1, 'a', 0], [1.06, 2.56, 'b', 1.5]]);
});

test('a seek ahead of what is there waits, and starts at that place when it comes', async () => {
  const { ctx, player } = playerWith(sentence('a', 2));
  player.seekTo(5);
  player.play();
  await decoded();
  assert.equal(player.state, 'waiting');
  assert.equal(player.ahead_s, 0);
  player.append(sentence('b', 2));
  player.append(sentence('c', 4));
  await decoded();
  assert.deepEqual(ctx.heard, [[EDGE, 3.06, 'c', 1]]);
});

test('a new attempt does not interrupt the kept sentence that sounds, and replaces the later ones', async () => {
  const { ctx, player } = playerWith(sentence('a', 2), sentence('b', 2), sentence('c', 2));
  await decoded();
  player.play();
  await run(ctx, 1);
  player.truncate(1);
  player.append(sentence('B', 1));
  player.append(sentence('C', 1));
  player.complete();
  await decoded();
  await run(ctx, 6);
  assert.deepEqual(ctx.heard, [[EDGE, 2.06, 'a', 0], [2.06, 3.06, 'B', 0], [3.06, 4.06, 'C', 0]]);
});

test('a new attempt that voids the sentence that sounds goes on at the same place of it', async () => {
  const { ctx, player } = playerWith(sentence('a', 2), sentence('b', 3));
  await decoded();
  player.play();
  await run(ctx, 3);
  player.truncate(0);
  assert.equal(player.state, 'waiting');
  assert.equal(player.place.index, 1);
  player.append(sentence('A', 1));
  await decoded();
  assert.equal(player.state, 'waiting');
  player.append(sentence('B', 3));
  await decoded();
  const [from, , name, offset] = ctx.heard.at(-1);
  assert.equal(name, 'B');
  assert.ok(near(from, 3.06) && near(offset, 3 - EDGE - 2));
});

test('a decode that ends after its sentence was voided changes nothing', async () => {
  const pending = [];
  const ctx = new FakeContext();
  const player = new Player(ctx, output, (mp3) => new Promise((resolve) => pending.push(() => resolve(fakeDecode(mp3)))));
  const problems = [];
  player.addEventListener('problem', (event) => problems.push(event.detail));
  player.append(sentence('broken', 1));
  player.play();
  player.truncate(0);
  player.append(sentence('new', 1));
  pending.shift()();
  await decoded();
  assert.equal(player.state, 'waiting');
  pending.shift()();
  await decoded();
  assert.deepEqual(ctx.heard, [[EDGE, 1.06, 'new', 0]]);
  assert.deepEqual(problems, []);
});

for (const [name, bad] of [['short', sentence('b', 1, 23_000)], ['refused', sentence('broken', 1)]]) {
  test(`a ${name} sentence is reported and passes in silence`, async () => {
    const { ctx, player } = playerWith(sentence('a', 1), bad, sentence('c', 1));
    const problems = [];
    player.addEventListener('problem', (event) => problems.push(event.detail));
    player.complete();
    await decoded();
    player.play();
    await run(ctx, 4);
    assert.deepEqual(ctx.heard, [[EDGE, 1.06, 'a', 0], [2.06, 3.06, 'c', 0]]);
    assert.deepEqual(problems, [1]);
    assert.equal(player.state, 'ended');
  });
}

test('two samples less are a resampler, not a problem', async () => {
  const { ctx, player } = playerWith(sentence('a', 1, 23_998));
  await decoded();
  player.play();
  assert.equal(ctx.heard.length, 1);
});

test('only the horizon is scheduled, more of it while hidden', async () => {
  const { ctx, player } = playerWith(...Array.from({ length: 40 }, (_, index) => sentence(`${index}`, 3)));
  await decoded();
  player.play();
  assert.equal(ctx.nodes.length, 4);
  player.horizon_s = 60;
  player.pump();
  await decoded();
  await decoded();
  assert.equal(ctx.nodes.length, 21);
});

test('sound far behind is forgotten and decoded again for a seek', async () => {
  const decode = mock.fn(fakeDecode);
  const ctx = new FakeContext();
  const player = new Player(ctx, output, decode);
  for (let index = 0; index < 30; index += 1) player.append(sentence(`${index}`, 4));
  await decoded();
  player.play();
  await run(ctx, 60);
  const before = decode.mock.callCount();
  player.seekTo(0);
  await decoded();
  assert.ok(decode.mock.callCount() > before);
  assert.equal(ctx.heard.filter(([, , name]) => name === '0').length, 2);
});

test('play after the end begins anew', async () => {
  const { ctx, player } = playerWith(sentence('a', 1));
  player.complete();
  await decoded();
  player.play();
  await run(ctx, 2);
  assert.equal(player.state, 'ended');
  player.play();
  assert.equal(player.state, 'playing');
  assert.ok(near(player.position_s, 0));
});

test('a late main thread plays on where it should be, not from the start of the sentence', async () => {
  const { ctx, player } = playerWith(sentence('a', 20));
  await decoded();
  player.play();
  player.append(sentence('b', 20));
  await decoded();
  ctx.currentTime = 9.9; // no timer ran
  assert.ok(near(player.position_s, 9.9 - EDGE));
  await run(ctx, 21);
  assert.deepEqual(ctx.heard.at(-1), [20.06, 40.06, 'b', 0]);
});
