// The keyboard: one table for the listener, the buttons and the overlay. Each key can be changed.

/** What every kind of answer has: name → its key, and what the overlay says. Digits are handled apart. */
const COMMON = [
  { name: "accept", key: "p", text: "Accept the model's guess (when it is shown)" },
  { name: "submit", key: "Enter", text: "Submit the answer" },
  { name: "none", key: "x", text: "None of these: no label fits" },
  { name: "skip", key: " ", text: "Skip: ask me later" },
  { name: "unsure", key: "u", text: "Unsure: I cannot tell; not asked again" },
  { name: "undo", key: "Backspace", also: "Ctrl Z", text: "Undo the last answer; press again for the one before" },
  { name: "flag", key: "f", text: "Flag this item for a second look" },
  { name: "note", key: "n", text: "Flag it with a note" },
  { name: "older", key: "ArrowLeft", text: "Look back through my answers" },
  { name: "newer", key: "ArrowRight", text: "… and forward again" },
  { name: "search", key: "/", text: "Find a label by name, or add one" },
  { name: "find", key: "s", text: "Search: be asked about items with these words" },
  { name: "guess", key: "g", text: "The model's guess: shown, told after the answer, hidden" },
  { name: "more", key: "w", text: "Why is this asked: similar items, likeliest labels" },
  { name: "mono", key: "m", text: "Letters of one width, for code", kinds: ["text", "pair"] },
  { name: "larger", key: "+", text: "Larger; also the wheel or two fingers", kinds: ["image"] },
  { name: "smaller", key: "-", text: "Smaller", kinds: ["image"] },
  { name: "fit", key: "=", text: "The whole image", kinds: ["image"] },
  { name: "invert", key: "i", text: "Negative", kinds: ["image"] },
  {
    name: "regions",
    key: "r",
    text: "What in the image speaks for a likely label, then for the next",
    kinds: ["image"],
  },
  { name: "play", key: "a", text: "Play or pause", kinds: ["audio"] },
  { name: "guide", key: "h", text: "Guidelines" },
  { name: "help", key: "?", text: "This list" },
  { name: "escape", key: "Escape", text: "Close, or back to the open question", fixed: true },
];

/**
 * The table for a kind of answer. `changes`: name → what the overlay says instead; null where the kind has no such
 * action; `{ key, text }` another default key, or an action of its own, which comes behind "search".
 */
export function tableOf(changes) {
  const known = new Set(COMMON.map(({ name }) => name));
  const own = Object.entries(changes).filter(([name]) => !known.has(name));
  return COMMON.flatMap((entry) => {
    const change = entry.name in changes ? changes[entry.name] : {};
    const said = change && { ...entry, ...(typeof change === "string" ? { text: change } : change) };
    const more = entry.name === "search" ? own.map(([name, rest]) => ({ name, ...rest })) : [];
    return [...(said ? [said] : []), ...more];
  });
}

/** The table in force. */
export let KEYS = COMMON;

const KEPT = "askwise-keys";
const NAMES = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" };
/** Keys that can be chosen beside letters and signs. */
const USABLE = new Set([" ", "Enter", "Backspace", "Delete", "Insert", "ArrowLeft", "ArrowRight"]);
const HELD = new Set(["Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock", "Fn", "NumLock"]);

let own = {}; // action → the key that replaces its default, of every kind of answer
let action = new Map(); // key → action
let keyFor = new Map(); // action → key

/** A key as the table writes it: letters small, whatever Shift does. */
const plainKey = (event) => (event.key.length === 1 ? event.key.toLowerCase() : event.key);

const usable = (key) => typeof key === "string" && (USABLE.has(key) || (/^\P{C}$/u.test(key) && !/^[0-9]$/.test(key)));

function arrange() {
  action = new Map();
  keyFor = new Map();
  const take = (name, key) => {
    if (action.has(key)) return; // a default that a changed key has taken: the action is without a key
    action.set(key, name);
    keyFor.set(name, key);
  };
  for (const { name } of KEYS) if (own[name]) take(name, own[name]);
  for (const { name, key } of KEYS) if (!own[name]) take(name, key);
}

/** Take over the keys that this browser has kept, those of other kinds of answers too. */
function recall() {
  try {
    const kept = Object.entries(JSON.parse(localStorage.getItem(KEPT) ?? "{}") ?? {});
    const fixed = new Set(COMMON.filter((entry) => entry.fixed).map(({ name }) => name));
    own = Object.fromEntries(kept.filter(([name, key]) => !fixed.has(name) && usable(key)));
  } catch {
    localStorage.removeItem(KEPT); // damaged by hand: the defaults
  }
  arrange();
}
recall();

