// Answers: given, changed, taken back. Shown at once, sent at once, acknowledged when they are saved.

import { dialog, toast } from "../lib/dialogs.js";
import { $, el } from "../lib/dom.js";
import { percent } from "../lib/numbers.js";
import { outbox } from "./deck.js";
import * as strip from "./history.js";
import { inBrackets, keyName } from "./keys.js";
import { SETTLE, changed, current, hueOf, keyOf, state } from "./state.js";
import * as watch from "./stopwatch.js";

const VERBS = { label: "tell", skip: "skip", unsure: "unsure" };

/** An answer as the server takes it: `written` as the log writes it, null for skipped and unsure. */
const body = (written) => (written === null ? { label: null } : state.kind.body(written));
const undoing = () => ({ button: `Undo${inBrackets("undo")}`, act: undo });
/** So soon after a question has come, a press was meant for the one before. */
const settling = () => performance.now() - state.shownAt < SETTLE;

/** Answer the open question, or change the earlier answer on the card: kind "label", "skip" or "unsure". */
export function answer(kind, written = null) {
  if (state.looking) {
    change(kind, written);
    return;
  }
  const question = state.deck[0];
  if (!question || settling() || state.answered.has(keyOf(question))) return;
  state.answered.add(keyOf(question));
  state.deck.shift();
  const seconds = watch.seconds();
  const { item, row, text, view, audit, asked } = question;
  const entry = { item, row, text, view, kind, label: written, audit, flag: question.flag ?? null, seconds, question };
  state.history.unshift(entry);
  entry.key = outbox.push(VERBS[kind], { item, asked, ...body(written), seconds }, text.slice(0, 300));
  flash(entry);
  changed();
  const done = { label: `Labeled ${strip.called(entry)}`, skip: "Skipped", unsure: "Marked unsure" }[kind];
  toast(done + (kind === "label" ? thought(question) : ""), undoing());
}

/** What the model thought, for who wants to know it after the answer. */
function thought({ suggestion, confidence }) {
  if (!state.after || !suggestion) return "";
  return ` · the model's guess: ${state.kind.words(suggestion)}${confidence === null ? "" : ` ${percent(confidence)}`}`;
}

/** Whether it says what was said before. */
function same(entry, kind, written) {
  if (kind !== entry.kind || kind !== "label") return kind === entry.kind;
  return state.kind.same?.(written, entry.label) ?? written === entry.label;
}

function change(kind, written) {
  const entry = state.looking;
  state.looking = null;
  if (kind === "skip" || same(entry, kind, written)) {
    changed();
    return;
  }
  const { item, question } = entry;
  const newer = { ...entry, kind, label: written, seconds: null };
  state.history = [newer, ...state.history.filter((other) => other !== entry)];
  const told = { item, asked: question?.asked ?? 0, ...body(written), seconds: null };
  newer.key = outbox.push(VERBS[kind], told, entry.text.slice(0, 300));
  flash(newer);
  changed();
  toast(`Changed from ${strip.called(entry)} to ${strip.called(newer)}`, undoing());
}

/** The question of an answer whose own is not known any more. */
const reopened = ({ item, row, text, view, audit }) => ({
  item,
  row,
  text,
  view,
  audit,
  asked: 0,
  reason: "You took your answer back.",
  given: null,
  draft: null,
  suggestion: null,
  confidence: null,
  guesses: [],
  score: null,
  strategy: "",
  round: 0,
});

/** Take back the answer on the card, else the last one: on the server too. */
export function undo() {
  const entry = state.looking ?? state.history[0];
  if (!entry) {
    toast("Nothing to undo.");
    return;
  }
  state.looking = null;
  state.history = state.history.filter((other) => other !== entry);
  const question = entry.question ?? reopened(entry);
  if (entry.kind === "label") {
    if (state.kind.reopen) state.kind.reopen(question, entry.label);
    else Object.assign(question, { given: entry.label, draft: null });
  } // else what was put on when it was skipped, or called unsure
  state.answered.delete(keyOf(question));
  state.deck = [question, ...state.deck.filter((q) => q.item !== question.item)];
  if (!outbox.cancel(entry.key)) outbox.push("retract", { item: entry.item }, entry.text.slice(0, 300));
  changed();
  toast(`Took back “${strip.called(entry)}”`);
}

/** Answer with what the widget holds. */
export function submit() {
  if (state.widget?.submit) {
    state.widget.submit();
    return;
  }
  if (!current() || settling()) return;
  const written = state.widget.answer();
  if (written === null) toast(state.widget.missing());
  else answer("label", written);
}

/** Take over what the model suggests, where it may be seen. */
export function accept() {
  const q = state.deck[0];
  if (state.looking || !q) return;
  const shows = keyName("guess") && ` (${keyName("guess")} shows it)`;
  if (q.audit) toast("On a blind check the guess stays hidden: choose a label yourself.");
  else if (!state.guess) toast(`The guess is hidden${shows}.`);
  else if (!q.suggestion) toast("There is no guess to accept yet.");
  else state.widget.accept(q.suggestion);
}

export async function flag(withNote) {
  const q = current();
  if (!q) return;
  const note = withNote ? await noteOf(q.flag ?? "") : (q.flag ?? "");
  if (note === null) return;
  q.flag = note;
  outbox.push("flag", { item: q.item, note }, q.text.slice(0, 300));
  changed();
  toast(note ? "Flagged with a note; the question stays open." : "Flagged; the question stays open.");
}

/** A note, as it was or changed; null = left as it is. */
async function noteOf(note) {
  const field = el("textarea", { rows: 4, maxLength: 10_000, autofocus: true, value: note, "aria-label": "Note" });
  field.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      field.form.requestSubmit(field.form.querySelector(".primary"));
    }
  });
  const value = await dialog({
    title: "Flag with a note",
    body: [field, el("p", { class: "small" }, "Ctrl Enter saves. Notes are in the report and in every export.")],
    buttons: [
      { label: "Cancel", value: "", kind: "plain" },
      { label: "Save", value: "save", kind: "primary" },
    ],
  });
  return value === "save" ? field.value : null;
}

/** Walk through the earlier answers: 1 = older, -1 = newer. */
export function walk(step) {
  const at = state.looking ? state.history.indexOf(state.looking) : -1;
  const to = at + step;
  visit(to < 0 ? null : (state.history[to] ?? state.looking));
}

/** Put an earlier answer on the card; null = back to the open question. */
export function visit(entry) {
  if (entry && state.deck.some((q) => q.item === entry.item)) return;
  state.looking = entry;
  if (entry) Object.assign(entry, { revisited: true, given: entry.kind === "label" ? entry.label : null, draft: null });
  changed();
}

function flash(entry) {
  const [first] = strip.labelsOf(entry);
  const node = $("card");
  node.classList.remove("flash");
  node.style.setProperty("--h", (first === undefined ? null : hueOf(first)) ?? 225);
  void node.offsetWidth; // restarts the animation
  node.classList.add("flash");
  node.focus({ preventScroll: true });
}
