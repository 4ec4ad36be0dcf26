// The page of labels that exist already: one blind question after the other, and the numbers for who asks for them.

import { dialog, hideToast, toast } from "../lib/dialogs.js";
import { $, el, icon } from "../lib/dom.js";
import { keyHelp } from "../label/key-help.js";
import { KEYS, inBrackets, keyName, listen as keys, useKeys } from "../label/keys.js";
import * as watch from "../label/stopwatch.js";
import { one } from "../label/widgets/one.js";
import * as desk from "./desk.js";
import { numbers } from "./numbers.js";
import { draw } from "./question.js";

const { state } = desk;
const kind = one();
const ABSENT = ["accept", "submit", "none", "flag", "note", "older", "newer", "find", "guess", "more", "mono", "guide"];
useKeys({
  ...Object.fromEntries(ABSENT.map((name) => [name, null])),
  skip: "Later: comes again behind the others that wait",
  unsure: "Cannot be decided; counts as wrong",
  undo: "Back to the answer before, to give it anew",
  search: "Find a label by name, or add one",
  numbers: { key: "s", text: "How good are these labels? And back" },
});

const onNumbers = () => location.hash === "#numbers";

// ── acts ────────────────────────────────────────────────────────────────────────────────────

const widget = kind.create({
  box: $("widget"),
  question: desk.current,
  give,
  act,
  addClass: async (name) => {
    state.added.push(name);
    return true;
  },
  say: (text) => ($("said").textContent = text),
  toast,
  mayAdd: true,
  told: new Map(),
});

async function give(label) {
  if (!desk.current() || desk.settling()) return;
  const finished = await desk.answer(label, watch.seconds());
  if (!finished) return;
  const words = label === null ? "Cannot be decided" : `Answered ${label}`;
  toast(words, state.turn.back ? { button: `Back${inBrackets("undo")}`, act: () => act("undo") } : {});
  if (state.turn.done) open("#numbers");
}

const ACTS = {
  skip: () => desk.current() && !desk.settling() && desk.later(),
  unsure: () => give(null),
  undo() {
    hideToast();
    if (state.turn?.back) desk.back();
    else toast("There is no answer to go back to.");
  },
  search: () => widget.search(),
  numbers: toNumbers,
  help: () => keyHelp({ more: kind.help(desk.classes()), changed: showKeys }),
  escape: () => {
    hideToast();
    if (onNumbers()) toQuestions();
    else if (desk.current()?.again) desk.later();
  },
};
const ANYWHERE = new Set(["numbers", "help", "escape"]);

function act(name) {
  if (!onNumbers() || ANYWHERE.has(name)) ACTS[name]?.();
}

/** Do it where a button is clicked: a mouse must not leave the focus there, where Space would press it again. */
const clicked = (name) => (event) => {
  if (event.detail) event.currentTarget.blur();
  act(name);
};

const BUTTONS = [
  ["skip", "skip", "Later"],
  ["unsure", "unsure", "Cannot decide"],
  ["search", "plus", "New label"],
  ["undo", "undo", "Back"],
];

function buildActs() {
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
  $("b-keys").addEventListener("click", () => act("help"));
  $("b-numbers").addEventListener("click", clicked("numbers"));
  keys({
    act,
    digit: (place) => !onNumbers() && widget.digit(place),
    first: () => false,
  });
  showKeys();
}

function showKeys() {
  for (const key of document.querySelectorAll("[data-key]")) {
    key.textContent = keyName(key.dataset.key);
    key.hidden = !key.textContent;
  }
}

// ── questions or numbers ────────────────────────────────────────────────────────────────────

/** Go to an address of this page: the browser's way back leads back. */
function open(hash) {
  if (location.hash !== hash) location.hash = hash;
  else show();
}

const toQuestions = () => open("");

/** Show the numbers; before that, say what a look costs where it costs something. */
async function toNumbers() {
  if (onNumbers()) {
    toQuestions();
    return;
  }
  if (state.turn?.back && !state.turn.done) {
    const value = await dialog({
      title: "Look at the numbers now?",
      body: [
        el("p", {}, "They hold at every look, so look as often as you like, and go on afterwards."),
        el(
          "p",
          {},
          "They may tell whether your last answer agreed with the label that was there. So what you have answered " +
            "until now can no longer be changed on this page.",
        ),
      ],
      buttons: [
        { label: "Not yet", value: "", kind: "plain" },
        { label: "Look", value: "look", kind: "primary" },
      ],
    });
    if (value !== "look") return;
  }
  open("#numbers");
}

async function show() {
  const away = onNumbers();
  $("asking").hidden = away;
  $("numbers").hidden = !away;
  $("b-numbers").textContent = away ? "Questions" : "How good?";
  $("skip").href = away ? "#numbers" : "#card";
  hideToast();
  scrollTo({ top: 0 });
  if (away) await numbers($("numbers"), { rest });
  await desk.ask();
}

/** Go on with what is open when it is known which labels stay. */
async function rest() {
  await desk.ask(true);
  toQuestions();
}

function render() {
  const { about } = state;
  document.title = about?.title ? `${about.title} · Askwise` : "Askwise";
  $("title").textContent = about?.title || "Labels that exist already";
  draw(widget, () => open("#numbers"));
}

desk.listen(render);
buildActs();
addEventListener("hashchange", show);
await desk.begin();
if (state.turn?.done && !onNumbers()) open("#numbers");
else if (onNumbers()) await show();
desk.keepAlive();
