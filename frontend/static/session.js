/** The page as a media app: the device's audio session, lock-screen buttons, and waking up after an interruption. */

/** @typedef {import('./player.js').Player} Player */

export const STEP_S = 10;
const HORIZON_S = { visible: 10, hidden: 60 };
const FROZEN_MS = 400;

/**
 * Tells iOS that this is playback, which the silent switch and the lock screen leave alone. First thing in the tap;
 * it stops other apps' music, so it goes back to `auto` at the end.
 * @param {'playback' | 'auto'} type
 */
export function setAudioSession(type) {
  const { audioSession } = /** @type {Navigator & {audioSession?: {type: string}}} */ (navigator);
  if (audioSession) audioSession.type = type;
}

/** A context that waits for the first gesture. Made early: making it in the click costs 80 ms. */
export function openContext() {
  const ctx = new window.AudioContext({ latencyHint: 'playback' });
  const output = ctx.createGain();
  output.connect(ctx.destination);
  return { ctx, output };
}

/**
 * @param {Player} player
 * @param {{title: string, artist: string, toggle: () => void, step: (sentences: number) => void}} page
 * @param {AbortSignal} signal
 */
export function announceMedia(player, { title, artist, toggle, step }, signal) {
  const session = navigator.mediaSession;
  if (!session) return;
  session.metadata = new MediaMetadata({ title, artist });
  /** @type {[MediaSessionAction, MediaSessionActionHandler][]} */
  const handlers = [
    ['play', () => player.wanted || toggle()],
    ['pause', () => player.wanted && toggle()],
    ['seekbackward', ({ seekOffset }) => player.seekTo(player.position_s - (seekOffset ?? STEP_S))],
    ['seekforward', ({ seekOffset }) => player.seekTo(player.position_s + (seekOffset ?? STEP_S))],
    ['seekto', ({ seekTime }) => player.seekTo(seekTime ?? 0)],
    ['previoustrack', () => step(-1)],
    ['nexttrack', () => step(1)],
  ];
  for (const [action, handler] of handlers) {
    try {
      session.setActionHandler(action, handler);
    } catch {
      // Older browsers throw on actions that they don't know.
    }
  }
  player.addEventListener('state', () => {
    session.playbackState = player.wanted ? 'playing' : 'paused';
    if (player.state === 'ended') setAudioSession('auto');
  }, { signal });
}

/**
 * Recovers from calls, alarms, route changes and frozen contexts. `state` may be `interrupted`, so never test for
 * `suspended`.
 * @param {AudioContext} ctx @param {Player} player @param {AbortSignal} signal
 */
export function watchContext(ctx, player, signal) {
  let interrupted = false;
  ctx.addEventListener('statechange', async () => {
    if (ctx.state === 'running') {
      if (interrupted) player.play();
      interrupted = false;
    } else if (await stuck(ctx, player, 1000)) {
      interrupted = true;
      player.pause();
    }
  }, { signal });

  // WebKit may come back "running" with a clock that stands still.
  const wake = async () => {
    player.horizon_s = HORIZON_S[document.visibilityState] ?? HORIZON_S.visible;
    player.pump();
    if (document.visibilityState !== 'visible' || player.state !== 'playing') return;
    const before = ctx.currentTime;
    await sleep(FROZEN_MS);
    if (player.state !== 'playing' || ctx.currentTime !== before || ctx.state !== 'running') return;
    player.pause();
    player.play();
  };
  document.addEventListener('visibilitychange', wake, { signal });
  window.addEventListener('pageshow', wake, { signal });
  void wake();
}

/**
 * Plays, in the tap. WebKit may refuse without any event or rejection: then this answers false and the player rests.
 * @param {AudioContext} ctx @param {Player} player
 */
export async function startPlayback(ctx, player) {
  setAudioSession('playback');
  player.play();
  if (!(await stuck(ctx, player, 3000))) return true;
  player.pause();
  return false;
}

/** @param {AudioContext} ctx @param {Player} player @param {number} grace_ms */
async function stuck(ctx, player, grace_ms) {
  if (!player.wanted) return false;
  await sleep(grace_ms);
  return player.wanted && ctx.state !== 'running';
}

/** @param {number} ms */
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
