/**
 * The text of a cast: lights the sentence that is heard, fades what is still to be made, follows the voice until the
 * reader scrolls, and says which character was clicked. Changes no DOM where the CSS Custom Highlight API is there.
 */

import { sentenceAt } from './timeline.js';

/** @typedef {readonly [number, number, ...unknown[]]} Span UTF-16 units of the text */

/** Where the lit sentence is kept, in parts of the window's height. */
const BAND = { top: 0.12, target: 0.3, bottom: 0.62 };

/** @type {Record<string, number>} Higher lies on top. */
const PRIORITY = { pending: 0, sentence: 1, word: 2 };

export class TextView {
  /** @type {readonly Span[]} */
  #plan = [];
  #element;
  #chip;
  #following = true;
  #length;
  /** @type {Map<string, string>} what each mark shows, so that nothing is drawn twice */
  #shown = new Map();

  /** @param {HTMLElement} element @param {HTMLElement} chip @param {(sentence: number) => void} onpick @param {AbortSignal} signal */
  constructor(element, chip, onpick, signal) {
    this.#element = element;
    this.#length = element.textContent?.length ?? 0;
    this.#chip = chip;
    element.addEventListener('click', (event) => {
      const at = this.#offsetAt(event.clientX, event.clientY);
      if (at === null || !this.#plan.length || !getSelection()?.isCollapsed) return;
      this.follow();
      onpick(sentenceAt(this.#plan, at));
    }, { signal });
    chip.addEventListener('click', () => this.follow(), { signal });
    const leave = (/** @type {Event} */ { target }) => {
      if (!(target instanceof Element && target.closest('#player'))) this.#following = false;
    };
    for (const gesture of ['wheel', 'touchmove']) addEventListener(gesture, leave, { signal, passive: true });
    addEventListener('keydown', (event) => /^(Page|Home|End|ArrowUp|ArrowDown)/.test(event.key) && leave(event), { signal });
    addEventListener('scroll', () => this.#offerWayBack(), { signal, passive: true });
  }

  /** HTML parsers rewrite line ends, which would move every span: the record's text is the true one. @param {string} text */
  setText(text) {
    if (this.#element.textContent !== text) this.#element.textContent = text;
    this.#length = text.length;
  }

  /** @param {readonly Span[]} plan */
  setPlan(plan) {
    this.#plan = plan;
    this.#element.classList.toggle('pickable', plan.length > 0);
  }

  follow() {
    this.#following = true;
    this.#chip.hidden = true;
    this.#scrollToVoice();
  }

  /** @param {Span | undefined} sentence @param {Span | undefined} word @param {number} readyTo offset of what is still to be made */
  show(sentence, word, readyTo) {
    this.#mark('pending', readyTo < this.#length ? [readyTo, this.#length] : undefined);
    this.#mark('word', word);
    if (!this.#mark('sentence', sentence)) return;
    if (this.#following) this.#scrollToVoice();
    this.#offerWayBack();
  }

  /** @param {string} name @param {Span | undefined} span @returns {boolean} whether it changed */
  #mark(name, span) {
    const key = span ? `${span[0]}-${span[1]}` : '';
    if ((this.#shown.get(name) ?? '') === key) return false;
    this.#shown.set(name, key);
    if (globalThis.CSS?.highlights) {
      const light = new Highlight(...(span ? [this.#range(span)] : []));
      light.priority = PRIORITY[name] ?? 0;
      CSS.highlights.set(name, light);
    } else if (name === 'sentence') {
      this.#markByElement(span);
    }
    return true;
  }

  /** Without highlights: one <mark> between two text nodes. @param {Span | undefined} span */
  #markByElement(span) {
    const text = this.#element.textContent ?? '';
    if (!span) return this.#element.replaceChildren(text);
    const mark = document.createElement('mark');
    mark.textContent = text.slice(span[0], span[1]);
    this.#element.replaceChildren(text.slice(0, span[0]), mark, text.slice(span[1]));
  }

  /** @param {Span} span */
  #range([begin, end]) {
    const range = new Range();
    range.setStart(...this.#pointAt(begin, true));
    range.setEnd(...this.#pointAt(end, false));
    return range;
  }

  /** @param {number} offset @param {boolean} before at a border between nodes: the later one @returns {[Node, number]} */
  #pointAt(offset, before) {
    const walker = document.createTreeWalker(this.#element, NodeFilter.SHOW_TEXT);
    let node = walker.nextNode();
    for (let next = node; next; next = walker.nextNode()) {
      if (node !== next) offset -= lengthOf(node);
      node = next;
      if (before ? offset < lengthOf(node) : offset <= lengthOf(node)) break;
    }
    return [node ?? this.#element, Math.min(offset, lengthOf(node))];
  }

  /** Box of the lit sentence. @returns {DOMRect | null} */
  #box() {
    const key = this.#shown.get('sentence');
    if (!key) return null;
    const [begin, end] = key.split('-').map(Number);
    const lit = this.#element.querySelector('mark') ?? this.#range([begin, end]);
    return lit.getBoundingClientRect();
  }

  #scrollToVoice() {
    const box = this.#box();
    if (!box || (box.top > innerHeight * BAND.top && box.bottom < innerHeight * BAND.bottom)) return;
    const behavior = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'instant' : 'smooth';
    scrollTo({ top: scrollY + box.top - innerHeight * BAND.target, behavior });
  }

  #offerWayBack() {
    if (this.#following) return;
    const box = this.#box();
    this.#chip.hidden = !box || (box.bottom > 0 && box.top < innerHeight * 0.8);
  }

  /** @param {number} x @param {number} y @returns {number | null} offset in the text */
  #offsetAt(x, y) {
    // Firefox and newer Chromium have the first, Safari the second.
    const position = document.caretPositionFromPoint?.(x, y);
    const range = position ? null : document.caretRangeFromPoint?.(x, y);
    const node = position?.offsetNode ?? range?.startContainer;
    if (!node || !this.#element.contains(node)) return null;
    const before = new Range();
    before.setStart(this.#element, 0);
    before.setEnd(node, position?.offset ?? range?.startOffset ?? 0);
    return before.toString().length;
  }
}

/** @param {Node | null} node */
function lengthOf(node) {
  return node?.nodeValue?.length ?? 0;
}
