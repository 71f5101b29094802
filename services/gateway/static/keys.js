// Space talks wherever it does not type or press something; Esc interrupts.

const HOLD_MS = 350; // a Space held longer than this ends what is said when it is let go

const isFree = (/** @type {any} */ target) =>
  target.id === "talk" || !target.closest?.("input, textarea, select, button, summary, a, [contenteditable]");

/**
 * @typedef {object} Does
 * @property {() => void} start there may be sound now
 * @property {() => void} interrupt
 * @property {() => void} press what the button does
 * @property {() => boolean} cuts whether pressing stops a turn, with the microphone closed
 * @property {() => void} open the microphone
 * @property {() => void} close the microphone
 */

export function useKeys(/** @type {Does} */ does) {
  /** Space is down, since when, and whether it cut what was going on. @type {{since: number, cut: boolean} | null} */
  let held = null;

  function letGo() {
    if (held && (held.cut || performance.now() - held.since > HOLD_MS)) does.close();
    held = null;
  }

  addEventListener("keydown", (event) => {
    does.start();
    if (event.key === "Escape") does.interrupt();
    if (event.key !== " " || !isFree(event.target) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (event.repeat || held) return;
    held = { since: performance.now(), cut: does.cuts() };
    does.press();
    if (held.cut) does.open(); // whoever holds it speaks now
  });

  addEventListener("keyup", (event) => {
    if (event.key !== " " || !held) return;
    event.preventDefault();
    letGo();
  });

  addEventListener("blur", letGo);
}
