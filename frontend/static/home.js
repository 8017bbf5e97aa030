/** The home page: text in, voice picked and tried, link out. */

import { submit } from './api.js';
import { trySample } from './sample.js';
import { part } from './view.js';

const DRAFT = 'streamtts:draft';
const CHARACTERS_PER_MINUTE = 900;

const form = part('compose', HTMLFormElement);
const text = part('text', HTMLTextAreaElement);
const voice = part('voice', HTMLSelectElement);
const send = part('send', HTMLButtonElement);
const error = part('error', HTMLElement);
const count = part('count', HTMLElement);
const most_bytes = Number(form.dataset.maxTextBytes);

/** @param {string} words empty: nothing is wrong */
function showError(words) {
  error.textContent = words;
  error.hidden = !words;
}

/** @returns {string} what is wrong with the text, in words; empty if nothing is */
function refusal() {
  if (!text.value.trim()) return 'Paste some text first.';
  const bytes = new TextEncoder().encode(text.value.trim()).length;
  if (bytes <= most_bytes) return '';
  const over = Math.ceil((100 * (bytes - most_bytes)) / bytes);
  return `The text is too long: about ${over} % have to go. One cast takes ${Math.round(most_bytes / 1024)} KiB.`;
}

function measure() {
  const { length } = text.value.trim();
  const minutes = Math.round(length / CHARACTERS_PER_MINUTE);
  const speech = minutes < 1 ? 'under a minute' : minutes < 90 ? `about ${minutes} min` : `about ${Math.round(minutes / 60)} h`;
  count.textContent = length ? `${length.toLocaleString('en')} characters · ${speech}` : '';
}

/** @param {string} words */
function setText(words) {
  text.value = words;
  text.scrollTop = 0;
  keepDraft();
  measure();
}

function keepDraft() {
  try {
    sessionStorage.setItem(DRAFT, text.value);
  } catch {
    // A draft too big for the storage, or no storage at all: then it is not kept.
  }
}

function firstText() {
  const linked = /^#text=(.+)/s.exec(location.hash)?.[1];
  try {
    if (linked) {
      history.replaceState(null, '', location.pathname); // else a reload would undo what was edited since
      return decodeURIComponent(linked);
    }
    return text.value || sessionStorage.getItem(DRAFT) || '';
  } catch {
    return text.value;
  }
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const wrong = refusal();
  showError(wrong);
  if (wrong) return text.focus();
  send.disabled = true;
  try {
    const { url } = await submit({ text: text.value.trim(), voice: voice.value });
    sessionStorage.removeItem(DRAFT);
    location.assign(url);
  } catch (refused) {
    showError(refused instanceof Error ? refused.message : String(refused));
    send.disabled = false;
  }
});
// Coming back by the browser's cache must not find a dead button.
addEventListener('pageshow', () => {
  send.disabled = false;
});

text.addEventListener('input', () => {
  keepDraft();
  measure();
  // Three bytes are the most that one UTF-16 unit takes: only then it is worth counting.
  showError(text.value.length * 3 > most_bytes ? refusal() : '');
});
text.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

// --- files

/** @param {File | undefined} file */
async function open(file) {
  if (!file) return;
  const readable = file.type.startsWith('text/') || /\.(txt|md|markdown|text)$/i.test(file.name);
  if (!readable) return showError(`${file.name} is not a text file. Text and Markdown can be read.`);
  setText(await file.text());
}

const picker = part('file', HTMLInputElement);
picker.addEventListener('change', async () => {
  await open(picker.files?.[0]);
  picker.value = '';
});
for (const kind of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  addEventListener(kind, (event) => {
    const { dataTransfer } = /** @type {DragEvent} */ (event);
    if (!dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    form.classList.toggle('dropping', kind === 'dragenter' || kind === 'dragover');
    if (kind === 'drop') void open(dataTransfer.files[0]);
  });
}

// --- voices: the select is what counts, the cards are the short way to it

const cards = part('cards', HTMLFieldSetElement);
const radios = [...cards.querySelectorAll('input')];

function showPicked() {
  for (const radio of radios) radio.checked = radio.value === voice.value;
}

cards.disabled = false;
cards.addEventListener('change', ({ target }) => {
  if (target instanceof HTMLInputElement) voice.value = target.value;
});
voice.addEventListener('change', showPicked);
trySample(part('sample', HTMLButtonElement), voice, showError);

setText(firstText());
showPicked();
