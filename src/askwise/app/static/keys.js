// The keyboard: one table for the listener, the buttons and the overlay.

/** name → keys that do it, and what the overlay says. Digits choose labels and are handled apart. */
export const KEYS = [
  { name: "accept", keys: ["p", "Enter"], shown: "p or Enter", text: "Accept the model's guess (when it is shown)" },
  { name: "skip", keys: [" "], shown: "Space", text: "Skip: ask me later" },
  { name: "unsure", keys: ["u"], shown: "u", text: "Unsure: I cannot tell; not asked again" },
  { name: "undo", keys: ["Backspace"], shown: "Backspace or Ctrl Z", text: "Undo the last answer; press again for the one before" },
  { name: "flag", keys: ["f"], shown: "f", text: "Flag this item for a second look" },
  { name: "note", keys: ["n"], shown: "n", text: "Flag it with a note" },
  { name: "older", keys: ["ArrowLeft"], shown: "←", text: "Look back through my answers" },
  { name: "newer", keys: ["ArrowRight"], shown: "→", text: "… and forward again" },
  { name: "search", keys: ["/"], shown: "/", text: "Find a label by name, or add one" },
  { name: "guess", keys: ["g"], shown: "g", text: "The model's guess: shown, told after the answer, hidden" },
  { name: "more", keys: ["w"], shown: "w", text: "Why is this asked: similar items, likeliest labels" },
  { name: "mono", keys: ["m"], shown: "m", text: "Letters of one width, for code", kinds: ["text", "pair"] },
  { name: "larger", keys: ["+"], shown: "+", text: "Larger; also the wheel or two fingers", kinds: ["image"] },
  { name: "smaller", keys: ["-"], shown: "-", text: "Smaller", kinds: ["image"] },
  { name: "fit", keys: ["="], shown: "=", text: "The whole image", kinds: ["image"] },
  { name: "invert", keys: ["i"], shown: "i", text: "Negative", kinds: ["image"] },
  { name: "play", keys: ["a"], shown: "a", text: "Play or pause", kinds: ["audio"] },
  { name: "guide", keys: ["h"], shown: "h", text: "Guidelines" },
  { name: "help", keys: ["?"], shown: "?", text: "This list" },
  { name: "escape", keys: ["Escape"], shown: "Esc", text: "Close, or back to the open question" },
];

const ACTION = new Map(KEYS.flatMap(({ name, keys }) => keys.map((key) => [key, name])));

/** The key that chooses label number `index`: 1 … 9, 0, then with Shift; "" beyond the twentieth. */
export function labelKey(index) {
  if (index > 19) return "";
  return `${index > 9 ? "⇧" : ""}${(index + 1) % 10}`;
}

/** The label number a key press chooses, or null. The place of the key counts, so any keyboard layout will do. */
function labelIndex(event) {
  const digit = event.code.match(/^(?:Digit|Numpad)(\d)$/)?.[1];
  if (digit === undefined || event.ctrlKey || event.metaKey || event.altKey) return null;
  const typed = /^\d$/.test(event.key); // layouts that need Shift for a digit: a digit typed is a digit meant
  return ((Number(digit) + 9) % 10) + (event.shiftKey && !typed ? 10 : 0);
}

const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");

/**
 * Call `act(name)` or `choose(index)` for key presses that are meant for the page: not while typing, not behind a
 * dialog, and not Space or Enter on a control that was reached by keyboard.
 */
export function listen(act, choose) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const undo = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey;
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const name = undo ? "undo" : plain ? ACTION.get(event.key.length === 1 ? event.key.toLowerCase() : event.key) : undefined;
    if ((event.key === " " || event.key === "Enter") && event.target.closest?.("button:focus-visible, a:focus-visible")) return;
    const index = labelIndex(event);
    if (index === null && !name) return;
    event.preventDefault();
    if (event.repeat && name !== "older" && name !== "newer") return; // a key held down is one answer
    if (index !== null) choose(index);
    else act(name);
  });
}
