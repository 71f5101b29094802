// What is heard: samples of turns, in order. Plays once 80 ms are there; a turn that is stopped fades within 5 ms.

const PREBUFFER_S = 0.08;
const FADE_S = 0.005;
const REPORT_BLOCKS = 8;

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    /** @type {{turnId: string, samples: Float32Array, at: number}[]} */
    this.queue = [];
    /** Frames played of each turn that has not ended here. @type {Map<string, {frames: number, complete: boolean}>} */
    this.turns = new Map();
    this.fading = new Float32Array(0);
    this.running = false;
    this.waited = 0;
    this.blocks = 0;
    /** @type {MessagePort | null} */
    this.worker = null;
    this.port.onmessage = ({ data }) => {
      this.worker = data.worker;
      this.worker.onmessage = (message) => this.take(message.data);
    };
  }

  /** @param {{turnId: string, samples?: Float32Array, complete?: boolean, stop?: boolean}} message */
  take({ turnId, samples, complete, stop }) {
    if (stop) return this.stop(turnId);
    const turn = this.turns.get(turnId) ?? { frames: 0, complete: false };
    this.turns.set(turnId, turn);
    if (samples?.length) this.queue.push({ turnId, samples, at: 0 });
    if (complete) turn.complete = true;
  }

  stop(/** @type {string} */ turnId) {
    const head = this.queue[0];
    if (this.running && head?.turnId === turnId) {
      const rest = head.samples.subarray(head.at, head.at + Math.ceil(FADE_S * sampleRate));
      this.fading = rest.map((sample, i) => sample * (1 - (i + 1) / rest.length));
    }
    this.queue = this.queue.filter((piece) => piece.turnId !== turnId);
    this.turns.delete(turnId);
    this.running = this.running && this.queue.length > 0;
  }

  /** @param {Float32Array[][]} _inputs @param {Float32Array[][]} outputs */
  process(_inputs, outputs) {
    const out = outputs[0][0];
    let filled = Math.min(out.length, this.fading.length);
    if (filled) {
      out.set(this.fading.subarray(0, filled));
      this.fading = this.fading.slice(filled);
    }
    while (filled < out.length && this.mayPlay(out.length)) filled += this.play(out, filled);
    this.finish();
    if (++this.blocks % REPORT_BLOCKS === 0 && this.queue.length) this.report(this.queue[0].turnId);
    return true;
  }

  /** After silence only once enough is there, or nothing more is to come, or it has waited long enough. */
  mayPlay(/** @type {number} */ block) {
    if (!this.queue.length) {
      this.running = false;
      this.waited = 0;
    } else if (!this.running) {
      const enough = PREBUFFER_S * sampleRate;
      const queued = this.queue.reduce((sum, piece) => sum + piece.samples.length - piece.at, 0);
      this.running = queued >= enough || this.waited >= enough || !!this.turns.get(this.queue[0].turnId)?.complete;
      this.waited += block;
    }
    return this.running;
  }

  /** Copies one piece, or as much of it as fits; returns how many samples. */
  play(/** @type {Float32Array} */ out, /** @type {number} */ from) {
    const piece = this.queue[0];
    const turn = this.turns.get(piece.turnId);
    if (turn && turn.frames === 0) {
      this.worker?.postMessage({ turnId: piece.turnId, began: currentTime + from / sampleRate });
    }
    const some = piece.samples.subarray(piece.at, piece.at + out.length - from);
    out.set(some, from);
    piece.at += some.length;
    if (turn) turn.frames += some.length;
    if (piece.at === piece.samples.length) {
      this.queue.shift();
      if (this.queue[0]?.turnId !== piece.turnId) this.report(piece.turnId);
    }
    return some.length;
  }

  /** Turns of which everything has sounded. */
  finish() {
    for (const [turnId, turn] of this.turns) {
      if (!turn.complete || this.queue.some((piece) => piece.turnId === turnId)) continue;
      this.report(turnId, true);
      this.turns.delete(turnId);
    }
  }

  report(/** @type {string} */ turnId, all = false) {
    const frames = this.turns.get(turnId)?.frames ?? 0;
    this.worker?.postMessage({ turnId, ms: Math.round((frames * 1000) / sampleRate), all });
  }
}

registerProcessor("player", Player);
