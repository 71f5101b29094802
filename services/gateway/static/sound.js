// The page's sound: one audio context, the player in it, and the microphone.

const REST_MS = 15000;

/** Why there is no sound here; "" where there is. */
export function whyNoMicrophone() {
  if ("mediaDevices" in navigator && "AudioWorkletNode" in window) return "";
  return window.isSecureContext
    ? "This browser cannot record sound. Type instead, or open this page in a current browser."
    : "Browsers give the microphone only to pages of this machine: open http://127.0.0.1 or http://localhost, or type.";
}

export class Sound {
  /** @param {Worker} worker that owns the socket */
  constructor(worker) {
    this.worker = worker;
    /** @type {AudioContext | null} */
    this.context = null;
    /** @type {Promise<void> | null} */
    this.made = null;
    this.resting = 0;
  }

  /** Call in the handler of a click or a key: before one, browsers give no sound. */
  async start() {
    this.stayAwake();
    this.made ??= this.make();
    await this.made;
    await this.context?.resume();
  }

  async make() {
    const context = new AudioContext({ latencyHint: "interactive" });
    this.context = context;
    await Promise.all(["player", "capture"].map((name) => context.audioWorklet.addModule(`${name}.worklet.js`)));
    const node = new AudioWorkletNode(context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    const { port1, port2 } = new MessageChannel();
    node.port.postMessage({ worker: port1 }, [port1]);
    this.worker.postMessage({ player: port2, rate: context.sampleRate }, [port2]);
    node.connect(context.destination);
  }

  /** Whether sound that comes now would be heard. */
  get isOn() {
    return this.context?.state === "running";
  }

  /** Sound is coming. */
  stayAwake() {
    clearTimeout(this.resting);
    if (this.context?.state === "suspended") this.context.resume().catch(() => {});
  }

  /** Nothing is heard or said: soon the audio device may rest. */
  restSoon() {
    clearTimeout(this.resting);
    this.resting = window.setTimeout(() => this.context?.suspend(), REST_MS);
  }

  /** The time (performance.now) at which the listener hears what the context renders at `contextTime` s. */
  heardAt(/** @type {number} */ contextTime) {
    if (!this.context) return performance.now();
    const { contextTime: at = 0, performanceTime = 0 } = this.context.getOutputTimestamp();
    if (performanceTime > 0) return performanceTime + (contextTime - at) * 1000;
    return performance.now() + (contextTime - this.context.currentTime) * 1000;
  }
}

export class Microphone {
  /** @param {Sound} sound @param {() => void} onLost the device was pulled out, or taken away */
  constructor(sound, onLost) {
    this.sound = sound;
    this.onLost = onLost;
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {AudioNode[]} */
    this.nodes = [];
    this.wanted = 0;
  }

  get isOpen() {
    return this.stream !== null;
  }

  /** Returns whether it is open; false where it was closed again meanwhile. Throws Error with words for the user. */
  async open(/** @type {boolean} */ headset) {
    const wanted = ++this.wanted;
    const why = whyNoMicrophone();
    if (why) throw new Error(why);
    await this.sound.start();
    const processing = { echoCancellation: !headset, noiseSuppression: !headset, autoGainControl: false };
    const stream = await navigator.mediaDevices
      .getUserMedia({ audio: { ...processing, channelCount: 1 } })
      .catch((error) => {
        throw new Error(inWords(error.name));
      });
    if (wanted !== this.wanted) {
      for (const track of stream.getTracks()) track.stop();
      return false;
    }
    this.stream = stream;
    stream.getAudioTracks()[0].onended = () => this.onLost();
    this.connect(stream);
    return true;
  }

  connect(/** @type {MediaStream} */ stream) {
    const context = /** @type {AudioContext} */ (this.sound.context);
    const source = context.createMediaStreamSource(stream);
    const node = new AudioWorkletNode(context, "capture", { outputChannelCount: [1], channelCount: 1, channelCountMode: "explicit" });
    const { port1, port2 } = new MessageChannel();
    node.port.postMessage({ worker: port1 }, [port1]);
    this.sound.worker.postMessage({ microphone: port2 }, [port2]);
    source.connect(node).connect(context.destination); // its output is silence; unconnected it would not run
    this.nodes = [source, node];
  }

  /** What was said until now is heard; nothing after it. */
  close() {
    this.wanted++;
    for (const node of this.nodes) {
      if (node instanceof AudioWorkletNode) node.port.postMessage({ end: true });
      else node.disconnect();
    }
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.nodes = [];
    this.stream = null;
  }

  /** What the browser really does to the sound. */
  get settings() {
    const s = this.stream?.getAudioTracks()[0]?.getSettings();
    if (!s) return "";
    const words = [
      `echo cancellation ${s.echoCancellation ? "on" : "off"}`,
      `noise suppression ${s.noiseSuppression ? "on" : "off"}`,
      `automatic gain ${s.autoGainControl ? "on" : "off"}`,
    ];
    return `${s.sampleRate ? `${s.sampleRate} Hz, ` : ""}${words.join(", ")}`;
  }
}

/** @param {string} name of a DOMException */
function inWords(name) {
  switch (name) {
    case "NotAllowedError":
      return "The browser does not let this page use the microphone. Allow it beside the page's address, then press Talk again.";
    case "NotFoundError":
      return "No microphone was found. Plug one in and press Talk again, or type.";
    case "NotReadableError":
      return "The microphone is busy: another program holds it. Close that one and press Talk again.";
    default:
      return `The microphone did not start (${name}). Type instead, or reload the page.`;
  }
}
