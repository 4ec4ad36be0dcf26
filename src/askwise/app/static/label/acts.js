// What can be done on the labeling page: by key, by button, and by the widget.

import { call } from "../lib/api.js";
import { dialog, hideToast, toast } from "../lib/dialogs.js";
import { $, el, icon } from "../lib/dom.js";
import { accept, answer, flag, submit, undo, visit, walk } from "./answers.js";
import * as card from "./card.js";
import { take } from "./deck.js";
import { prose } from "./guidelines.js";
import { search } from "./finding.js";
import * as image from "./image.js";
import { keyHelp } from "./key-help.js";
import { KEYS, inBrackets, keyName, listen } from "./keys.js";
import { say } from "./screen.js";
import { changed, current, mayAdd, state } from "./state.js";
import { play } from "./view.js";

const ACTS = {
  accept,
  submit,
  none: () => state.widget.none?.(),
  skip: () => answer("skip"),
  unsure: () => answer("unsure"),
  undo,
  flag: () => flag(false),
  note: () => flag(true),
  older: () => walk(1),
  newer: () => walk(-1),
  search: () => state.widget.search?.(),
  find: search,
  guess: nextGuess,
  mono: () => localStorage.setItem("askwise-mono", document.body.classList.toggle("mono") ? "on" : "off"),
  larger: () => image.zoom(1.4),
  smaller: () => image.zoom(1 / 1.4),
  fit: image.fit,
  invert: image.invert,
  regions: () => state.deck[0] && !state.looking && card.regions(state.deck[0], state.guess),
  play,
  more: () => state.deck[0] && !state.looking && card.toggle(state.deck[0], state.guess),
  guide,
  help: () => keyHelp({ more: state.kind.help(state.pulse.classes), changed: showKeys }),
  escape: () => (hideToast(), visit(null)),
};

/** Do what a key of the table does: one that all kinds of answers have, or one of the widget's own. */
export function act(name) {
  if (!state.widget) return; // the server has not said yet what is asked
  if (Object.hasOwn(ACTS, name)) ACTS[name]();
  else state.widget.acts[name]();
}

/** Do it where a button is clicked: a mouse must not leave the focus there, where Space would press it again. */
const clicked = (name) => (event) => {
  if (event.detail) event.currentTarget.blur();
  act(name);
};

/** What a widget is given to work with: see widgets/index.js. */
export const host = () => ({
  box: $("widget"),
  question: current,
  give: (written) => answer("label", written),
  act,
  addClass,
  say,
  toast,
  button: ({ id, act: name, text }) =>
    el(
      "button",
      { type: "button", class: "plain", id, onclick: clicked(name) },
      el("span", {}, text),
      el("kbd", { "data-key": name }),
    ),
  get mayAdd() {
    return mayAdd();
  },
  get told() {
    return state.told;
  },
});

/** Make a new class; whether it is there, and the question still the same. */
async function addClass(name) {
  const q = current();
  if (state.adding === name) return false; // the same press, bouncing
  state.adding = name;
  try {
    take({ pulse: await call("classes", { name }) });
  } catch (error) {
    toast(error.message, { bad: true });
    return false;
  } finally {
    state.adding = "";
  }
  return q === current();
}

// ── the model's guess, the guidelines ───────────────────────────────────────────────────────

const GUESS = {
  shown: ["Guess shown", "The model's guess is shown"],
  after: ["Guess after", "The model's guess is told after the answer"],
  hidden: ["Guess hidden", "The model's guess is hidden"],
};
const howGuess = () => (state.guess ? "shown" : state.after ? "after" : "hidden");

function setGuess(how) {
  const [short, long] = GUESS[how];
  state.guess = how === "shown";
  state.after = how === "after";
  localStorage.setItem("askwise-guess", how);
  const button = $("b-guess");
  button.replaceChildren(icon(state.guess ? "eye" : "eye-off"), el("span", { class: "wide-only" }, short));
  button.setAttribute("aria-pressed", String(state.guess));
  button.setAttribute("aria-label", long);
  changed();
}

function nextGuess() {
  const all = Object.keys(GUESS);
  setGuess(all[(all.indexOf(howGuess()) + 1) % all.length]);
}

function guide() {
  if (!state.about?.guidelines) {
    toast("No guidelines were given (askwise label … --guidelines FILE).");
    return;
  }
  const panel = $("guide");
  if (matchMedia("(max-width: 1179px)").matches) {
    const box = el("div", { class: "guide" });
    box.append(prose(state.about.guidelines));
    dialog({ title: "Guidelines", body: box, wide: true });
  } else {
    panel.hidden = !panel.hidden;
    localStorage.setItem("askwise-guide", panel.hidden ? "hidden" : "shown");
  }
}

// ── buttons and keys ────────────────────────────────────────────────────────────────────────

const BUTTONS = [
  ["none", "none", "None"],
  ["skip", "skip", "Skip"],
  ["unsure", "unsure", "Unsure"],
  ["flag", "flag", "Flag"],
  ["search", "plus", "New label"],
  ["undo", "undo", "Undo"],
];

export function buildActs() {
  $("acts").append(
    ...BUTTONS.map(([name, drawn, text]) =>
      el(
        "button",
        {
          type: "button",
          class: "act",
          "data-act": name,
          title: KEYS.find((entry) => entry.name === name).text,
          onclick: clicked(name),
        },
        icon(drawn),
        el("span", {}, text),
        el("kbd", { "data-key": name }),
      ),
    ),
  );
  showKeys();
  for (const name of ["more", "guess", "guide"]) $(`b-${name}`).addEventListener("click", () => ACTS[name]());
  $("b-find").addEventListener("click", () => act("find"));
  $("b-keys").addEventListener("click", () => act("help"));
  listen({
    act,
    digit: (place) => state.widget?.digit?.(place),
    first: (event) => Boolean(state.widget?.key?.(event)),
  });
  document.body.classList.toggle("mono", localStorage.getItem("askwise-mono") === "on");
  setGuess(howGuess());
}

/** Print each key where it stands: on buttons, behind the names of those without room for it. */
export function showKeys() {
  for (const node of document.querySelectorAll("[data-key]")) {
    node.textContent = keyName(node.dataset.key);
    node.hidden = !node.textContent;
  }
  for (const node of document.querySelectorAll("[data-title]")) {
    node.title = node.dataset.title + inBrackets(node.dataset.titleKey);
  }
}
