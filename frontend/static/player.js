/**
 * Plays sentences in an AudioContext where the timeline says. No DOM, no fetch.
 * The context and the output belong to the caller.
 * Events: `state`; `problem` (detail: sentence index) for a sentence that cannot be heard.
 */

import { Clips, decodeOffline } from './clips.js';
import { Nodes } from './nodes.js';
import { Timeline } from './timeline.js';

/** @typedef {import('./timeline.js').Place} Place */
/** @typedef {'paused' | 'waiting' | 'playing' | 'ended'} State */

/** From "start" to sound: room for the audio thread to take the node in time. */
const EDGE_S = 0.06;
/** Nearer than this, the audio thread may already have rendered past it (it works in blocks of up to 21 ms). */
const LATE_S = 0.03;
const BEHIND_S = 30;
const TICK_MS = 250;

export class Player extends EventTarget {
  /** Seconds to schedule ahead; raise it while the page is hidden, where timers are throttled. */
  horizon_s = 10;

  #ctx;
  #nodes;
  #timeline = new Timeline();
  #clips;
  /** @type {Place} valid while there is no anchor */
  #place = { index: 0, offset: 0 };
  /** @type {number | null} context time of position 0; null: nothing is scheduled */
  #anchor = null;
  /** Position at which the current anchor begins to sound. */
  #from_s = 0;
  /** The next clip to schedule; clips are scheduled strictly in order. */
  #next = 0;
  #wanted = false;
  #complete = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  /** @type {State} */
  #state = 'paused';

  /** @param {BaseAudioContext & {suspend(): Promise<void>, resume(): Promise<void>}} ctx @param {AudioNode} output @param {import('./clips.js').Decode} [decode] */
  constructor(ctx, output, decode = decodeOffline) {
    super();
    this.#ctx = ctx;
    this.#nodes = new Nodes(ctx, output, () => this.pump());
    this.#clips = new Clips(decode);
  }

  get state() {
    return this.#state;
  }

  /** Somebody wants to hear it, whether it sounds already or has to wait. */
  get wanted() {
    return this.#wanted;
  }

  /** Seconds that are there to be played. */
  get end_s() {
    return this.#timeline.end;
  }

  get position_s() {
    if (this.#anchor === null) return this.#timeline.secondsAt(this.#place);
    return Math.min(Math.max(this.#clock(), this.#from_s), this.#timeline.end);
  }

  /** @returns {Place} */
  get place() {
    return this.#anchor === null ? this.#place : this.#timeline.placeAt(this.position_s);
  }

  /** @param {number} seconds */
  placeAt(seconds) {
    return this.#timeline.placeAt(seconds);
  }

  /** Seconds buffered ahead of the playhead. */
  get ahead_s() {
    return Math.max(0, this.#place.index > this.#timeline.count ? 0 : this.end_s - this.position_s);
  }

  /** @param {{s: number, mp3: Uint8Array}} sentence the next one */
  append({ s, mp3 }) {
    this.#clips.append(s, mp3);
    this.#timeline.append(s);
    this.pump();
  }

  /** A new attempt voids the sentences from `count` on. What is kept plays on untouched. @param {number} count */
  truncate(count) {
    this.#complete = false;
    if (count >= this.#timeline.count) return;
    const place = this.place;
    this.#drop(count);
    this.#clips.truncate(count);
    this.#timeline.truncate(count);
    if (place.index >= count) this.#rest(place);
    this.pump();
  }

  /** There will be no more sentences. */
  complete() {
    this.#complete = true;
    this.pump();
  }

  /** Call it directly in the gesture: a suspended context wakes only there. */
  play() {
    if (this.#state === 'ended') this.#place = { index: 0, offset: 0 };
    this.#wanted = true;
    this.#ctx.resume().catch(() => {});
    this.#timer ??= setInterval(() => this.pump(), TICK_MS);
    this.pump();
  }

  /** Freezes the context: its clock stands still, so what is scheduled stays where it is. */
  pause() {
    this.#idle();
    this.#ctx.suspend().catch(() => {});
    this.pump();
  }

  /** @param {Place} place may lie ahead of what is there: then it waits for it */
  seek(place) {
    this.#drop(0);
    this.#rest(place);
    this.pump();
  }

  /** @param {number} seconds */
  seekTo(seconds) {
    this.seek(this.placeAt(seconds));
  }

  /** Does all that is due now. Safe to call at any time. */
  pump() {
    if (this.#anchor !== null && this.#clock() >= this.#due()) this.#rest({ index: this.#next, offset: 0 });
    if (this.#anchor === null) this.#place = this.#timeline.settle(this.#place);
    const atEnd = this.#anchor === null && this.#place.index >= this.#timeline.count && this.#complete;
    if (atEnd) this.#idle();
    const { keep, from, to } = this.#window();
    if (this.#wanted) {
      if (this.#anchor === null && this.#clips.soundOf(from)) this.#setAnchor(from);
      while (this.#anchor !== null && this.#next < to && this.#clips.soundOf(this.#next)) this.#schedule(this.#anchor);
    }
    this.#clips.evict(keep, to);
    void this.#clips.decodeAhead(() => this.#window(), ({ index, sound }) => {
      if (sound === 'silence') this.dispatchEvent(new CustomEvent('problem', { detail: index }));
      this.pump();
    });
    this.#report(this.#wanted ? (this.#anchor === null ? 'waiting' : 'playing') : atEnd ? 'ended' : 'paused');
  }

  /**
   * Position at which all that is scheduled has been heard, or the next clip comes too late to begin in time: there the
   * playhead waits. Running on would cut the clip's beginning, and start() in the past overlaps it with the one after.
   */
  #due() {
    return this.#timeline.start(this.#next) - (this.#next < this.#timeline.count ? LATE_S : 0);
  }

  #clock() {
    return this.#ctx.currentTime - (this.#anchor ?? 0);
  }

  #idle() {
    this.#wanted = false;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** @param {Place} place */
  #rest(place) {
    this.#place = place;
    this.#anchor = null;
  }

  /** @param {number} index */
  #setAnchor(index) {
    this.#from_s = this.#timeline.secondsAt(this.#place);
    this.#anchor = this.#ctx.currentTime + EDGE_S - this.#from_s;
    this.#next = index;
  }

  /** @param {number} anchor */
  #schedule(anchor) {
    const index = this.#next++;
    const sound = this.#clips.soundOf(index);
    if (!sound || sound === 'silence') return;
    const at = this.#timeline.start(index);
    const length = this.#timeline.duration(index);
    const offset = Math.max(0, this.#from_s - at);
    this.#nodes.start(index, sound, anchor + at + offset, offset, length - offset);
  }

  /** @param {number} from stops what is scheduled of this clip and the later ones */
  #drop(from) {
    this.#nodes.drop(from);
    this.#next = Math.min(this.#next, from);
  }

  #window() {
    return this.#timeline.windowAt(this.place, this.horizon_s, BEHIND_S);
  }

  /** @param {State} state */
  #report(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(new Event('state'));
  }
}
