/**
 * The records of a cast as an async generator that survives networks, restarts and sleeping phones.
 * Knows the transport only: what a record means is the fold's business.
 */

import { FrameReader } from './frames.js';

/** @typedef {{type: 'records', records: import('./frames.js').Frame[]}} Records */
/** @typedef {{type: 'restart'}} Restart the cast was made anew: forget everything */
/** @typedef {{type: 'retry', delay_s: number}} Retry the connection is lost, another try follows */
/**
 * @typedef {object} Options
 * @property {AbortSignal} signal
 * @property {number} [from] cursor: the next record wanted
 * @property {string | null} [epoch]
 * @property {() => number} [ahead_s] seconds that the consumer has buffered ahead
 * @property {() => number} [limit_s] reads on only below it
 * @property {EventTarget} [wake] whose `online` and `pageshow` mean: try again now
 * @property {typeof fetch} [ask]
 */

export const WAIT_S = 25;
const SILENCE_S = WAIT_S + 15;
const BACKOFF_S = { first: 0.5, most: 15 };
const POLL_S = 0.5;

/** An answer that no retry will better. */
export class ReadError extends Error {
  name = 'ReadError';

  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Full jitter, with what the server asked for as the floor. @param {number} failures @param {number} floor_s */
export function backoff(failures, floor_s, random = Math.random()) {
  return Math.max(floor_s, random * Math.min(BACKOFF_S.most, BACKOFF_S.first * 2 ** failures));
}

/**
 * Ends when the cast has ended and all of it was read, or with the signal.
 * @param {string} castId @param {Options} options
 * @returns {AsyncGenerator<Records | Restart | Retry, void>}
 * @throws {ReadError}
 */
export async function* read(castId, options) {
  const { signal, ahead_s = () => 0, limit_s = () => 120, wake = window, ask = (...request) => fetch(...request) } = options;
  let cursor = options.from ?? 0;
  let epoch = options.epoch ?? null;
  let failures = 0;
  while (!signal.aborted) {
    if (ahead_s() > limit_s()) {
      while (ahead_s() > limit_s() / 2 && !signal.aborted) await pause(POLL_S, signal, wake);
      continue;
    }
    const held = new HeldRequest(signal, wake);
    let delay_s = 0;
    try {
      const query = `from=${cursor}&wait=${WAIT_S}${epoch ? `&v=${epoch}` : ''}`;
      const answer = await ask(`/api/casts/${castId}/records?${query}`, { signal: held.signal });
      if (answer.status === 410 || answer.status === 416) {
        cursor = 0;
        epoch = null;
        delay_s = failures++ && backoff(failures, 0);
        yield { type: 'restart' };
      } else if (!answer.ok || !answer.body) {
        if (answer.status < 500 && answer.status !== 429 && answer.status !== 408) throw await readError(answer);
        delay_s = backoff(failures++, Number(answer.headers.get('Retry-After')) || 0);
      } else {
        const state = answer.headers.get('Cast-State');
        epoch ??= answer.headers.get('Cast-Epoch');
        let fresh = 0;
        const frames = new FrameReader();
        const body = answer.body.getReader();
        for (let part = await body.read(); !part.done; part = await body.read()) {
          held.touch();
          // A reconnect may repeat what we have.
          const records = frames.push(part.value).filter(({ header }) => header.seq >= cursor);
          if (!records.length) continue;
          cursor = records[records.length - 1].header.seq + 1;
          fresh += records.length;
          failures = 0;
          yield { type: 'records', records };
          if (ahead_s() > limit_s()) break;
        }
        const ended = state === 'done' || state === 'failed';
        if (ended && !fresh) return;
        // An empty answer that was not held open must not make us spin.
        if (!fresh && held.age_s < 1) delay_s = backoff(failures++, POLL_S);
      }
    } catch (error) {
      if (error instanceof ReadError) throw error;
      if (signal.aborted) return;
      delay_s = held.woken ? 0 : backoff(failures++, 0);
      if (!held.woken) yield { type: 'retry', delay_s };
    } finally {
      held.release();
    }
    if (delay_s) await pause(delay_s, signal, wake);
  }
}

/** One request: ends with the cast's signal, after silence (a dead network says nothing), and on waking up. */
class HeldRequest {
  woken = false;
  #abort = new AbortController();
  #scope = new AbortController();
  #began = Date.now();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silence;

  /** @param {AbortSignal} signal @param {EventTarget} wake */
  constructor(signal, wake) {
    signal.addEventListener('abort', () => this.#abort.abort(), { signal: this.#scope.signal });
    onWake(wake, this.#scope.signal, () => {
      this.woken = true;
      this.#abort.abort();
    });
    this.touch();
  }

  get signal() {
    return this.#abort.signal;
  }

  get age_s() {
    return (Date.now() - this.#began) / 1000;
  }

  touch() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#abort.abort(), SILENCE_S * 1000);
  }

  release() {
    clearTimeout(this.#silence);
    this.#scope.abort();
    this.#abort.abort();
  }
}

/** @param {number} seconds @param {AbortSignal} signal @param {EventTarget} wake @returns {Promise<void>} */
function pause(seconds, signal, wake) {
  const scope = new AbortController();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      scope.abort();
      resolve();
    };
    const timer = setTimeout(done, seconds * 1000);
    signal.addEventListener('abort', done, { signal: scope.signal });
    onWake(wake, scope.signal, done);
  });
}

/** @param {EventTarget} wake @param {AbortSignal} signal @param {() => void} then */
function onWake(wake, signal, then) {
  wake.addEventListener('online', then, { signal });
  // The first pageshow of a page is its load, which is no waking up.
  wake.addEventListener('pageshow', (event) => 'persisted' in event && event.persisted && then(), { signal });
}

/** @param {Response} answer */
async function readError(answer) {
  const body = await answer.json().catch(() => null);
  return new ReadError(answer.status, body?.error?.message ?? `The server answered ${answer.status}.`);
}
