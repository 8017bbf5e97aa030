/** The player bar: renders what it is given, and turns buttons, the seek bar and keys into requests. Holds no truth. */

import { STEP_S } from './session.js';

/**
 * @typedef {object} Shown
 * @property {import('./player.js').State} state
 * @property {number} position_s
 * @property {number} ready_s
 * @property {number} total_s
 * @property {boolean} estimated the total is a guess
 * @property {string} message of the status line
 */
/**
 * @typedef {object} Requests
 * @property {() => void} toggle
 * @property {(seconds: number) => void} seekTo
 * @property {(seconds: number) => void} skip
 * @property {(sentences: number) => void} step
 */

/** @template {HTMLElement} T @param {string} id @param {new () => T} kind @returns {T} */
export function part(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new TypeError(`the page lacks #${id}`);
  return element;
}

/** @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

/** @param {number} seconds */
function spoken(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const some = (/** @type {number} */ n, /** @type {string} */ unit) => `${n} ${unit}${n === 1 ? '' : 's'}`;
  return `${some(Math.floor(whole / 60), 'minute')} ${some(whole % 60, 'second')}`;
}

/** @param {HTMLElement} element @param {string} text */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export class PlayerView {
  #play = part('play', HTMLButtonElement);
  #seek = part('seek', HTMLInputElement);
  #elapsed = part('elapsed', HTMLElement);
  #total = part('total', HTMLElement);
  #status = part('status', HTMLElement);
  #bar = part('player', HTMLElement);
  #dragging = false;

  /** @param {Requests} requests @param {AbortSignal} signal */
  constructor(requests, signal) {
    const on = { signal };
    this.#play.addEventListener('click', requests.toggle, on);
    part('back', HTMLButtonElement).addEventListener('click', () => requests.skip(-STEP_S), on);
    part('forward', HTMLButtonElement).addEventListener('click', () => requests.skip(STEP_S), on);
    this.#seek.addEventListener('input', () => {
      this.#dragging = true;
      this.#place(Number(this.#seek.value));
    }, on);
    this.#seek.addEventListener('change', () => {
      this.#dragging = false;
      requests.seekTo(Number(this.#seek.value));
    }, on);
    addEventListener('keydown', (event) => this.#key(event, requests), on);
  }

  /** @param {Shown} shown */
  show({ state, position_s, ready_s, total_s, estimated, message }) {
    const sounding = state === 'playing' || state === 'waiting';
    if (this.#bar.dataset.state !== state) {
      this.#bar.dataset.state = state;
      this.#play.ariaLabel = sounding ? 'Pause' : state === 'ended' ? 'Play again' : 'Play';
    }
    write(this.#status, message);
    write(this.#total, `${estimated ? '~' : ''}${clock(total_s)}`);
    const max = String(Math.ceil(total_s));
    if (this.#seek.max !== max) this.#seek.max = max;
    this.#bar.style.setProperty('--ready-to', share(ready_s, total_s));
    if (!this.#dragging) this.#place(position_s, total_s);
  }

  /** @param {number} position_s @param {number} [total_s] */
  #place(position_s, total_s = Number(this.#seek.max)) {
    this.#bar.style.setProperty('--played', share(position_s, total_s));
    const text = clock(position_s);
    if (this.#elapsed.textContent === text) return;
    this.#elapsed.textContent = text;
    if (!this.#dragging) this.#seek.value = String(Math.floor(position_s));
    this.#seek.setAttribute('aria-valuetext', `${spoken(position_s)} of ${spoken(total_s)}`);
  }

  /** @param {KeyboardEvent} event @param {Requests} requests */
  #key(event, requests) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    // A focused button takes the space key itself, and the seek bar its arrows.
    const own = event.key === ' ' ? 'button, a' : event.key.startsWith('Arrow') ? 'input' : '[contenteditable]';
    if (event.target instanceof Element && event.target.closest(own)) return;
    /** @type {Record<string, () => void>} */
    const keys = {
      ' ': requests.toggle,
      k: requests.toggle,
      j: () => requests.skip(-STEP_S),
      l: () => requests.skip(STEP_S),
      ArrowLeft: () => requests.skip(-STEP_S),
      ArrowRight: () => requests.skip(STEP_S),
      '[': () => requests.step(-1),
      ']': () => requests.step(1),
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

/** @param {number} seconds @param {number} total_s */
function share(seconds, total_s) {
  return `${total_s > 0 ? Math.min(100, (100 * seconds) / total_s).toFixed(2) : 0}%`;
}
