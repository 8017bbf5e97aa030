/**
 * An audio context without sound, whose time the test moves: `advanceTo` runs every `onended` on its way, in order.
 * What was heard is in `heard`: `[from, to, sound, offset]` on the context's clock.
 */

export class FakeContext {
  currentTime = 0;
  state = 'suspended';
  /** @type {FakeNode[]} */
  nodes = [];

  async resume() {
    this.state = 'running';
  }

  async suspend() {
    this.state = 'suspended';
  }

  createBufferSource() {
    const node = new FakeNode(this);
    this.nodes.push(node);
    return node;
  }

  /** @param {number} time */
  advanceTo(time) {
    if (this.state !== 'running') return;
    for (;;) {
      const due = this.nodes.filter((node) => node.pending && node.endsAt <= time).sort((a, b) => a.endsAt - b.endsAt)[0];
      if (!due) break;
      this.currentTime = due.endsAt;
      due.pending = false;
      due.onended?.();
    }
    this.currentTime = time;
  }

  get heard() {
    return this.nodes
      .filter((node) => node.started && node.to > node.from)
      .map(({ from, to, buffer, offset }) => [from, to, buffer.name, offset].map(rounded));
  }
}

class FakeNode {
  buffer = null;
  onended = null;
  started = false;
  pending = false;
  connected = null;

  constructor(ctx) {
    this.ctx = ctx;
  }

  connect(output) {
    this.connected = output;
  }

  disconnect() {
    this.connected = null;
  }

  /** Browsers fire `onended` after stop(), too. */
  stop() {
    this.endsAt = this.ctx.currentTime;
    this.to = Math.min(this.to, Math.max(this.from, this.endsAt));
  }

  /** As browsers do: a start in the past plays now, without skipping. */
  start(when, offset, duration) {
    this.from = Math.max(when, this.ctx.currentTime);
    this.offset = offset;
    this.to = this.endsAt = this.from + duration;
    this.started = this.pending = true;
  }
}

const rounded = (value) => (typeof value === 'number' ? Math.round(value * 1e6) / 1e6 : value);

/** Decodes the bytes `name:samples`; `broken:…` is refused, `name:samples:fewer` comes out short. */
export async function fakeDecode(mp3) {
  const [name, samples, short] = new TextDecoder().decode(mp3).split(':');
  if (name === 'broken') throw new Error('EncodingError');
  return { name, length: Number(short ?? samples) };
}

/** @param {string} name @param {number} seconds @param {number} [short] */
export function sentence(name, seconds, short) {
  const s = Math.round(seconds * 24000);
  return { s, mp3: new TextEncoder().encode(short === undefined ? `${name}:${s}` : `${name}:${s}:${short}`) };
}
