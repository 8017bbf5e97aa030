/**
 * Bytes of a records answer -> frames. Pure: no DOM, no fetch, no clock.
 * A frame is `u32 length of the rest | u16 header length | JSON header | body`, big-endian.
 */

/** @typedef {[begin: number, end: number, start_ms: number, end_ms: number]} Word */
/**
 * @typedef {object} Header
 * @property {number} seq
 * @property {string} e kind: meta, start, audio, eos, fail
 * @property {number} [n] attempt
 * @property {number} [i] sentence index
 * @property {number} [d] duration, ms
 * @property {number} [s] samples at 24 kHz
 * @property {number} [c] sentences
 * @property {string} [t] sentence text
 * @property {string} [h] digest
 * @property {string} [r] reason
 * @property {Word[]} [w] word times
 */
/** @typedef {{header: Header, body: Uint8Array}} Frame */

const LENGTH_BYTES = 4;
const HEADER_LENGTH_BYTES = 2;

/** Above S2's 1 MiB per record with room for headers; more means that we lost the frame boundary. */
export const MAX_FRAME_BYTES = 2 * 1024 * 1024;

export class FrameError extends Error {
  name = 'FrameError';
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Turns chunks, cut anywhere, into frames; holds the bytes of the one that is not complete yet. */
export class FrameReader {
  #held = new Uint8Array(0);

  /** Bytes that wait for the rest of their frame. */
  get pending() {
    return this.#held.length;
  }

  /**
   * @param {Uint8Array} chunk
   * @returns {Frame[]} frames completed by this chunk
   * @throws {FrameError}
   */
  push(chunk) {
    const bytes = this.#held.length ? joined(this.#held, chunk) : chunk;
    const view = viewOf(bytes);
    /** @type {Frame[]} */
    const frames = [];
    let at = 0;
    while (bytes.length - at >= LENGTH_BYTES) {
      const length = view.getUint32(at);
      if (length < HEADER_LENGTH_BYTES || length > MAX_FRAME_BYTES) {
        throw new FrameError(`a frame of ${length} bytes`);
      }
      const begin = at + LENGTH_BYTES;
      if (bytes.length - begin < length) break;
      frames.push(parseFrame(bytes.subarray(begin, begin + length)));
      at = begin + length;
    }
    this.#held = bytes.slice(at);
    return frames;
  }
}

/** @param {Uint8Array} rest everything after the length @returns {Frame} */
function parseFrame(rest) {
  const bodyAt = HEADER_LENGTH_BYTES + viewOf(rest).getUint16(0);
  if (bodyAt > rest.length) throw new FrameError('a header longer than its frame');
  let header;
  try {
    header = JSON.parse(utf8.decode(rest.subarray(HEADER_LENGTH_BYTES, bodyAt)));
  } catch {
    throw new FrameError('a header that is not JSON');
  }
  if (!Number.isSafeInteger(header?.seq) || typeof header.e !== 'string') {
    throw new FrameError('a header without seq and e');
  }
  // A copy, so that one kept sentence does not pin the whole network chunk in memory.
  return { header, body: rest.slice(bodyAt) };
}

/** @param {Uint8Array} bytes */
function viewOf(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** @param {Uint8Array} a @param {Uint8Array} b */
function joined(a, b) {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
