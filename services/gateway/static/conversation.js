// What was said, turn by turn: words as they come, the reply's clauses, and what of it was never heard.

/**
 * @typedef {{seq: number, text: string, ms: number, words: HTMLElement}} Clause
 * @typedef {{turnId: string, stage: "hearing"|"thinking"|"replying"|"over", typed: boolean, unasked: boolean,
 *   acceptedAtUs: number, askedAt: number, firstSoundAt: number, clauses: Clause[],
 *   item: HTMLElement, you: HTMLElement, reply: HTMLElement, note: HTMLElement, waited: HTMLElement}} Turn
 */

const REASONS = {
  REASON_NOTHING_HEARD: "Nothing was heard.",
  REASON_INTERRUPTED: "Interrupted.",
  REASON_SUPERSEDED: "Overtaken by a newer question.",
  REASON_CUT_IN: "Cut short by something more urgent.",
  REASON_DEADLINE: "It took too long.",
  REASON_NOBODY_THERE: "Nobody was there to hear it.",
  REASON_ANSWER_LOST: "The rest of the answer was lost.",
  REASON_POLICY: "Not allowed here.",
  REASON_OVERLOADED: "Refused: too much to do.",
};

/** @returns {HTMLElement} */
export function element(/** @type {string} */ name, /** @type {string} */ className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** A web page that an answer rests on. Nothing is asked of it before somebody follows the link. */
function linkTo(/** @type {{url: string, title?: string}} */ { url, title = "" }) {
  const host = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol) ? new URL(url).hostname : "";
  const link = element(host ? "a" : "span", "source", title || host || url);
  if (host) Object.assign(link, { href: url, title: url, target: "_blank", rel: "noopener noreferrer" });
  return link;
}

export class Conversation {
  /** @param {HTMLElement} list */
  constructor(list) {
    this.list = list;
    /** @type {Map<string, Turn>} */
    this.turns = new Map();
  }

  /** The turns that are open or sound, oldest first. */
  get current() {
    return [...this.turns.values()].filter((turn) => turn.stage !== "over");
  }

  /** Those that nobody asked for (a timer that went off) begin here too, with their first clause.
   * @returns {Turn} */
  turn(/** @type {string} */ turnId, unasked = true) {
    const known = this.turns.get(turnId);
    if (known) return known;
    const item = this.list.appendChild(element("div", "exchange"));
    const you = element("p", "you");
    const [reply, note, waited] = [element("div", "reply"), element("p", "note"), element("p", "waited")];
    if (unasked) item.append(bell());
    else item.append(you);
    item.append(reply, note, waited);
    /** @type {Turn} */
    const turn = {
      turnId, unasked, item, you, reply, note, waited, stage: unasked ? "replying" : "thinking", typed: false,
      acceptedAtUs: 0, askedAt: 0, firstSoundAt: 0, clauses: [],
    };
    this.turns.set(turnId, turn);
    this.toEnd();
    return turn;
  }

  /** @param {any} accepted @param {string} text what was typed @param {number} askedAt */
  accepted(accepted, text, askedAt) {
    const turn = this.turn(accepted.turnId, false);
    turn.acceptedAtUs = Number(accepted.acceptedAtUs);
    turn.typed = accepted.modality === "MODALITY_TYPED";
    turn.stage = turn.typed ? "thinking" : "hearing";
    turn.askedAt = turn.typed ? askedAt : 0;
    this.words(turn, text, !turn.typed);
    return turn;
  }

  interim(/** @type {any} */ { turnId, text = "" }) {
    const turn = this.turns.get(turnId);
    if (turn?.stage === "hearing") this.words(turn, text, true);
  }

  transcript(/** @type {any} */ { turnId, text = "", noSpeech = false }) {
    const turn = this.turns.get(turnId);
    if (!turn || turn.stage !== "hearing") return;
    turn.stage = "thinking";
    this.words(turn, noSpeech ? "(nothing heard)" : text, noSpeech);
  }

