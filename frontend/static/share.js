/** The share button: the device's own sheet, else a copied link, else the link to be seen. */

const SHOWN_MS = 2500;

/**
 * @param {HTMLButtonElement} button @param {{title: string, url: string}} link
 * @param {(words: string) => void} say what was done; empty after a while @param {AbortSignal} signal
 */
export function offerSharing(button, link, say, signal) {
  const words = button.querySelector('[data-words]') ?? button;
  const usual = 'share' in navigator ? 'Share' : 'Copy link';
  words.textContent = usual;
  button.addEventListener('click', async () => {
    try {
      if (navigator.share) return await navigator.share(link);
      await navigator.clipboard.writeText(link.url);
      words.textContent = 'Link copied';
      say('The link is copied.');
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') return; // the reader closed the sheet
      prompt('Copy the link', link.url); // no clipboard without HTTPS
    }
    setTimeout(() => {
      words.textContent = usual;
      say('');
    }, SHOWN_MS);
  }, { signal });
}
