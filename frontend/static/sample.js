/** "Listen" beside the voices: a short cast in the chosen voice, played by the same player. */

import { submit } from './api.js';
import { follow } from './follow.js';
import { Player } from './player.js';
import { openContext, startPlayback } from './session.js';

/** One neutral sentence or two in the languages most asked for; the others try their voice on English. */
const SAMPLES = {
  en: 'This is how I sound. Paste your text and listen.',
  de: 'So klinge ich. Füge deinen Text ein und hör zu.',
  es: 'Así sueno yo. Pega tu texto y escucha.',
  fr: 'Voici ma voix. Collez votre texte et écoutez.',
  it: 'Questa è la mia voce. Incolla il testo e ascolta.',
  pt: 'Esta é a minha voz. Cole o seu texto e escute.',
  nl: 'Zo klink ik. Plak je tekst en luister.',
  pl: 'Tak brzmi mój głos. Wklej tekst i słuchaj.',
  ru: 'Так звучит мой голос. Вставьте текст и слушайте.',
  ja: 'これが私の声です。文章を貼り付けて、聞いてください。',
  zh: '这是我的声音。粘贴文字，开始聆听。',
  hi: 'मेरी आवाज़ ऐसी है। अपना लेख चिपकाएँ और सुनें।',
};

/** @param {string} lang such as `en-us` */
export function sampleFor(lang) {
  const base = lang.toLowerCase().split(/[-_]/)[0];
  return SAMPLES[/** @type {keyof typeof SAMPLES} */ (base === 'cmn' ? 'zh' : base)] ?? SAMPLES.en;
}

/** @param {HTMLButtonElement} button @param {HTMLSelectElement} voice @param {(words: string) => void} showError */
export function trySample(button, voice, showError) {
  const { ctx, output } = openContext();
  /** @type {{player: Player, scope: AbortController} | null} */
  let current = null;

  const stop = () => {
    current?.scope.abort();
    current?.player.pause();
    current?.player.seek({ index: 0, offset: 0 }); // else its scheduled rest would sound under the next sample
    current = null;
    show('idle');
  };

  /** @param {'idle' | 'waiting' | 'playing'} state */
  const show = (state) => {
    button.dataset.state = state;
    button.ariaLabel = state === 'idle' ? 'Listen to this voice' : 'Stop';
  };

  button.addEventListener('click', async () => {
    if (current) return stop();
    const player = new Player(ctx, output);
    const scope = new AbortController();
    current = { player, scope };
    const { signal } = scope;
    show('waiting');
    player.addEventListener('state', () => {
      if (player.state === 'playing' || player.state === 'waiting') show(player.state);
      else stop();
    }, { signal });
    void startPlayback(ctx, player);
    try {
      const lang = voice.selectedOptions[0]?.dataset.lang ?? 'en';
      const { id } = await submit({ text: sampleFor(lang), voice: voice.value }, signal);
      await follow(id, player, {
        signal,
        onfold(folded) {
          if (folded.ended === 'fail') throw new Error(folded.message || 'This voice is not there right now.');
        },
      });
    } catch (error) {
      if (signal.aborted) return;
      showError(error instanceof Error ? error.message : String(error));
      stop();
    }
  });
  for (const place of [voice, document.getElementById('cards')]) place?.addEventListener('change', stop);
}
