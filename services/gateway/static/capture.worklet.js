// The microphone: frames of 20 ms, 16 kHz, 16 bit, straight to the worker that owns the socket.
import { Resampler } from "./resampler.js";

const RATE_HZ = 16000;
const FRAME = 320;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE_HZ);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.over = false;
    /** @type {MessagePort | null} */
    this.worker = null;
    this.port.onmessage = ({ data }) => {
      if (data.worker) this.worker = data.worker;
      if (data.end) this.end();
    };
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    if (!this.over && inputs[0].length) this.take(this.resampler.push(inputs[0][0]));
    return !this.over;
  }

  take(/** @type {Float32Array} */ samples) {
    for (const sample of samples) {
      this.frame[this.filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
      if (this.filled === FRAME) this.send();
    }
  }

  send() {
    const pcm = this.frame.slice(0, this.filled).buffer;
    this.filled = 0;
    this.worker?.postMessage({ pcm }, [pcm]);
  }

  end() {
    if (this.over) return;
    this.over = true;
    this.take(this.resampler.flush());
    if (this.filled) this.send();
    this.worker?.postMessage({ end: true });
  }
}

registerProcessor("capture", Capture);
