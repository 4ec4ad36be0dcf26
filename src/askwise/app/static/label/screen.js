// The labeling page as it looks now: the question, what is around it, and what stands there when there is none.

import { $, el } from "../lib/dom.js";
import { plural } from "../lib/numbers.js";
import { FINISH, finishing } from "./advice.js";
import { visit } from "./answers.js";
import { showAside } from "./aside.js";
import * as card from "./card.js";
import { again, outbox } from "./deck.js";
import * as strip from "./history.js";
import { keyName } from "./keys.js";
import * as side from "./side.js";
import { current, guessShown, keyOf, owner, state } from "./state.js";
import * as watch from "./stopwatch.js";
import * as item from "./view.js";

const shown = { key: "", widget: "", question: null, timed: "" };

/** What the widget may show of the model's opinion. */
const opinion = (q) => {
  const visible = q && guessShown(q);
  return { suggestion: (visible && q.suggestion) || null, guesses: visible ? q.guesses : [] };
};

export function render() {
  if (!state.pulse) {
    if (state.gone) showGone();
    return;
  }
  const { widget, pulse } = state;
  const q = current();
  widget.update(pulse);
  const key = q ? `${keyOf(q)}${q.revisited ? "!" : ""}|${state.guess}|${q.reason}` : "";
  if (!q) showEmpty();
  else if (key !== shown.key) showQuestion(q);
  shown.key = key;
  const widgetKey = JSON.stringify([key, q?.revisited ? q.label : "", pulse.classes]);
  if (shown.widget !== widgetKey || shown.question !== q) widget.show(q, opinion(q));
  Object.assign(shown, { widget: widgetKey, question: q });
  showActs(q);
  strip.show(state.history, state.looking, visit);
  const ahead = outbox.acts.filter((act) => act.verb === "tell").length;
  side.show(pulse, state.history, ahead);
  showBanner(q);
}

/** The buttons below the widget: which there are, and which can be pressed. */
function showActs(q) {
  for (const button of document.querySelectorAll("#acts button")) {
    const { act } = button.dataset;
    button.disabled = act === "undo" ? !state.history.length : !q || (Boolean(q.revisited) && act === "skip");
    if (act === "none" || act === "search") button.hidden = !state.widget.offers(act);
  }
  document.querySelector('[data-act="flag"]').classList.toggle("on", typeof q?.flag === "string");
}

/** Say something to those who listen to the page, beside the question itself. */
export const say = (text) => ($("said").textContent = text);

/** The sentence below an earlier answer. */
function revisited(entry) {
  const how = state.kind.change?.() ?? "Choose again to change it";
  return (
    `Your earlier answer: ${strip.called(entry)}. ${how}, ` +
    `Esc${keyName("newer") && ` or ${keyName("newer")}`} goes back.`
  );
}

/** Why this is asked; the sentence may name the guess that was asked to be hidden. */
function reasonOf({ reason, guesses }) {
  if (state.guess || !guesses.some(([label]) => reason.includes(label))) return reason;
  const shows = keyName("guess") && ` (${keyName("guess")} shows it)`;
  return `The model is not settled on this one; what it thinks is hidden${shows}.`;
}

function showQuestion(q) {
  const { looking } = state;
  const question = { ...q, reason: looking ? revisited(looking) : reasonOf(q) };
  const body = state.widget.draw?.(q, opinion(q)) ?? null;
  card.show(question, { guess: state.guess, kind: state.about?.kind ?? "text", body });
  item.ahead(state.about?.kind, state.deck.slice(1));
  if (!looking && shown.timed !== keyOf(q)) {
    shown.timed = keyOf(q);
    watch.restart();
    scrollTo({ top: 0 });
  }
  state.shownAt = performance.now();
  $("card").classList.toggle("earlier", Boolean(looking));
  say(""); // the same labels on the next question are news again
  $("live").textContent = `${question.text.slice(0, 300)}. ${question.reason}`;
}

// ── no question ─────────────────────────────────────────────────────────────────────────────

function showEmpty() {
  const { counts } = state.pulse;
  $("card").classList.remove("earlier");
  if (state.gone || outbox.trouble) showGone();
  else if (!state.ready || outbox.waiting) card.empty({ title: "", lines: [], busy: true });
  else if (counts.open === 0 || counts.open === counts.unsure) showDone(counts);
  else {
    const open = plural(counts.open, "item is", "items are");
    const where = "in other hands: in another tab or window, or put off a moment ago. The page asks again by itself.";
    card.empty({ title: "Nothing to ask right now", lines: [`${open} still open, but ${where}`], busy: true });
  }
}

function showDone(counts) {
  const both = `${plural(counts.labeled, "label")} by you, ${plural(counts.auto, "label")} by the model.`;
  const lines = [counts.auto ? both : "Every item has your answer."];
  if (counts.unsure) lines.push(`${plural(counts.unsure, "item")} marked unsure.`);
  const results = () => el("a", { class: "button primary", href: FINISH }, "Results and downloads");
  card.empty({ title: "All done", lines, buttons: owner() ? [results()] : [] });
}

const OLD_KEY = "This link is from an earlier start. Open the one that askwise printed last.";
const NO_SERVER =
  "The labeling server does not answer. If you stopped it, start askwise label again with the same file: " +
  "it goes on where you were.";

function showGone() {
  const said = (outbox.spoke && outbox.trouble) || state.said;
  const lines = [state.gone === "key" ? OLD_KEY : said || NO_SERVER];
  if (outbox.waiting) {
    const answers = plural(outbox.waiting, "answer is", "answers are");
    lines.push(`${answers} waiting in this browser and will be sent when the server is back.`);
  }
  const title = said ? "The server cannot go on now" : "The server is gone";
  card.empty({
    title: state.gone === "key" ? "The key does not fit" : title,
    lines,
    buttons: [el("button", { type: "button", class: "plain", onclick: again }, "Try again")],
  });
  shown.key = "";
}

// ── the banner ──────────────────────────────────────────────────────────────────────────────

function showBanner(q) {
  const { autolabel, trouble } = state.pulse;
  if (outbox.trouble || state.gone) side.banner(offline(), { kind: "bad", button: "Try again", act: again });
  else if (outbox.aside.length) {
    const text = `${plural(outbox.aside.length, "answer")} could not be saved; the others are`;
    side.banner(text, { kind: "bad", button: "Look…", act: () => showAside(outbox) });
  } else if (autolabel?.status === "checking") {
    const button = owner() ? "Give up…" : null;
    side.banner(checking(q, autolabel), { kind: "check", button, act: finishing });
  } else if (trouble) {
    const text = `The model does not learn at the moment: ${trouble} It is tried again by itself.`;
    side.banner(text, { kind: "bad" });
  } else side.banner(null);
}

function offline() {
  const kept = outbox.waiting ? ` – ${plural(outbox.waiting, "answer")} waiting` : "";
  const said = outbox.trouble ? outbox.spoke && outbox.trouble : state.said;
  if (state.gone === "key") return `This link no longer works${kept}`;
  return said ? `Nothing is saved now${kept}. ${said}` : `Offline${kept}`;
}

function checking(q, { left, done }) {
  if (q && !q.audit) return "Blind checks are running · this item is not one of them";
  const total = left === null ? "" : ` / ~${done + left}`;
  return `Blind check ${done + (q ? 1 : 0)}${total} · guesses are hidden · unsure counts as wrong`;
}
