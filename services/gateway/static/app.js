// The page: what the person does, and what becomes of it.
import { Conversation } from "./conversation.js";
import { useKeys } from "./keys.js";
import { Microphone, Sound, whyNoMicrophone } from "./sound.js";
import { lastWordUs, mark, showHistory, showTurn } from "./turns.js";

const LOOK_MS = 250; // after something happened in a turn, until its steps are asked for
const WORDS = { talk: "Talk", done: "Done", cancel: "Cancel", interrupt: "Interrupt" };
const HINT = matchMedia("(pointer: coarse)").matches ? "Press Talk, or type." : "Press Talk or hold Space, or type.";
const STATES = { talk: HINT, done: "Listening…", cancel: "Thinking…", interrupt: "Speaking…" };

const find = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const worker = new Worker("socket.js", { type: "module" });
const sound = new Sound(worker);
const microphone = new Microphone(sound, () => {
  closeMicrophone();
  notice("The microphone is gone. Plug it in again and press Talk.");
});
const conversation = new Conversation(find("transcript"));

/** What was typed and is not accepted yet. @type {{text: string, at: number}[]} */
const typed = [];
let connected = false;
let shown = ""; // the turn whose steps are shown
/** The server's clock minus ours, ms: the message that came with the least delay says it best. */
let clockAhead = -Infinity;
const looks = new Map();

// --- what comes from the server -------------------------------------------------------------------------------------

const takes = {
  accepted(/** @type {any} */ accepted) {
    const mine = accepted.modality === "MODALITY_TYPED" ? typed.shift() : undefined;
    clockAhead = Math.max(clockAhead, Number(accepted.acceptedAtUs) / 1000 - performance.now());
    conversation.accepted(accepted, mine?.text ?? "", mine?.at ?? 0);
    shown = accepted.turnId;
    find("examples").hidden = true;
    sound.stayAwake();
  },
  interim: (/** @type {any} */ interim) => conversation.interim(interim),
  transcript: (/** @type {any} */ transcript) => conversation.transcript(transcript),
  clause(/** @type {any} */ clause) {
    if (!conversation.turns.has(clause.turnId)) shown = clause.turnId;
    find("examples").hidden = true;
    sound.stayAwake();
    conversation.clause(clause);
  },
  ended(/** @type {any} */ ended) {
    const refused = ended.reason === "REASON_OVERLOADED"; // at the door: it was never accepted, and no log knows it
    const mine = refused ? typed.shift() : undefined;
    if (mine) {
      const accepted = { turnId: ended.turnId, modality: "MODALITY_TYPED", acceptedAtUs: 0 };
      conversation.accepted(accepted, mine.text, mine.at);
    }
    conversation.ended(ended);
    if (!refused) look(ended.turnId);
  },
  problem(/** @type {any} */ { error, asked }) {
    if (!asked) notice(error.message);
  },
};

function onMessage(/** @type {any} */ message) {
  if (message.turns) {
    showHistory(message.turns, choose);
    mark(shown);
  } else if (message.turn) {
    onTurn(message.turn);
  } else {
    for (const [kind, body] of Object.entries(message)) takes[/** @type {keyof takes} */ (kind)]?.(body);
  }
}

worker.onmessage = (/** @type {MessageEvent} */ { data }) => {
  if (data.message) onMessage(data.message);
  if (data.sound) conversation.sound(data.sound);
  if (data.began) onBegan(data.began);
  if (data.cut) {
    conversation.cut(data.cut.turnId, data.cut.ms);
    look(data.cut.turnId);
  }
  if (data.finished) {
    conversation.finished(data.finished);
    look(data.finished);
  }
  if ("connected" in data) onConnected(data.connected);
  refresh();
};

function onConnected(/** @type {boolean} */ now) {
  if (!now) conversation.lost();
  connected = now;
  clockAhead = -Infinity;
  typed.length = 0;
  find("connection").textContent = now ? "Connected" : "Not connected: is Parlance running? Trying again…";
  document.body.classList.toggle("lost", !now);
  if (now) worker.postMessage({ send: { listTurns: { limit: 20 } } });
}

function onBegan(/** @type {any} */ { turnId, began }) {
  const turn = conversation.turns.get(turnId);
  if (!turn || turn.firstSoundAt) return;
  turn.firstSoundAt = sound.heardAt(began);
  look(turnId);
}

// --- the steps of a turn --------------------------------------------------------------------------------------------

