/** Follows one cast: reader -> fold -> player. Ends when the cast has ended, or with the signal. */

import { EMPTY, fold } from './fold.js';
import { read } from './reader.js';

/** @typedef {import('./fold.js').Folded} Folded */
/** @typedef {import('./player.js').Player} Player */

const AHEAD_S = { visible: 120, hidden: 300 };

/**
 * @param {string} castId
 * @param {Player} player holds the sentences of `folded`
 * @param {{signal: AbortSignal, folded?: Folded, onfold?: (folded: Folded) => void, onretry?: () => void}} options
 * @returns {Promise<Folded>}
 */
export async function follow(castId, player, { signal, folded = EMPTY, onfold, onretry }) {
  const events = read(castId, {
    signal,
    from: folded.next,
    epoch: folded.epoch,
    ahead_s: () => player.ahead_s,
    limit_s: () => AHEAD_S[document.visibilityState] ?? AHEAD_S.visible,
  });
  for await (const event of events) {
    if (event.type === 'retry') {
      onretry?.();
      continue;
    }
    const before = folded.sentences;
    folded = event.type === 'restart' ? EMPTY : fold(folded, event.records);
    hand(player, before, folded.sentences);
    if (folded.ended === 'eos') player.complete();
    onfold?.(folded);
    if (folded.ended === 'eos') break;
  }
  return folded;
}

/**
 * Gives the player the difference.
 * @param {Player} player @param {import('./fold.js').Sentence[]} before @param {import('./fold.js').Sentence[]} now
 */
function hand(player, before, now) {
  let kept = Math.min(before.length, now.length);
  while (kept > 0 && before[kept - 1] !== now[kept - 1]) kept -= 1;
  player.truncate(kept);
  for (const sentence of now.slice(kept)) player.append(sentence);
}
