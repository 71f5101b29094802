// The worker that owns the socket: sound goes through here and never waits for the page to draw.
import { Resampler } from "./resampler.js";

const REPORT_MS = 200;
const RETRY_MS = [300, 700, 1500, 3000, 5000];
const MOST_WAITING = 1 << 20; // bytes of microphone sound behind a stalled connection: older than that is of no use

/** @typedef {{resampler: Resampler | null, rate: number, ms: number, reported: number}} Sounding */

/** @type {WebSocket | null} */
let socket = null;
let url = "";
let hello = {};
let failures = 0;
/** @type {MessagePort | null} */
let player = null;
let playerRate = 48000; // until it is known
/** What the player cannot take yet: a browser gives no sound before a click. @type {any[]} */
let waiting = [];
/** Turns whose sound is on its way or being played. @type {Map<string, Sounding>} */
const sounding = new Map();
/** Turns of which nothing is played any more. @type {Set<string>} */
const silenced = new Set();

const tell = (/** @type {any} */ message) => self.postMessage(message);

function send(/** @type {any} */ request) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(request));
}

function connect() {
  socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => send({ hello });
  socket.onmessage = ({ data }) => (typeof data === "string" ? onText(JSON.parse(data)) : onSound(data));
  socket.onclose = () => {
    tell({ connected: false });
    for (const turnId of [...sounding.keys()]) cut(turnId);
    setTimeout(connect, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
  };
}

function onText(/** @type {any} */ message) {
  const turnId = message.clause?.turnId ?? message.spoken?.turnId;
  if (turnId && silenced.has(turnId)) return;
  if (message.ready) {
    failures = 0;
    hello = { ...hello, deviceId: message.ready.deviceId, sessionId: message.ready.sessionId };
    tell({ connected: true });
  }
  if (message.silence) cut(message.silence.turnId);
  tell({ message });
  if (message.spoken) complete(turnId);
}

function onSound(/** @type {ArrayBuffer} */ data) {
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  if (silenced.has(header.turnId)) return;
  const pcm = new Int16Array(data.slice(4 + length));
  const turn = sounding.get(header.turnId) ?? { resampler: null, rate: 0, ms: 0, reported: 0 };
  sounding.set(header.turnId, turn);
  if (turn.rate !== header.sampleRateHz) {
    if (turn.resampler) play(header.turnId, turn.resampler.flush());
    turn.rate = header.sampleRateHz;
    turn.resampler = new Resampler(turn.rate, playerRate);
  }
  tell({ sound: { turnId: header.turnId, seq: header.seq ?? 0, ms: (pcm.length * 1000) / turn.rate } });
  play(header.turnId, turn.resampler?.push(Float32Array.from(pcm, (sample) => sample / 32768)));
}

function play(/** @type {string} */ turnId, /** @type {Float32Array | undefined} */ samples) {
  if (samples?.length) toPlayer({ turnId, samples });
}

function toPlayer(/** @type {any} */ message) {
  if (!player) waiting.push(message);
  else player.postMessage(message, message.samples ? [message.samples.buffer] : []);
}

/** All of the turn's sound is here. */
function complete(/** @type {string} */ turnId) {
  const turn = sounding.get(turnId);
  if (!turn) return played({ turnId, ms: 0, all: true });
  play(turnId, turn.resampler?.flush());
  toPlayer({ turnId, complete: true });
}

/** Stops a turn's sound; the page learns how much of it was heard. */
function cut(/** @type {string} */ turnId) {
  if (silenced.has(turnId)) return;
  silenced.add(turnId);
  if (silenced.size > 256) silenced.delete(silenced.values().next().value ?? "");
  const ms = sounding.get(turnId)?.ms ?? 0;
  sounding.delete(turnId);
  waiting = waiting.filter((message) => message.turnId !== turnId);
  player?.postMessage({ turnId, stop: true });
  tell({ cut: { turnId, ms } });
}

/** What the player says it has played. */
function played(/** @type {{turnId: string, ms: number, all: boolean}} */ report) {
  const turn = sounding.get(report.turnId);
  if (turn) turn.ms = report.ms;
  else if (!report.all || silenced.has(report.turnId)) return;
  const now = performance.now();
  if (report.all) sounding.delete(report.turnId);
  else if (!turn || now - turn.reported < REPORT_MS) return;
  if (turn) turn.reported = now;
  send({ played: report });
  if (report.all) tell({ finished: report.turnId });
}

/** The person wants quiet: at once here, then everywhere. */
function interrupt(/** @type {string[]} */ turnIds) {
  for (const turnId of turnIds) {
    const ms = sounding.get(turnId)?.ms;
    cut(turnId);
    if (ms !== undefined) send({ played: { turnId, ms, all: false } });
  }
  send({ interrupt: { turnId: turnIds[0] ?? "" } });
}

function usePlayer(/** @type {MessagePort} */ port, /** @type {number} */ rate) {
  const [kept, again] = [waiting, new Resampler(playerRate, rate)];
  for (const turn of sounding.values()) [turn.rate, turn.resampler] = [0, null];
  [player, playerRate, waiting] = [port, rate, []];
  player.onmessage = ({ data }) => {
    if ("began" in data) tell({ began: data });
    else played(data);
  };
  for (const message of kept) toPlayer(message.samples ? { ...message, samples: again.push(message.samples) } : message);
}

function useMicrophone(/** @type {MessagePort} */ port) {
  port.onmessage = ({ data }) => {
    if (data.end) {
      send({ audioEnd: {} });
      port.close();
    } else if (socket?.readyState === WebSocket.OPEN && socket.bufferedAmount < MOST_WAITING) {
      socket.send(data.pcm);
    }
  };
}

self.onmessage = ({ data }) => {
  if (data.connect) {
    ({ url, hello } = data.connect);
    connect();
  } else if (data.player) usePlayer(data.player, data.rate);
  else if (data.microphone) useMicrophone(data.microphone);
  else if (data.interrupt) interrupt(data.interrupt);
  else if (data.send) send(data.send);
};
