/**
 * Records -> what counts of them. Pure. The only place that knows which attempt is heard.
 * Equal to the Python fold, held to it by the golden fixtures; fold(a + b) = fold(fold(a), b).
 */

/** @typedef {import('./frames.js').Frame} Frame */
/** @typedef {import('./frames.js').Word} Word */
/** @typedef {[begin: number, end: number, pause_ms: number]} PlanEntry UTF-16 units of the text */
/** @typedef {{v: number, epoch: string, title: string, voice: string, lang: string, created: string, text: string}} Meta */
/** @typedef {{seq: number, i: number, n: number, d: number, s: number, words: Word[], mp3: Uint8Array}} Sentence */
/**
 * @typedef {object} Folded
 * @property {Meta | null} meta
 * @property {string | null} epoch
 * @property {number} attempt 0 before the first start
 * @property {PlanEntry[]} plan
 * @property {Sentence[]} sentences a gapless prefix of the plan
 * @property {null | 'eos' | 'fail'} ended
 * @property {string | null} reason code of the failure
 * @property {string | null} message public words of the failure
 * @property {string | null} digest
 * @property {number} ignored records that did not count
 * @property {number} next the cursor: last seq + 1
 */

/** @type {Readonly<Folded>} */
export const EMPTY = Object.freeze({
  meta: null, epoch: null, attempt: 0, plan: [], sentences: [], ended: null,
  reason: null, message: null, digest: null, ignored: 0, next: 0,
});

const utf8 = new TextDecoder();

/**
 * @param {Readonly<Folded>} before left as it is
 * @param {Iterable<Frame>} records
 * @returns {Folded}
 */
export function fold(before, records) {
  const state = { ...before, sentences: before.sentences.slice() };
  for (const record of records) {
    if (!apply(state, record)) state.ignored += 1;
    state.next = record.header.seq + 1;
  }
  return state;
}

/** @param {Folded} state @param {Frame} record @returns {boolean} whether it counted */
function apply(state, record) {
  if (state.ended === 'eos') return false;
  switch (record.header.e) {
    case 'meta': return applyMeta(state, record);
    case 'start': return applyStart(state, record);
    case 'audio': return applyAudio(state, record);
    case 'eos': return applyEos(state, record);
    case 'fail': return applyFail(state, record);
    default: return false;
  }
}

/** @param {Folded} state @param {Frame} record */
function applyMeta(state, { body }) {
  const meta = parsed(body);
  if (state.meta || state.attempt || state.ended || typeof meta?.text !== 'string') return false;
  state.meta = meta;
  state.epoch = meta.epoch;
  return true;
}

/** @param {Folded} state @param {Frame} record */
function applyStart(state, { header, body }) {
  const { n = 0, i = 0 } = header;
  if (n <= state.attempt || i > state.sentences.length) return false;
  if (i === 0) {
    const plan = parsed(body);
    if (!Array.isArray(plan)) return false;
    state.plan = plan;
  }
  state.attempt = n;
  state.sentences.length = i;
  state.ended = state.reason = state.message = null;
  return true;
}

/** @param {Folded} state @param {Frame} record */
function applyAudio(state, { header, body }) {
  const { seq, n = 0, i = -1, d = 0, s = 0, w: words = [] } = header;
  if (state.ended || n !== state.attempt || i !== state.sentences.length || i >= state.plan.length) return false;
  state.sentences.push({ seq, i, n, d, s, words, mp3: body });
  return true;
}

/** @param {Folded} state @param {Frame} record */
function applyEos(state, { header }) {
  if (state.ended || header.n !== state.attempt || header.c !== state.sentences.length) return false;
  state.ended = 'eos';
  state.digest = header.h ?? null;
  return true;
}

/** @param {Folded} state @param {Frame} record */
function applyFail(state, { header, body }) {
  if (state.ended || header.n !== state.attempt) return false;
  state.ended = 'fail';
  state.reason = header.r ?? null;
  state.message = utf8.decode(body);
  return true;
}

/** @param {Uint8Array} body @returns {any} null where it is not JSON */
function parsed(body) {
  try {
    return JSON.parse(utf8.decode(body));
  } catch {
    return null;
  }
}
