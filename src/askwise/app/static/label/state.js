// What the labeling page knows. Whoever changes it calls `changed`; the screen listens.

import { hue } from "../lib/dom.js";

export const AHEAD = 3; // questions in the browser: the open one and two more; further ahead they would be out of date
export const SETTLE = 80; // ms in which a second press is the same press bouncing

const guess = localStorage.getItem("askwise-guess") ?? "shown";

export const state = {
  deck: [], // questions, the first one is on the card
  answered: new Set(), // item and asked number of what was answered here
  history: [], // newest first
  looking: null, // the earlier answer on the card
  pulse: null,
  about: null, // what never changes
  kind: null, // what is to be known of the kind of answer: widgets/index.js
  widget: null, // how such an answer is given
  guess: guess === "shown",
  after: guess === "after", // told once the answer is given
  gone: "", // why nothing works any more
  said: "", // what the server said of it, if it spoke
  ready: false, // the first questions are here
  shownAt: 0,
  heard: 0,
  adding: "", // the class that is being made
  told: new Map(), // what the guidelines say of each label
  advice: { open: false, from: 0 }, // whether the dialog is to come, and after how many labels
};

export const keyOf = (q) => `${q.item}#${q.asked}`;
export const current = () => state.looking ?? state.deck[0] ?? null;
/** Whether the model's guess is shown with a question (or an earlier answer). */
export const guessShown = (q) => state.guess && !q.audit && !q.revisited;
export const mayAdd = () => state.about?.me.role !== "annotator";
export const owner = () => state.about?.me.role === "owner";

/** The hue of a label; null for one that is none. */
export function hueOf(label) {
  const at = state.pulse?.classes.indexOf(label) ?? -1;
  return at < 0 ? null : hue(at);
}

let listener = () => {};

/** `show` is called after each change. */
export const listen = (show) => (listener = show);

export const changed = () => listener();
