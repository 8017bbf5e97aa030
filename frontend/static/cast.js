/** The cast page: wires reader, player and views together. */

import { ApiError, retry, status, submit } from './api.js';
import { EMPTY } from './fold.js';
import { follow } from './follow.js';
import { keepPlace } from './place.js';
import { Player } from './player.js';
import { announceMedia, openContext, startPlayback, watchContext } from './session.js';
import { offerSharing } from './share.js';
import { TextView } from './text.js';
import { RATE, estimateTotal } from './timeline.js';
import { part, PlayerView } from './view.js';
import { statusWords } from './words.js';

/** @typedef {import('./fold.js').Folded} Folded */

const POLL_MS = { waiting: 2000, speaking: 5000 };

const page = part('cast', HTMLElement);
const { id = '', title = '', voice = '', url = location.href } = page.dataset;
const text = part('text', HTMLElement);
const scope = new AbortController();
const { signal } = scope;

const { ctx, output } = openContext();
const player = new Player(ctx, output);
/** @type {Folded} */
let folded = EMPTY;
/** @type {import('./api.js').Status | null} what the server says; null until it did */
let reported = null;
/** A passing message of the status line. */
let notice = '';

async function toggle() {
  if (player.wanted) return player.pause();
  notice = '';
  if (!(await startPlayback(ctx, player))) notice = 'The browser did not start the sound. Tap play again.';
}

/** @param {number} sentences */
function step(sentences) {
  const { index, offset } = player.place;
  // "Back" first returns to the beginning of the sentence, as music players do.
  const back = sentences < 0 && offset > 2 ? 0 : sentences;
  player.seek({ index: Math.max(0, Math.min(index + back, lastSentence())), offset: 0 });
}

const lastSentence = () => Math.max(0, folded.plan.length - 1);

const view = new PlayerView({
  toggle,
  step,
  seekTo: (seconds) => player.seekTo(Math.min(seconds, times().ready_s)),
  skip: (seconds) => player.seekTo(Math.min(player.position_s + seconds, times().ready_s)),
}, signal);
const textView = new TextView(text, part('follow', HTMLButtonElement), (index) => {
  player.seek({ index, offset: 0 });
  if (!player.wanted) toggle();
}, signal);
announceMedia(player, { title, artist: 'StreamTTS', toggle, step }, signal);
watchContext(ctx, player, signal);

/** Sentences that are made, here or still on the server. */
function readyCount() {
  return Math.max(folded.sentences.length, reported?.sentences_done ?? 0);
}

function times() {
  const held_s = player.end_s;
  const complete = folded.ended === 'eos' || reported?.state === 'done';
  const ready_s = Math.max(held_s, (reported?.duration_ms ?? 0) / 1000);
  const length = folded.meta?.text.length ?? text.textContent?.length ?? 0;
  const done = folded.plan[readyCount() - 1]?.[1] ?? 0;
  return { ready_s, total_s: complete ? ready_s : estimateTotal(length, done, ready_s), estimated: !complete };
}

/** What was read is newer than what was asked; while neither speaks, the cast waits. */
function castState() {
  if (folded.ended) return folded.ended === 'eos' ? 'done' : 'failed';
  return reported?.state ?? 'queued';
}

function render() {
  // What is heard now left the context a moment ago.
  const playing = player.state === 'playing';
  const { index, offset } = playing ? player.placeAt(player.position_s - (ctx.outputLatency || 0)) : player.place;
  const sentence = folded.sentences[index];
  const started = player.state !== 'paused' || player.position_s > 0 || index > 0;
  const now_ms = offset * 1000;
  const word = sentence?.words.find(([, , begin, end]) => begin <= now_ms && now_ms < end);
  const lit = started && player.state !== 'ended' ? folded.plan[index] : undefined;
  const made = folded.ended === 'eos' ? Infinity : (folded.plan[readyCount() - 1]?.[1] ?? 0);
  textView.show(lit, lit && word, made);
  const { state } = player;
  const message = statusWords({ notice, cast: castState(), player: state, ready: readyCount(), place: reported?.place ?? 0 });
  view.show({ state, position_s: player.position_s, message, ...times() });
}

let frame = 0;
function animate() {
  render();
  frame = player.state === 'playing' ? requestAnimationFrame(animate) : 0;
}
player.addEventListener('state', () => {
  if (!frame) animate();
  if (player.state === 'waiting' && folded.ended === 'fail') player.pause();
}, { signal });
player.addEventListener('problem', () => {
  notice = 'One sentence cannot be played and stays silent.';
}, { signal });

// --- following the cast

const failure = part('failure', HTMLElement);
let listening = false;
let polls = 0;

/** @param {string | null} words */
function showFailure(words) {
  failure.hidden = words === null;
  if (words !== null) part('failure-text', HTMLElement).textContent = words;
}

async function listen() {
  listening = true;
  void poll();
  try {
    folded = await follow(id, player, {
      signal,
      folded,
      onfold(now) {
        folded = now;
        notice = '';
        if (now.meta) textView.setText(now.meta.text);
        textView.setPlan(now.plan);
        showFailure(now.ended === 'fail' ? (now.message || 'The voice could not finish this text.') : null);
        if (now.ended === 'fail' && player.state === 'waiting') player.pause();
        render();
      },
      onretry() {
        notice = 'The connection is lost. Trying again…';
        render();
      },
    });
  } catch (error) {
    showFailure(error instanceof Error ? error.message : String(error));
    player.pause();
  } finally {
    listening = false;
  }
}

/** Asks for what the records don't tell: the place in the queue, and how far it is beyond what was read. */
async function poll() {
  const turn = ++polls;
  while (listening && turn === polls && folded.ended !== 'eos') {
    const was = reported;
    reported = await status(id, signal).catch(() => was);
    render();
    if (reported?.state === 'done') return;
    const wait_ms = reported?.state === 'speaking' ? POLL_MS.speaking : POLL_MS.waiting;
    await new Promise((resolve) => setTimeout(resolve, wait_ms));
  }
}

/** What the button stands for: after a failure, after an expiry, and where only the connection was lost. */
async function tryAgain() {
  try {
    await retry(id, signal);
  } catch (error) {
    const code = error instanceof ApiError ? error.code : '';
    if (code === 'not_failed') return;
    if (code !== 'cast_not_found') throw error;
    const again = await submit({ text: folded.meta?.text ?? text.textContent ?? '', voice, title });
    if (again.id !== id) location.assign(again.url);
  }
}

part('retry', HTMLButtonElement).addEventListener('click', async () => {
  try {
    await tryAgain();
    showFailure(null);
    reported = null;
    await listen();
  } catch (error) {
    showFailure(error instanceof Error ? error.message : String(error));
  }
}, { signal });

keepPlace(player, id, part('resume', HTMLButtonElement), toggle, signal);
offerSharing(part('share', HTMLButtonElement), { title, url }, (words) => {
  notice = words;
  render();
}, signal);
render();
listen();

/** For tests and the curious: read-only. */
Object.defineProperty(window, 'streamtts', {
  value: Object.freeze({
    get state() { return player.state; },
    get position_s() { return player.position_s; },
    get sentences() { return folded.sentences.length; },
    get samples() { return Math.round(player.end_s * RATE); },
    get ended() { return folded.ended; },
    get digest() { return folded.digest; },
  }),
});
