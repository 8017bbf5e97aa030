import assert from 'node:assert/strict';
import test from 'node:test';

import { ReadError, backoff, read } from '../../frontend/static/reader.js';
import { frameBytes } from './frame-bytes.js';

const audio = (seq) => frameBytes({ seq, e: 'audio' }, `${seq}`);

/** A body of chunks; `hold` leaves it open until the request is aborted, `cut` ends it with an error. */
function body(chunks, end, signal) {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      if (end === 'cut') controller.error(new TypeError('network'));
      else if (end === 'hold') signal.addEventListener('abort', () => controller.error(new DOMException('', 'AbortError')));
      else controller.close();
    },
  });
}

/** Answers one request after the other from a script, and records the addresses. */
function server(...script) {
  const asked = [];
  const ask = async (url, { signal }) => {
    asked.push(url.replace('/api/casts/C/records?', ''));
    const step = script.shift();
    if (!step) throw new Error(`unexpected request ${url}`);
    if (step === 'offline') throw new TypeError('Failed to fetch');
    const { status = 200, chunks = [], end = 'close', headers = {} } = step;
    const known = { 'Cast-Epoch': 'e1', 'Cast-State': 'speaking', ...headers };
    const answer = new Response(status === 200 ? body(chunks, end, signal) : JSON.stringify({ error: { message: 'No such cast.' } }), { status, headers: known });
    return answer;
  };
  return { ask, asked };
}

const done = { headers: { 'Cast-State': 'done' } };

async function collect(script, options = {}) {
  const { ask, asked } = server(...script);
  const scope = new AbortController();
  const events = [];
  for await (const event of read('C', { signal: scope.signal, wake: new EventTarget(), ask, ...options })) {
    events.push(event.type === 'records' ? event.records.map(({ header }) => header.seq) : event.type);
  }
  return { events, asked };
}

test('reads on from the next record until the cast has ended', async () => {
  const { events, asked } = await collect([{ chunks: [audio(0), audio(2)] }, { chunks: [audio(3)], ...done }, done]);
  assert.deepEqual(events, [[0], [2], [3]]);
  assert.deepEqual(asked, ['from=0&wait=25', 'from=3&wait=25&v=e1', 'from=4&wait=25&v=e1']);
});

test('a frame cut by the network is asked for again, and nothing comes twice', async () => {
  const cut = { chunks: [audio(0), audio(1), audio(2).slice(0, 9)], end: 'cut' };
  const again = { chunks: [audio(1), audio(2)], ...done };
  const held = { chunks: [audio(0), audio(1), audio(2).slice(0, 9)] };
  const { events } = await collect([held, again, done]);
  assert.deepEqual(events.flat(), [0, 1, 2]);
  const { asked } = await collect([cut, 'offline', again, done]);
  assert.equal(asked.length, 4);
});

test('a cast made anew is a restart from 0 at once, without its old epoch', async (t) => {
  t.mock.method(Math, 'random', () => 1);
  const began = Date.now();
  const anew = { chunks: [audio(0)], headers: { 'Cast-State': 'done', 'Cast-Epoch': 'e2' } };
  const { events, asked } = await collect([{ chunks: [audio(0), audio(1)] }, { status: 410 }, anew, done]);
  assert.deepEqual(events, [[0], [1], 'restart', [0]]);
  assert.deepEqual(asked.slice(1), ['from=2&wait=25&v=e1', 'from=0&wait=25', 'from=1&wait=25&v=e2']);
  assert.ok(Date.now() - began < 400);
});

test('a cursor above the tail is a restart', async () => {
  const { events } = await collect([{ status: 416 }, { chunks: [audio(0)], ...done }, done], { from: 9 });
  assert.deepEqual(events, ['restart', [0]]);
});

test('a refusal that no retry will better is an error with the public words', async () => {
  await assert.rejects(collect([{ status: 404 }]), (error) => {
    assert.ok(error instanceof ReadError);
    assert.equal(error.status, 404);
    assert.equal(error.message, 'No such cast.');
    return true;
  });
});

test('an unavailable server is asked again, not before it said', async () => {
  const began = Date.now();
  const { events } = await collect([{ status: 503, headers: { 'Retry-After': '1' } }, { chunks: [audio(0)], ...done }, done]);
  assert.deepEqual(events, [[0]]);
  assert.ok(Date.now() - began >= 990);
});

test('a lost network is told, and online means now', { timeout: 5000 }, async () => {
  const { ask, asked } = server('offline', { chunks: [audio(0)], ...done }, done);
  const wake = new EventTarget();
  const events = [];
  for await (const event of read('C', { signal: new AbortController().signal, wake, ask })) {
    events.push(event.type);
    if (event.type === 'retry') setTimeout(() => wake.dispatchEvent(new Event('online')), 10);
  }
  assert.deepEqual(events, ['retry', 'records']);
  assert.equal(asked.length, 3);
});

test('waking up renews a held request at once', { timeout: 5000 }, async (t) => {
  t.mock.method(Math, 'random', () => 1);
  const began = Date.now();
  const { ask, asked } = server({ chunks: [audio(0)], end: 'hold' }, { chunks: [audio(1)], ...done }, done);
  const wake = new EventTarget();
  const events = [];
  for await (const event of read('C', { signal: new AbortController().signal, wake, ask })) {
    events.push(event.records.map(({ header }) => header.seq));
    if (events.length === 1) setTimeout(() => wake.dispatchEvent(new Event('online')), 10);
  }
  assert.deepEqual(events, [[0], [1]]);
  assert.equal(asked[1], 'from=1&wait=25&v=e1');
  assert.ok(Date.now() - began < 400);
});

test('enough buffered ahead ends the held request; it is asked again by cursor when there is room', { timeout: 5000 }, async () => {
  const { ask, asked } = server({ chunks: [audio(0), audio(1), audio(2)], end: 'hold' }, { chunks: [audio(1), audio(2)], ...done }, done);
  let ahead = 0;
  let signalOfFirst;
  const watched = (url, init) => {
    signalOfFirst ??= init.signal;
    return ask(url, init);
  };
  const events = [];
  for await (const { records } of read('C', { signal: new AbortController().signal, wake: new EventTarget(), ask: watched, ahead_s: () => ahead })) {
    events.push(records.map(({ header }) => header.seq));
    if (events.length > 1) continue;
    ahead = 121;
    setTimeout(() => {
      assert.equal(asked.length, 1);
      assert.equal(signalOfFirst.aborted, true);
      ahead = 0;
    }, 700);
  }
  assert.deepEqual(events, [[0], [1], [2]]);
  assert.equal(asked[1], 'from=1&wait=25&v=e1');
});

test('the signal ends a held request', { timeout: 5000 }, async () => {
  const { ask } = server({ chunks: [audio(0)], end: 'hold' });
  const scope = new AbortController();
  let count = 0;
  for await (const _ of read('C', { signal: scope.signal, wake: new EventTarget(), ask })) {
    count += 1;
    setTimeout(() => scope.abort(), 10);
  }
  assert.equal(count, 1);
});

test('backoff doubles up to 15 s, jitters fully and respects the floor', () => {
  assert.equal(backoff(0, 0, 1), 0.5);
  assert.equal(backoff(3, 0, 1), 4);
  assert.equal(backoff(30, 0, 1), 15);
  assert.equal(backoff(3, 0, 0), 0);
  assert.equal(backoff(0, 7, 1), 7);
});
