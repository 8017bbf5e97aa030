/**
 * Where sentences lie on the virtual timeline, and what to do about it at a given place. Pure.
 * Clips are butt-joined at the running sum of their samples; seconds only at the edges.
 */

export const RATE = 24000;

/** Speech in characters a second until finished sentences have taught us better. */
export const CHARACTERS_PER_S = 15;

/** @typedef {{index: number, offset: number}} Place a sentence and seconds into it; survives a new attempt */

export class Timeline {
  /** @type {number[]} end of each clip, in samples */
  #ends = [];

  get count() {
    return this.#ends.length;
  }

  /** Seconds that are there. */
  get end() {
    return this.start(this.count);
  }

  /** @param {number} samples */
  append(samples) {
    this.#ends.push((this.#ends.at(-1) ?? 0) + samples);
  }

  /** @param {number} count clips to keep */
  truncate(count) {
    this.#ends.length = Math.min(this.#ends.length, count);
  }

  /** @param {number} index one past the last clip gives the end */
  start(index) {
    return index === 0 ? 0 : this.#ends[index - 1] / RATE;
  }

  /** @param {number} index */
  duration(index) {
    return this.start(index + 1) - this.start(index);
  }

  /** @param {number} seconds @returns {Place} past the end: the clip that is not there yet, with the rest as offset */
  placeAt(seconds) {
    const sample = Math.max(0, Math.round(seconds * RATE));
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ends[middle] > sample) high = middle;
      else low = middle + 1;
    }
    return { index: low, offset: Math.max(0, seconds - this.start(low)) };
  }

  /** @param {Place} place */
  secondsAt({ index, offset }) {
    return index > this.count ? this.end : this.start(index) + offset;
  }

  /** @param {Place} place @returns {Place} the same, with an offset beyond its clip carried over to the next ones */
  settle({ index, offset }) {
    while (index < this.count && offset >= this.duration(index)) {
      offset -= this.duration(index);
      index += 1;
    }
    return { index, offset };
  }

  /**
   * Which clips matter at a place: `[keep, from)` is behind and may stay decoded, `[from, to)` is to be decoded and
   * scheduled, all others are to be dropped.
   * @param {Place} place @param {number} ahead_s @param {number} behind_s
   * @returns {{keep: number, from: number, to: number}}
   */
  windowAt(place, ahead_s, behind_s) {
    const now = this.secondsAt(place);
    const from = Math.min(place.index, this.count);
    let to = from;
    while (to < this.count && this.start(to) <= now + ahead_s) to += 1;
    return { keep: this.placeAt(now - behind_s).index, from, to };
  }
}

/**
 * Seconds of the whole, from the characters that are still to come. Starts from a usual rate, which the finished
 * sentences outweigh after a paragraph.
 * @param {number} characters all @param {number} done characters of the finished sentences
 * @param {number} seconds of the finished sentences
 */
export function estimateTotal(characters, done, seconds) {
  const prior_s = 20;
  const rate = (done + prior_s * CHARACTERS_PER_S) / (seconds + prior_s);
  return seconds + Math.max(0, characters - done) / rate;
}

/**
 * The plan entry at an offset of the text: the one that holds it, else the next one, else the last; -1 without a plan.
 * @param {readonly (readonly [number, number, ...unknown[]])[]} plan @param {number} at UTF-16 units
 */
export function sentenceAt(plan, at) {
  let low = 0;
  let high = plan.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (plan[middle][1] > at) high = middle;
    else low = middle + 1;
  }
  return Math.min(low, plan.length - 1);
}
