import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { FrameError, FrameReader, MAX_FRAME_BYTES } from '../../frontend/static/frames.js';
import { frameBytes } from './frame-bytes.js';

const fixtures = JSON.parse(readFileSync(new URL('../../casts/fixtures/v1.json', import.meta.url), 'utf8'));
const bytesOf = (base64) => new Uint8Array(Buffer.from(base64, 'base64'));

test('the fixtures hold frames', () => assert.ok(fixtures.frames.length > 0));

for (const { name, header, body_base64, frame_base64 } of fixtures.frames) {
  test(`frame fixture: ${name}`, () => {
    const reader = new FrameReader();
    const [frame, ...more] = reader.push(bytesOf(frame_base64));
    assert.deepEqual(frame.header, header);
    assert.deepEqual(frame.body, bytesOf(body_base64));
    assert.equal(more.length, 0);
    assert.equal(reader.pending, 0);
  });
}

test('frames are the same wherever the network cuts', () => {
  const all = Buffer.concat(fixtures.frames.map(({ frame_base64 }) => bytesOf(frame_base64)));
  const whole = new FrameReader().push(new Uint8Array(all));
  assert.equal(whole.length, fixtures.frames.length);
  for (let cut = 0; cut <= all.length; cut += 1) {
    const reader = new FrameReader();
    const frames = [...reader.push(new Uint8Array(all.subarray(0, cut))), ...reader.push(new Uint8Array(all.subarray(cut)))];
    assert.deepEqual(frames, whole, `cut at ${cut}`);
  }
});

test('frames come out of single bytes', () => {
  const bytes = frameBytes({ seq: 7, e: 'audio', i: 0 }, 'sound');
  const reader = new FrameReader();
  const counts = [...bytes].map((byte) => reader.push(Uint8Array.of(byte)).length);
  assert.equal(counts.at(-1), 1);
  assert.equal(counts.slice(0, -1).every((count) => count === 0), true);
});

test('a body is a copy that does not pin its chunk', () => {
  const bytes = frameBytes({ seq: 0, e: 'audio' }, 'abc');
  const [{ body }] = new FrameReader().push(bytes);
  bytes.fill(0);
  assert.equal(new TextDecoder().decode(body), 'abc');
  assert.equal(body.buffer.byteLength, 3);
});

const broken = {
  'a length above the limit': () => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setUint32(0, MAX_FRAME_BYTES + 1);
    return bytes;
  },
  'no room for the header length': () => Uint8Array.of(0, 0, 0, 1, 0, 0),
  'a header longer than the frame': () => Uint8Array.of(0, 0, 0, 3, 0, 2, 0),
  'a header that is not JSON': () => Uint8Array.of(0, 0, 0, 3, 0, 1, 0x7b),
  'a header without seq': () => frameBytes({ e: 'audio' }),
  'a header without kind': () => frameBytes({ seq: 1 }),
};

for (const [name, bytes] of Object.entries(broken)) {
  test(`refuses ${name}`, () => assert.throws(() => new FrameReader().push(bytes()), FrameError));
}