/** Asks for the turn's steps once it is quiet around it. */
function look(/** @type {string} */ turnId) {
  clearTimeout(looks.get(turnId));
  const ask = () => {
    looks.delete(turnId);
    if (turnId === shown) worker.postMessage({ send: { getTurn: { turnId } } });
    worker.postMessage({ send: { listTurns: { limit: 20 } } });
  };
  looks.set(turnId, setTimeout(ask, LOOK_MS));
}

function choose(/** @type {string} */ turnId) {
  shown = turnId;
  mark(turnId);
  worker.postMessage({ send: { getTurn: { turnId } } });
}

function onTurn(/** @type {any} */ told) {
  const turnId = told.summary?.turnId;
  if (turnId !== shown) return;
  const turn = conversation.turns.get(turnId);
  const waited = turn ? waitedIn(turn, told) : null;
  let sentence = "";
  if (turn && waited) {
    const ms = Math.round((waited.firstSoundUs - waited.lastWordUs) / 1000);
    sentence = `You waited ${ms} ms from ${turn.typed ? "Enter" : "your last word"} to the first sound.`;
    turn.waited.textContent = sentence;
  }
  showTurn(told, waited, sentence);
  mark(turnId);
}

/** @param {import("./conversation.js").Turn} turn @param {any} told @returns {import("./turns.js").Waited} */
function waitedIn(turn, told) {
  if (!turn.firstSoundAt || turn.unasked) return null;
  const inTurn = (/** @type {number} */ at) => (at + clockAhead) * 1000 - turn.acceptedAtUs;
  const lastWord = turn.typed ? inTurn(turn.askedAt) : lastWordUs(told);
  return lastWord || turn.typed ? { lastWordUs: lastWord, firstSoundUs: inTurn(turn.firstSoundAt) } : null;
}

// --- what the person does -------------------------------------------------------------------------------------------

/** What the button does now. @returns {keyof WORDS} */
function does() {
  const stages = conversation.current.map((turn) => turn.stage);
  if (stages.includes("replying")) return "interrupt";
  if (stages.includes("thinking")) return "cancel";
  return microphone.isOpen ? "done" : "talk";
}

function refresh() {
  const now = does();
  const button = find("talk");
  button.dataset.does = now;
  button.querySelector("span").textContent = WORDS[now];
  button.querySelector("use").setAttribute("href", `#icon-${now}`);
  const blocked = now === "interrupt" && !sound.isOn;
  find("state").textContent = blocked ? "Click anywhere to hear it: browsers give no sound before." : STATES[now];
  find("settings").textContent = microphone.settings;
  document.body.classList.toggle("listening", microphone.isOpen);
  if (now === "talk") sound.restSoon();
}

async function openMicrophone() {
  if (!connected) return notice("Not connected. Start Parlance with: make run");
  notice("");
  try {
    await microphone.open(find("headset").checked);
  } catch (error) {
    notice(/** @type {Error} */ (error).message);
  }
  refresh();
}

function closeMicrophone() {
  microphone.close();
  refresh();
}

function interrupt() {
  const turnIds = conversation.current.map((turn) => turn.turnId);
  if (turnIds.length) worker.postMessage({ interrupt: turnIds });
}

function press() {
  const now = does();
  if (now === "talk") return openMicrophone();
  if (now === "done") return closeMicrophone();
  return interrupt();
}

function ask(/** @type {string} */ text) {
  if (!text.trim()) return;
  if (!connected) return notice("Not connected. Start Parlance with: make run");
  notice("");
  sound.start();
  typed.push({ text, at: performance.now() });
  worker.postMessage({ send: { text: { text } } });
  find("text").value = "";
}

function notice(/** @type {string} */ text) {
  find("notice").hidden = !text;
  find("notice").querySelector("span").textContent = text;
}

useKeys({
  start: () => sound.start(),
  interrupt,
  press,
  cuts: () => conversation.current.some((turn) => turn.stage !== "hearing") && !microphone.isOpen,
  open: openMicrophone,
  close: closeMicrophone,
});
addEventListener("pointerup", () => sound.start());
find("talk").onclick = press;
find("dock").onsubmit = (/** @type {Event} */ event) => {
  event.preventDefault();
  ask(find("text").value);
};
find("notice").querySelector("button").onclick = () => notice("");
for (const example of find("examples").querySelectorAll("button")) {
  example.onclick = () => ask(example.textContent ?? "");
}

const hello = {
  timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  encoding: "AUDIO_ENCODING_PCM_S16LE",
  sampleRateHz: 16000,
  channels: 1,
  listening: "LISTENING_AUTOMATIC",
};
worker.postMessage({ connect: { url: `ws://${location.host}/ws`, hello } });
if (whyNoMicrophone()) notice(whyNoMicrophone());
refresh();
