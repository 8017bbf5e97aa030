/** Requests to the API, and its one error shape. */

/** @typedef {{id: string, url: string, state: 'queued' | 'speaking' | 'done' | 'failed', voice: string, title: string}} Submitted */
/** @typedef {Submitted & {epoch: string, place: number | null, sentences: number, sentences_done: number, duration_ms: number}} Status */

/** A refusal in words that are fit to be shown. */
export class ApiError extends Error {
  name = 'ApiError';

  /** @param {number} status @param {string} message @param {string} [code] */
  constructor(status, message, code = '') {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** @param {string} path @param {RequestInit} [request] @returns {Promise<any>} @throws {ApiError} */
async function call(path, request) {
  const answer = await fetch(path, request).catch(() => null);
  if (!answer) throw new ApiError(0, 'The server cannot be reached. Check your connection and try again.');
  const body = await answer.json().catch(() => null);
  if (answer.ok && body) return body;
  const { message = `The server answered ${answer.status}.`, code } = body?.error ?? {};
  const wait_s = Number(answer.headers.get('Retry-After'));
  throw new ApiError(answer.status, wait_s ? `${message} Try again in ${wait_s} s.` : message, code);
}

/** @param {{text: string, voice: string, title?: string}} cast @param {AbortSignal} [signal] @returns {Promise<Submitted>} */
export function submit(cast, signal) {
  return call('/api/casts', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(cast),
    signal,
  });
}

/** A failed cast again. @param {string} castId @param {AbortSignal} [signal] @returns {Promise<Status>} */
export function retry(castId, signal) {
  return call(`/api/casts/${castId}/retry`, { method: 'POST', signal });
}

/** @param {string} castId @param {AbortSignal} [signal] @returns {Promise<Status>} */
export function status(castId, signal) {
  return call(`/api/casts/${castId}`, { signal });
}
