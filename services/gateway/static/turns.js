// The way of one turn as a waterfall, and the turns before it.
import { element } from "./conversation.js";

/** @typedef {import("./conversation.js").Turn} Turn */

const WHAT = {
  TurnAccepted: "accepted",
  TurnInterrupted: "interrupted",
  FinalTranscript: "words recognised",
  IntentRecognized: "understood",
  ReplyClause: "clause written",
  TurnCompleted: "turn ended",
  EffectRecorded: "done",
  ClauseSpoken: "clause spoken",
  ReplyHeard: "heard by you",
  LlmAnswered: "answered",
  ContextAnswered: "looked up",
  TimerFired: "timer went off",
  StageFailed: "failed",
  EgressRecorded: "words sent",
  UsageRecorded: "usage noted",
};
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const FINE = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

const inMs = (/** @type {number} */ us) => (us >= 100_000 ? WHOLE : FINE).format(us / 1000);
const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** "OUTCOME_NOT_SO_GOOD" -> "not so good" */
export const inWords = (/** @type {string} */ name = "") => name.split("_").slice(1).join(" ").toLowerCase();

/** Microseconds from the acceptance of a spoken turn to its last word; 0 where that is not known. */
export function lastWordUs(/** @type {any} */ told) {
  const final = (told.steps ?? []).find((/** @type {any} */ step) => step.event === "FinalTranscript");
  return Number(final?.startUs ?? 0);
}

/** What the page itself knows of a turn, in microseconds after its acceptance; null where it does not.
 * @typedef {{lastWordUs: number, firstSoundUs: number} | null} Waited */

/** @typedef {{name: string, event: string, startUs: number, endUs: number, page?: boolean, provider?: string,
 *   note?: string, leftTo?: string}} Step */

export function showTurn(/** @type {any} */ told, /** @type {Waited} */ waited, /** @type {string} */ sentence) {
  const steps = withPage(told, waited);
  const end = Math.max(1, ...steps.map((step) => (step.event === "ReplyHeard" ? 0 : step.endUs)));
  find("turn-empty").hidden = true;
  find("waterfall").hidden = false;
  find("turn-waited").textContent = sentence;
  const rows = steps.filter((step) => step.event !== "ReplyHeard").map((step) => row(step, end));
  find("waterfall").querySelector("tbody")?.replaceChildren(...rows);
  find("turn-notes").replaceChildren(...notes(told).map((note) => element("li", "", note)));
}

/** The steps in numbers, with what only the page knows: when the person stopped speaking, and what sounded. */
function withPage(/** @type {any} */ told, /** @type {Waited} */ waited) {
  /** @type {Step[]} */
  const steps = (told.steps ?? []).map((/** @type {any} */ step) => ({
    ...step,
    startUs: Number(step.startUs ?? 0),
    endUs: Number(step.endUs ?? 0),
  }));
  const spokeUs = lastWordUs(told);
  if (spokeUs > 0) steps.push({ name: "you", event: "spoke", startUs: 0, endUs: spokeUs, page: true });
  if (waited) {
    const at = waited.firstSoundUs;
    steps.push({ name: "page", event: "first sound", startUs: at, endUs: at, page: true });
  }
  return steps.sort((a, b) => a.startUs - b.startUs || a.endUs - b.endUs);
}

function row(/** @type {Step} */ step, /** @type {number} */ end) {
  const made = element("tr", step.page ? "page" : "");
  const name = element("th");
  name.setAttribute("scope", "row");
  const what = WHAT[/** @type {keyof WHAT} */ (step.event)] ?? step.event;
  name.append(element("b", "", step.name), ` ${what}`);
  const by = [step.provider?.replace(/:$/, ""), step.note].filter(Boolean).join(" · ");
  if (by) name.append(element("small", "", by));
  if (step.leftTo) name.append(element("small", "left", `left this device: ${step.leftTo}`));
  const when = element("td", "when");
  const bar = when.appendChild(element("span", "bar"));
  const share = (/** @type {number} */ us) => (100 * Math.max(0, us)) / end;
  bar.style.setProperty("--start", `${share(step.startUs)}%`);
  bar.style.setProperty("--length", `${share(step.endUs - step.startUs)}%`);
  when.append(element("span", "unseen", `from ${inMs(step.startUs)} to ${inMs(step.endUs)} ms`));
  const took = step.endUs - step.startUs;
  made.append(name, when, element("td", "number", took > 0 ? inMs(took) : `at ${inMs(step.endUs)}`));
  return made;
}

function notes(/** @type {any} */ told) {
  const calls = (told.calls ?? []).map((/** @type {any} */ c) => `${c.action}: ${inWords(c.settlement)}`);
  const { outcome, reason, turnId } = told.summary ?? {};
  const ended = outcome ? [inWords(outcome), inWords(reason)].filter(Boolean).join(", ") : "still open";
  return [...calls, `This turn: ${ended}. In a terminal: parlance turn ${turnId?.slice(0, 8)}`];
}

export function showHistory(/** @type {any[]} */ turns, /** @type {(turnId: string) => void} */ choose) {
  find("past-empty").hidden = turns.length > 0;
  find("history").replaceChildren(...turns.map((turn) => past(turn, choose)));
}

function past(/** @type {any} */ turn, /** @type {(turnId: string) => void} */ choose) {
  const made = element("li");
  const button = made.appendChild(element("button"));
  button.setAttribute("type", "button");
  button.dataset.turn = turn.turnId;
  const at = new Date(Number(turn.acceptedAtUs) / 1000);
  const when = element("time", "", at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }));
  when.setAttribute("datetime", at.toISOString());
  when.title = at.toLocaleString();
  const unasked = turn.modality === "MODALITY_UNASKED";
  const words = element("span", "words");
  words.append(element("b", "", unasked ? "Unasked" : turn.text || "…"), " ", element("span", "", turn.reply ?? ""));
  const outcome = inWords(turn.outcome) || "open";
  const ended = turn.reason && outcome !== "answered" ? `${outcome}: ${inWords(turn.reason)}` : outcome;
  button.append(when, words, element("span", `outcome ${outcome}`, ended));
  button.onclick = () => choose(turn.turnId);
  return made;
}

/** Marks the turn that is shown. */
export function mark(/** @type {string} */ turnId) {
  for (const button of find("history").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.dataset.turn === turnId));
  }
}
