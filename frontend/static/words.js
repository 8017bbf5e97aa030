/** What the status line says. Pure. */

/**
 * @typedef {object} Situation
 * @property {string} notice a passing message; wins
 * @property {'queued' | 'speaking' | 'done' | 'failed'} cast
 * @property {import('./player.js').State} player
 * @property {number} ready sentences that can be heard
 * @property {number} place casts ahead in the queue
 */

/** @param {Situation} situation @returns {string} empty where the page speaks for itself */
export function statusWords({ notice, cast, player, ready, place }) {
  if (notice) return notice;
  if (cast === 'failed') return 'The voice stopped.';
  if (player === 'ended') return 'Finished.';
  if (player === 'waiting') {
    if (ready) return 'Waiting for the voice…';
    return `The voice is being prepared…${place > 0 ? ` ${place} ahead of this one.` : ''}`;
  }
  if (cast === 'done' || player === 'playing') return '';
  return ready ? 'Still speaking. You can listen already.' : 'The voice is being prepared. Press play whenever you like.';
}
