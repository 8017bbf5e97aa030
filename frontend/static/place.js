/** Keeps the listener's place of a cast on this device. A place in the link (`#t=83`) wins. */

import { clock } from './view.js';

const SAVE_MS = 5000;
/** Nobody misses the first seconds. */
const WORTH_KEEPING_S = 5;

/**
 * @param {import('./player.js').Player} player @param {string} castId
 * @param {HTMLButtonElement} offer shown where there is a place to go back to
 * @param {() => void} play @param {AbortSignal} signal
 */
export function keepPlace(player, castId, offer, play, signal) {
  const key = `streamtts:place:${castId}`;
  const save = () => {
    try {
      if (player.state === 'ended') localStorage.removeItem(key);
      else if (player.position_s > WORTH_KEEPING_S) {
        localStorage.setItem(key, JSON.stringify({ ...player.place, at_s: player.position_s }));
      }
    } catch {
      // Private windows and embeds refuse storage; the place is a comfort only.
    }
  };
  const timer = setInterval(save, SAVE_MS);
  signal.addEventListener('abort', () => clearInterval(timer));
  addEventListener('pagehide', save, { signal });
  player.addEventListener('state', () => {
    offer.hidden = true;
    save();
  }, { signal });

  const linked_s = Number(/[#&]t=([\d.]+)/.exec(location.hash)?.[1]);
  if (linked_s) return player.seekTo(linked_s);
  const kept = read(key);
  if (!kept) return;
  offer.textContent = `Continue at ${clock(kept.at_s)}`;
  offer.hidden = false;
  offer.addEventListener('click', () => {
    player.seek({ index: kept.index, offset: kept.offset });
    play();
  }, { signal });
}

/** @param {string} key @returns {{index: number, offset: number, at_s: number} | null} */
function read(key) {
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? 'null');
    return kept?.at_s > WORTH_KEEPING_S && kept.index >= 0 && kept.offset >= 0 ? kept : null;
  } catch {
    return null;
  }
}
