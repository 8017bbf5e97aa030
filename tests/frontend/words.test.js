import assert from 'node:assert/strict';
import test from 'node:test';

import { statusWords } from '../../frontend/static/words.js';

const calm = { notice: '', cast: 'speaking', player: 'paused', ready: 3, place: 0 };

for (const [change, words] of [
  [{ cast: 'queued', ready: 0 }, 'The voice is being prepared. Press play whenever you like.'],
  [{ cast: 'queued', ready: 0, player: 'waiting', place: 2 }, 'The voice is being prepared… 2 ahead of this one.'],
  [{ cast: 'queued', ready: 0, player: 'waiting' }, 'The voice is being prepared…'],
  [{}, 'Still speaking. You can listen already.'],
  [{ player: 'waiting' }, 'Waiting for the voice…'],
  [{ player: 'playing' }, ''],
  [{ cast: 'done' }, ''],
  [{ cast: 'done', player: 'ended' }, 'Finished.'],
  [{ cast: 'failed', player: 'waiting' }, 'The voice stopped.'],
  [{ notice: 'The link is copied.', cast: 'failed' }, 'The link is copied.'],
]) {
  test(`status: ${JSON.stringify(change)}`, () => assert.equal(statusWords({ ...calm, ...change }), words));
}
