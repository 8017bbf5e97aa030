/**
 * The sentences of a cast as sound: keeps every MP3, and decoded PCM only inside a window (an hour of PCM is 346 MB,
 * an hour of MP3 29 MB). No DOM, no fetch, no clock.
 */

import { RATE } from './timeline.js';

/** @typedef {AudioBuffer | 'silence'} Sound `silence`: it cannot be decoded, its time passes without sound */
/** @typedef {{index: number, s: number, mp3: Uint8Array, sound: Sound | null}} Clip */
/** @typedef {(mp3: Uint8Array) => Promise<AudioBuffer>} Decode */

/** Resamplers may round by a sample or two; more missing means a broken MP3, which decodes "successfully" but short. */
const TOLERANCE = 2;

/** @type {Decode} Works before any gesture, and keeps the sound at 24 kHz. The copy is because browsers detach it. */
export const decodeOffline = (mp3) =>
  new OfflineAudioContext(1, 1, RATE).decodeAudioData(/** @type {ArrayBuffer} */ (mp3.slice().buffer));

export class Clips {
  #decode;
  #decoding = false;
  /** @type {Clip[]} */
  #clips = [];

  /** @param {Decode} decode */
  constructor(decode) {
    this.#decode = decode;
  }

  /** @param {number} s samples that it must decode to @param {Uint8Array} mp3 */
  append(s, mp3) {
    this.#clips.push({ index: this.#clips.length, s, mp3, sound: null });
  }

  /** @param {number} count clips to keep */
  truncate(count) {
    this.#clips.length = count;
  }

  /** @param {number} index */
  soundOf(index) {
    return this.#clips[index]?.sound ?? null;
  }

  /** Forgets the PCM outside of [keep, to). @param {number} keep @param {number} to */
  evict(keep, to) {
    for (const clip of this.#clips) if (clip.index < keep || clip.index >= to) clip.sound = null;
  }

  /**
   * Decodes one after the other until nothing in the window is left: four at once are no faster.
   * @param {() => {from: number, to: number}} window asked anew each time, as it moves
   * @param {(clip: Clip) => void} decoded
   */
  async decodeAhead(window, decoded) {
    if (this.#decoding) return;
    this.#decoding = true;
    for (let clip = this.#undecoded(window()); clip; clip = this.#undecoded(window())) {
      const sound = await this.#decode(clip.mp3).catch(() => null);
      if (this.#clips[clip.index] !== clip) continue; // voided by a new attempt meanwhile
      clip.sound = sound && sound.length >= clip.s - TOLERANCE ? sound : 'silence';
      decoded(clip);
    }
    this.#decoding = false;
  }

  /** @param {{from: number, to: number}} window */
  #undecoded({ from, to }) {
    for (let index = from; index < to; index += 1) if (!this.#clips[index].sound) return this.#clips[index];
    return null;
  }
}