/** Put the table of a kind of answer in force. */
export function useKeys(changes) {
  KEYS = tableOf(changes);
  arrange();
}

const shown = (key) => NAMES[key] ?? key;

/** The key of an action as it is printed; "" where it has none. */
export const keyName = (name) => (keyFor.has(name) ? shown(keyFor.get(name)) : "");

/** " (key)" to stand behind a name; nothing where there is no key. */
export const inBrackets = (name) => (keyName(name) ? ` (${keyName(name)})` : "");

const brief = (name) =>
  KEYS.find((entry) => entry.name === name)
    .text.split(/[:;(]/)[0]
    .trim();

/**
 * Give an action the key that was pressed. Returns null while only Shift or the like is held, "" when it is done, else
 * the sentence that says why not.
 */
export function rebind(name, event) {
  const key = plainKey(event);
  if (HELD.has(event.key)) return null;
  if (event.ctrlKey || event.metaKey || event.altKey)
    return "Keys with Ctrl, Alt or ⌘ belong to the browser. Press one key alone.";
  if (digitOf(event) !== undefined) return "Digits choose labels. Press another key.";
  if (!usable(key))
    return `${event.key} belongs to the browser. Press a letter, a sign, Space, Enter, Backspace, Delete, ← or →.`;
  const other = action.get(key);
  if (other && other !== name) return `${shown(key)} is taken: “${brief(other)}”. Give that another key first.`;
  own[name] = key;
  if (KEYS.find((entry) => entry.name === name).key === key) delete own[name];
  localStorage.setItem(KEPT, JSON.stringify(own));
  arrange();
  return "";
}

/** Every action has its first key again. */
export function resetKeys() {
  own = {};
  localStorage.removeItem(KEPT);
  arrange();
}

/**
 * label → the place of its key. A label that is a digit has that key; the others get the places that are left, in their
 * order: as `digit_keys` of askwise.labelsets, and on with Shift.
 */
export function places(labels) {
  const found = new Map(labels.filter((name) => /^[0-9]$/.test(name)).map((name) => [name, (Number(name) + 9) % 10]));
  const taken = new Set(found.values());
  let next = 0;
  for (const name of labels) {
    if (found.has(name)) continue;
    while (taken.has(next)) next++;
    found.set(name, next++);
  }
  return found;
}

/** The key at a place: 1 … 9, 0, then with Shift, then with Shift and Alt; "" beyond the thirtieth. */
export function labelKey(place) {
  if (place > 29) return "";
  return `${["", "⇧", "⇧Alt "][Math.floor(place / 10)]}${(place + 1) % 10}`;
}

const digitOf = (event) => event.code.match(/^(?:Digit|Numpad)(\d)$/)?.[1];

/** The place of the label that a key press chooses, or null: by where the key lies, whatever the layout. */
function labelPlace(event) {
  const digit = digitOf(event);
  if (digit === undefined || event.ctrlKey || event.metaKey || (event.altKey && !event.shiftKey)) return null;
  const at = (Number(digit) + 9) % 10;
  if (event.altKey) return at + 20;
  const typed = /^\d$/.test(event.key); // layouts that need Shift for a digit: a digit typed is a digit meant
  return at + (event.shiftKey && !typed ? 10 : 0);
}

const STEPS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]);

/** Whether a key press belongs to the control that has the focus: a field that is typed in, a slider that is moved. */
function typing({ target, key }) {
  const field = target.closest?.("input, textarea, select, [contenteditable]");
  return field?.type === "range" ? STEPS.has(key) : Boolean(field);
}

/**
 * Call `act(name)` or `digit(place)` for key presses that are meant for the page: not while typing, not behind a
 * dialog, and not Space or Enter on a control that was reached by keyboard. `first(event)` is asked before the table;
 * what it takes (true) is done with.
 */
export function listen({ act, digit, first }) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || typing(event)) return;
    if (document.querySelector("dialog[open]")) return;
    if ((event.key === " " || event.key === "Enter") && event.target.closest?.("button:focus-visible, a:focus-visible"))
      return;
    if (first(event)) {
      event.preventDefault();
      return;
    }
    const undo = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey;
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const name = undo ? "undo" : plain ? action.get(plainKey(event)) : undefined;
    const place = labelPlace(event);
    if (place === null && !name) return;
    event.preventDefault();
    if (event.repeat && name !== "older" && name !== "newer") return; // a key held down is one answer
    if (place !== null) digit(place);
    else act(name);
  });
}
