// Any rate into any other: a windowed sinc, cut into phases. Streams: what is pushed in pieces comes out as if whole.

const HALF_WIDTH = 16; // zero crossings of the sinc on each side
const MOST_PHASES = 1024;

/** @param {number} a @param {number} b @returns {number} */
const divisor = (a, b) => (b ? divisor(b, a % b) : a);

/** A low-pass filter under both rates, one row of taps for each phase between two input samples. */
function phasesOf(/** @type {number} */ count, /** @type {number} */ half, /** @type {number} */ cutoff) {
  return Array.from({ length: count }, (_, phase) => {
    const taps = Float32Array.from({ length: 2 * half }, (_, k) => {
      const x = k - (half - 1) - phase / count;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * cutoff * x) / (Math.PI * cutoff * x);
      return Math.abs(x) >= half ? 0 : sinc * (0.5 + 0.5 * Math.cos((Math.PI * x) / half));
    });
    const sum = taps.reduce((a, b) => a + b, 0);
    return taps.map((t) => t / sum);
  });
}

export class Resampler {
  /** Rates in Hz. @param {number} from @param {number} to */
  constructor(from, to) {
    const common = divisor(from, to);
    this.phases = Math.min(to / common, MOST_PHASES);
    this.step = Math.round((from * this.phases) / to);
    const cutoff = Math.min(1, to / from) * 0.94;
    this.half = Math.ceil(HALF_WIDTH / cutoff);
    this.same = from === to;
    this.table = this.same ? [] : phasesOf(this.phases, this.half, cutoff);
    this.kept = new Float32Array(this.half - 1);
    this.at = 0; // of the next output sample, in input samples times phases, from the start of what is kept
  }

  /** @param {Float32Array} input @returns {Float32Array} */
  push(input) {
    if (this.same) return input;
    const samples = new Float32Array(this.kept.length + input.length);
    samples.set(this.kept);
    samples.set(input, this.kept.length);
    const taps = 2 * this.half;
    const last = (samples.length - taps) * this.phases;
    const output = new Float32Array(Math.max(0, Math.floor((last - this.at) / this.step) + 1));
    for (let i = 0; i < output.length; i++, this.at += this.step) {
      const start = Math.floor(this.at / this.phases);
      const row = this.table[this.at % this.phases];
      let sum = 0;
      for (let k = 0; k < taps; k++) sum += samples[start + k] * row[k];
      output[i] = sum;
    }
    const used = Math.min(Math.floor(this.at / this.phases), samples.length);
    this.kept = samples.slice(used);
    this.at -= used * this.phases;
    return output;
  }

  /** What the filter still holds back. @returns {Float32Array} */
  flush() {
    return this.push(new Float32Array(this.same ? 0 : this.half));
  }
}
