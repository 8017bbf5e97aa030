/** What is handed to the audio thread: one source node a sentence, all into one output. */

export class Nodes {
  #ctx;
  #output;
  #onended;
  /** @type {Map<number, AudioBufferSourceNode>} */
  #live = new Map();

  /** @param {BaseAudioContext} ctx @param {AudioNode} output @param {() => void} onended a sentence was heard */
  constructor(ctx, output, onended) {
    this.#ctx = ctx;
    this.#output = output;
    this.#onended = onended;
  }

  /**
   * @param {number} index of the sentence @param {AudioBuffer} buffer
   * @param {number} when on the context's clock @param {number} offset @param {number} duration
   */
  start(index, buffer, when, offset, duration) {
    const node = this.#ctx.createBufferSource();
    node.buffer = buffer;
    node.connect(this.#output);
    node.onended = () => {
      this.#live.delete(index);
      node.disconnect();
      this.#onended();
    };
    node.start(when, offset, duration);
    this.#live.set(index, node);
  }

  /** Silences the sentences from `from` on. @param {number} from */
  drop(from) {
    for (const [index, node] of this.#live) {
      if (index < from) continue;
      node.onended = null; // it fires after stop(), when the sentence may be scheduled again
      node.stop();
      node.disconnect();
      this.#live.delete(index);
    }
  }
}
