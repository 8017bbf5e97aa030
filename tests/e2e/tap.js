// Runs before the page's own scripts: everything that reaches the loudspeakers is kept, block by block.
(() => {
  const RATE = 24000; // that of the records, so that what is heard can be compared sample by sample
  const LOUD = 0.001;
  const PROCESSOR = `registerProcessor('tap', class extends AudioWorkletProcessor {
    process([[channel]]) {
      this.port.postMessage([currentFrame, channel ? channel.slice() : new Float32Array(128)]);
      return true;
    }
  });`;
  const blocks = [];
  let start = 0; // context frame of the first block
  const tap = {
    lost: 0, // frames that were rendered and did not come here, since the first sound
    sounding: false,
    get samples() { return blocks.length * 128; },
    /** Base64 of 32-bit floats. */
    slice(from, count) {
      const samples = new Float32Array(count * 128);
      blocks.slice(from, from + count).forEach((block, place) => samples.set(block, place * 128));
      return base64(samples);
    },
    async decode(mp3) {
      const bytes = Uint8Array.from(atob(mp3), (character) => character.charCodeAt(0));
      return base64((await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes.buffer)).getChannelData(0));
    },
  };
  window.tap = tap;

  function base64(samples) {
    const bytes = new Uint8Array(samples.buffer, 0, samples.byteLength);
    let text = '';
    for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return btoa(text);
  }

  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function tapped(target, ...rest) {
    if (target === this.context.destination && this.context.tapped) this.context.tapped(this);
    return connect.call(this, target, ...rest);
  };

  window.AudioContext = class extends window.AudioContext {
    #heard = new Set();
    #node = null;

    constructor(options) {
      super({ ...options, sampleRate: RATE });
      this.#open();
    }

    tapped(source) {
      this.#heard.add(source);
      if (this.#node) connect.call(source, this.#node);
    }

    async #open() {
      const url = URL.createObjectURL(new Blob([PROCESSOR], { type: 'text/javascript' }));
      await this.audioWorklet.addModule(url);
      this.#node = new AudioWorkletNode(this, 'tap', { channelCount: 1, channelCountMode: 'explicit' });
      this.#node.port.onmessage = ({ data: [frame, block] }) => {
        // Where the main thread holds the graph's lock, Chromium renders on and `currentFrame` keeps its old value for a
        // block. So a frame behind its turn is nothing, and one ahead of it tells of a block that is missing.
        const ahead = frame - tap.samples;
        if (tap.sounding) tap.lost = Math.max(tap.lost, ahead - start);
        else start = Math.max(start, ahead);
        blocks.push(block);
        tap.sounding ||= block.some((sample) => Math.abs(sample) > LOUD);
      };
      connect.call(this.#node, this.destination); // it adds silence; without it the node is not run
      for (const source of this.#heard) connect.call(source, this.#node);
      console.info(`tap ready: ${this.state}`); // not a call from the test, which would count as a gesture
    }
  };
})();