  words(/** @type {Turn} */ turn, /** @type {string} */ text, /** @type {boolean} */ unsure) {
    turn.you.textContent = text || "…";
    turn.you.classList.toggle("unsure", unsure);
    turn.you.setAttribute("aria-live", unsure ? "off" : "polite");
    this.toEnd();
  }

  clause(/** @type {any} */ { turnId, seq = 0, text = "", card, source = "", sources = [] }) {
    const turn = this.turn(turnId);
    if (turn.stage === "over" || turn.clauses.some((known) => known.seq === seq)) return;
    turn.stage = "replying";
    const words = turn.reply.appendChild(element("span", "clause", `${text} `));
    turn.clauses.push({ seq, text, ms: 0, words });
    const isNamed = text.toLowerCase().includes(source.toLowerCase());
    if (!isNamed) turn.reply.append(element("span", "source", `from ${source}`), " ");
    for (const page of sources) turn.reply.append(linkTo(page), " ");
    if (card) turn.reply.append(cardOf(card));
    this.toEnd();
  }

  /** So many ms of a clause's sound have come. */
  sound(/** @type {{turnId: string, seq: number, ms: number}} */ { turnId, seq, ms }) {
    const clause = this.turns.get(turnId)?.clauses.find((known) => known.seq === seq);
    if (clause) clause.ms += ms;
  }

  ended(/** @type {any} */ ended) {
    const turn = ended.say ? this.turn(ended.turnId) : this.turns.get(ended.turnId);
    if (!turn) return; // it was asked elsewhere, or before the connection broke
    if (ended.say) this.clause({ turnId: ended.turnId, seq: turn.clauses.length, text: ended.say });
    const note = ended.error?.message || REASONS[/** @type {keyof REASONS} */ (ended.reason)];
    if (note) turn.note.textContent = note;
    turn.item.classList.toggle("failed", ended.outcome === "OUTCOME_FAILED" || ended.outcome === "OUTCOME_REFUSED");
    this.toEnd();
  }

  /** All of it was heard. */
  finished(/** @type {string} */ turnId) {
    const turn = this.turns.get(turnId);
    if (turn) turn.stage = "over";
  }

  /** Only `ms` of its sound were heard: what follows is struck through. */
  cut(/** @type {string} */ turnId, /** @type {number} */ ms) {
    const turn = this.turns.get(turnId);
    if (!turn || turn.stage === "over") return;
    turn.stage = "over";
    let left = ms;
    for (const clause of turn.clauses) {
      const share = left >= clause.ms && clause.ms > 0 ? 1 : left / (clause.ms || Infinity);
      left = Math.max(0, left - clause.ms);
      if (share < 1) strike(clause, share);
    }
    if (!turn.note.textContent) turn.note.textContent = "Interrupted.";
    this.toEnd();
  }

  /** The connection is gone: what was open will not be heard here. */
  lost() {
    for (const turn of this.current) {
      turn.stage = "over";
      turn.note.textContent = "The connection broke off; see the recent turns for how it ended.";
    }
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    this.list.lastElementChild?.scrollIntoView({ block: "nearest" });
  }
}

/** Strikes what comes after this share of the clause, down to a word. */
function strike(/** @type {Clause} */ clause, /** @type {number} */ share) {
  const chars = Math.max(0, clause.text.lastIndexOf(" ", Math.floor(clause.text.length * share)));
  const never = element("del", "", clause.text.slice(chars).trim());
  never.title = "Never said: interrupted";
  clause.words.replaceChildren(chars ? `${clause.text.slice(0, chars)} ` : "", never, " ");
}

/** Above what nobody asked for just now: a timer that went off. */
function bell() {
  const made = element("p", "bell");
  const icon = made.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "svg"));
  icon.setAttribute("aria-hidden", "true");
  icon.appendChild(document.createElementNS(icon.namespaceURI, "use")).setAttribute("href", "#icon-bell");
  made.append("Unasked");
  return made;
}

function cardOf(/** @type {any} */ { title = "", lines = [] }) {
  const card = element("div", "card");
  if (title) card.append(element("h3", "", title));
  for (const line of lines) card.append(element("p", "", line));
  return card;
}
