// The labeling page: keeps the open questions, turns keys into answers.

import * as card from "./card.js";
import * as item from "./view.js";
import * as strip from "./history.js";
import * as side from "./side.js";
import * as watch from "./stopwatch.js";
import { Refused, call } from "./api.js";
import { dialog, hideToast, keyHelp, toast } from "./dialogs.js";
import { $, definitions, el, icon, percent, plural, prose } from "./dom.js";
import { KEYS, inBrackets, keyName, listen } from "./keys.js";
import { Labels } from "./labels.js";
import { Outbox } from "./outbox.js";
import { rail } from "./rail.js";

const AHEAD = 3; // questions in the browser: the open one and two more; further ahead they would be out of date
const SETTLE = 80; // ms in which a second press is the same press bouncing
const POLL = 2000;
const NONE = "None of these"; // the class that says so where an item has one label
const LATER = 20; // labels before the advice to finish is given again

const state = {
  deck: [], // questions, the first one is on the card
  answered: new Set(), // item and asked number of what was answered here
  history: [], // newest first
  looking: null, // the earlier answer on the card
  pulse: null,
  about: null, // what never changes
  guess: (localStorage.getItem("askwise-guess") ?? "shown") === "shown",
  after: localStorage.getItem("askwise-guess") === "after", // told once the answer is given
  gone: "", // why nothing works any more
  said: "", // what the server said of it, if it spoke
  ready: false, // the first questions are here
  shownAt: 0,
  shownKey: "",
  heard: 0,
  adding: "", // the class that is being made
  told: new Map(), // what the guidelines say of each label
  pressed: { label: null, at: 0 }, // the label put on or off last
  advice: { open: false, from: 0 }, // whether the dialog is to come, and after how many labels
};

const tab = (sessionStorage["askwise-tab"] ??= crypto.randomUUID());
/** What this tab holds, for the server: the deck, with what is answered but not yet acknowledged. */
const hand = (sending = null) => {
  const have = [...new Set([...state.deck, ...outbox.acts.filter((act) => act !== sending && act.verb !== "flag")].map((q) => q.item))];
  return { tab, have: have.slice(0, 50), want: Math.min(20, AHEAD + have.length - state.deck.length) };
};
const keyOf = (q) => `${q.item}#${q.asked}`;
const current = () => state.looking ?? state.deck[0] ?? null;
const guessShown = (q) => state.guess && !q.audit && !q.revisited;
/** Whether an item takes several labels. */
const several = () => Boolean(state.pulse?.multilabel);
const suggestions = (q) => q.suggestions ?? []; // none of an item whose answer was taken back, before the server says more
const mayAdd = () => state.about?.me.role !== "annotator";
const noneClass = () => state.pulse?.classes.find((name) => name.toLowerCase() === NONE.toLowerCase());
const labels = new Labels({ choose, add: addClass, submit });

const outbox = new Outbox({
  fill: hand,
  done(act, reply) {
    if (act.verb === "retract" && reply.query) replace(reply.query);
    take(reply);
    if (reply.note) toast(reply.note, { time: 8000 });
  },
  refused(act, error) {
    state.history = state.history.filter((entry) => entry.key !== act.key);
    toast(`Not saved, but kept: ${error.message}`, { bad: true, time: 15_000, button: "Look", act: showAside });
    ask();
  },
  changed: () => render(),
  full: () => toast("This browser has no room to keep answers over a reload: leave the page open until all are sent.", { bad: true, time: 15_000 }),
});

const DID = { tell: "Label", skip: "Skipped", unsure: "Unsure", flag: "Flagged", retract: "Took the answer back" };

/** One line of what was set aside, to be read and copied. */
function toldOf({ verb, item: id, about, label, labels: chosen, note, sentence }) {
  const what = [DID[verb] ?? verb, chosen?.join(", ") || label, note && `note: ${note}`].filter(Boolean).join(" · ");
  return `${about || id}\n${what}\nNot saved: ${sentence}`;
}

/** What the server will not take: shown, to be copied, sent once more, or forgotten. */
async function showAside() {
  const text = outbox.aside.map(toldOf).join("\n\n");
  const field = el("textarea", { rows: 8, readOnly: true, value: text, "aria-label": "Not saved" });
  const value = await dialog({
    title: `${plural(outbox.aside.length, "answer")} not saved`,
    body: [el("p", {}, "The server does not take these; what was answered after them is saved. They are kept in this browser."), field],
    buttons: [
      { label: "Forget them", value: "forget" },
      { label: "Copy", value: "copy" },
      { label: "Try again", value: "again", kind: "primary" },
    ],
  });
  if (value === "forget") outbox.forgetAside();
  if (value === "again") outbox.retryAside();
  if (value !== "copy") return;
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("This browser does not let a page copy: mark the text and press Ctrl C.", { bad: true });
  }
}

// ── questions ───────────────────────────────────────────────────────────────────────────────

/** Take in what a reply holds: the pulse and further questions. */
function take({ pulse, next }) {
  state.heard = performance.now();
  state.gone = "";
  state.said = "";
  const before = state.pulse?.autolabel;
  const ready = state.pulse?.verdict.ready;
  if (pulse) state.pulse = pulse;
  const held = new Set(state.deck.map((q) => q.item));
  for (const q of next ?? []) if (!held.has(q.item) && !state.answered.has(keyOf(q))) state.deck.push(q);
  if (next) state.ready = true;
  render();
  if (before?.status === "checking" && state.pulse.autolabel?.status !== "checking") {
    state.deck = [];
    ask();
    showOutcome();
  }
  if (ready === false && state.pulse.verdict.ready) state.advice.open = true;
  advise();
}

/**
 * Ask once how to go on when the advice becomes to finish: again after twenty more labels where that was wished, else
 * not before the advice has changed.
 */
async function advise() {
  const { advice, pulse } = state;
  const { verdict, counts, autolabel } = pulse;
  if (!verdict.ready) advice.open = false;
  if (!advice.open || counts.labeled < advice.from || !owner() || counts.auto || autolabel?.status === "checking" || state.looking) return;
  if (!state.deck.length || document.querySelector("dialog[open]") || document.activeElement === $("search")) return;
  advice.open = false;
  const chosen = await dialog({
    title: "Ready to finish",
    // No button has the focus: who labels fast may be pressing Space or Enter now.
    body: [el("p", { tabIndex: -1, autofocus: true }, verdict.reason), el("p", { class: "small" }, "How do you want to go on? Closing this is the same as Go on: it comes back when the advice has changed.")],
    buttons: [
      { label: `Label ${LATER} more`, value: "later" },
      { label: "Go on", value: "" },
      { label: "Finish…", value: "finish", kind: "primary" },
    ],
  });
  advice.from = state.pulse.counts.labeled + LATER; // also where the advice wavers
  if (chosen === "later") advice.open = true;
  if (chosen === "finish") finishing();
}

/** The question as the server has it now, in the place of what was put up for it. */
function replace(question) {
  const at = state.deck.findIndex((q) => q.item === question.item);
  state.answered.delete(keyOf(question));
  question.on = state.deck[at]?.on; // what is put on, or was before
  if (at >= 0) state.deck[at] = question;
  else state.deck.unshift(question);
}

async function ask() {
  try {
    take(await call("ask", hand()));
  } catch (error) {
    lost(error);
  }
}

function lost(error) {
  state.gone = error instanceof Refused && error.status === 401 ? "key" : "server";
  state.said = error.status ? error.message : "";
  if (error instanceof Refused && error.status !== 401) toast(error.message, { bad: true });
  render();
}

// ── answers ─────────────────────────────────────────────────────────────────────────────────

/** Whether it says what was said before. */
const same = (entry, kind, chosen) => kind === entry.kind && (kind !== "label" || JSON.stringify([...chosen].sort()) === JSON.stringify([...strip.labelsOf(entry)].sort()));
/** What an answer with these labels holds: as the log writes it. */
const written = (chosen) => ({ labels: chosen, label: several() ? chosen.join("|") || "(none)" : chosen[0] });
const sent = (kind, chosen) => (several() && kind === "label" ? { labels: chosen } : { label: chosen?.[0] ?? null });

/**
 * Answer the open question (or change an earlier answer) with a label, with several or none where an item takes
 * several: shown at once, sent at once, acknowledged when it is saved.
 */
function answer(kind, chosen = null) {
  if (state.looking) {
    change(kind, chosen);
    return;
  }
  const question = state.deck[0];
  if (!question || performance.now() - state.shownAt < SETTLE || state.answered.has(keyOf(question))) return;
  state.answered.add(keyOf(question));
  state.deck.shift();
  const seconds = watch.seconds();
  const { item: id, row, text, view, audit } = question;
  const entry = { item: id, row, text, view, kind, ...(kind === "label" ? written(chosen) : { label: null }), audit, flag: question.flag ?? null, seconds, question };
  state.history.unshift(entry);
  const verb = { label: "tell", skip: "skip", unsure: "unsure" }[kind];
  entry.key = outbox.push(verb, { item: id, asked: question.asked, ...sent(kind, chosen), seconds }, text.slice(0, 300));
  flash(entry);
  render();
  const thought = state.after && question.suggestion && kind === "label" ? ` · the model's guess: ${suggestions(question).join(", ") || "none of these"}${question.confidence === null ? "" : ` ${percent(question.confidence)}`}` : "";
  const done = { label: `Labeled ${strip.called(entry)}`, skip: "Skipped", unsure: "Marked unsure" }[kind];
  toast(done + thought, undoing());
}

const undoing = () => ({ button: `Undo${inBrackets("undo")}`, act: undo });

function change(kind, chosen) {
  const entry = state.looking;
  state.looking = null;
  if (kind === "skip" || same(entry, kind, chosen)) {
    render();
    return;
  }
  const newer = { ...entry, kind, ...(kind === "label" ? written(chosen) : { label: null, labels: null }), seconds: null };
  state.history = [newer, ...state.history.filter((other) => other !== entry)];
  newer.key = outbox.push(kind === "unsure" ? "unsure" : "tell", { item: entry.item, asked: entry.question?.asked ?? 0, ...sent(kind, chosen), seconds: null }, entry.text.slice(0, 300));
  flash(newer);
  render();
  toast(`Changed from ${strip.called(entry)} to ${strip.called(newer)}`, undoing());
}

/** Take back the answer on the card, else the last one: on the server too. */
function undo() {
  const entry = state.looking ?? state.history[0];
  if (!entry) {
    toast("Nothing to undo.");
    return;
  }
  state.looking = null;
  state.history = state.history.filter((other) => other !== entry);
  const question = entry.question ?? { item: entry.item, row: entry.row, text: entry.text, view: entry.view, asked: 0, reason: "You took your answer back.", audit: entry.audit, suggestion: null, confidence: null, guesses: [], score: null, strategy: "", round: 0 };
  const before = strip.labelsOf(entry);
  if (before.length) question.on = new Set(before); // else what was on when it was skipped, or said to have none
  state.answered.delete(keyOf(question));
  state.deck = [question, ...state.deck.filter((q) => q.item !== question.item)];
  if (!outbox.cancel(entry.key)) outbox.push("retract", { item: entry.item }, entry.text.slice(0, 300));
  render();
  toast(`Took back “${strip.called(entry)}”`);
}

function choose(label, event) {
  // A mouse click must not leave the focus on the button, where Space would press it again.
  if (event?.detail) event.currentTarget.blur();
  if (several()) toggle(label);
  else answer("label", [label]);
}

/** Put a label on, or off again; nothing is sent before `submit`. */
function toggle(label) {
  const q = current();
  const now = performance.now();
  if (!q || (label === state.pressed.label && now - state.pressed.at < SETTLE)) return;
  state.pressed = { label, at: now };
  q.on ??= new Set();
  if (!q.on.delete(label)) q.on.add(label);
  showOn(q);
  const all = inOrder(q.on);
  say(`${label} ${q.on.has(label) ? "on" : "off"}. ${all.length ? `${plural(all.length, "label")}: ${all.join(", ")}` : "No label"}.`);
}

/** Labels in the order of their buttons, however they were put on. */
const inOrder = (on) => labels.classes.filter((name) => on.has(name));

/** Say something to those who listen to the page, beside the question itself. */
const say = (text) => ($("said").textContent = text);

/** Answer with the labels that are on; where an item has one label, with the model's guess. */
function submit() {
  if (!several()) {
    accept();
    return;
  }
  const q = current();
  if (!q || performance.now() - state.shownAt < SETTLE) return;
  const chosen = inOrder(q.on ?? new Set());
  // An empty press is more often a slip than an answer.
  if (chosen.length) answer("label", chosen);
  else toast(`Choose labels, or None of these${inBrackets("none")}.`);
}

/** No label fits: the empty set; where an item has one label, the class of that name, made at its first use. */
async function none() {
  if (several()) answer("label", []);
  else if (state.pulse?.search) toast("A search asks for one thing: either it is that, or it is not.");
  else if (!current()) return;
  else if (noneClass()) answer("label", [noneClass()]);
  else if (mayAdd()) await addClass(NONE);
  else toast(`There is no label “${NONE}” yet; a reviewer can add it. Until then: Unsure${inBrackets("unsure")}.`);
}

/** Make a new class, and answer with it; where an item takes several labels, put it on. */
async function addClass(name) {
  const q = current();
  if (state.adding === name) return; // the same press, bouncing
  state.adding = name;
  try {
    take({ pulse: await call("classes", { name }) });
  } catch (error) {
    toast(error.message, { bad: true });
    return;
  } finally {
    state.adding = "";
  }
  if (q !== current()) return; // another question has come meanwhile
  if (several()) toggle(name);
  else answer("label", [name]);
}

async function flag(withNote) {
  const q = current();
  if (!q) return;
  let note = q.flag ?? "";
  if (withNote) {
    const field = el("textarea", { rows: 4, maxLength: 10_000, autofocus: true, value: note, "aria-label": "Note" });
    field.addEventListener("keydown", (event) => (event.ctrlKey || event.metaKey) && event.key === "Enter" && field.form.requestSubmit(field.form.querySelector(".primary")));
    const value = await dialog({
      title: "Flag with a note",
      body: [field, el("p", { class: "small" }, "Ctrl Enter saves. Notes are in the report and in every export.")],
      buttons: [{ label: "Cancel", value: "", kind: "plain" }, { label: "Save", value: "save", kind: "primary" }],
    });
    if (value !== "save") return;
    note = field.value;
  }
  q.flag = note;
  outbox.push("flag", { item: q.item, note }, q.text.slice(0, 300));
  render();
  toast(note ? "Flagged with a note; the question stays open." : "Flagged; the question stays open.");
}

/** Walk through the earlier answers: 1 = older, -1 = newer. */
function walk(step) {
  const at = state.looking ? state.history.indexOf(state.looking) : -1;
  const to = at + step;
  visit(to < 0 ? null : (state.history[to] ?? state.looking));
}

function visit(entry) {
  if (entry && state.deck.some((q) => q.item === entry.item)) return;
  state.looking = entry;
  if (entry) {
    entry.revisited = true;
    entry.on = new Set(strip.labelsOf(entry));
  }
  render();
}

function flash(entry) {
  const [first] = strip.labelsOf(entry);
  const angle = first === undefined ? null : labels.hueOf(first);
  const node = $("card");
  node.classList.remove("flash");
  node.style.setProperty("--h", angle ?? 225);
  void node.offsetWidth; // restarts the animation
  node.classList.add("flash");
  node.focus({ preventScroll: true });
}

// ── showing ─────────────────────────────────────────────────────────────────────────────────

function render() {
  if (!state.pulse) {
    if (state.gone) showGone();
    return;
  }
  const q = current();
  labels.set(state.pulse.classes, { several: several(), mayAdd: mayAdd(), told: state.told });
  const key = q ? `${keyOf(q)}${q.revisited ? "!" : ""}|${state.guess}|${q.reason}` : "";
  if (!q) showEmpty();
  else if (key !== state.shownKey) showQuestion(q);
  state.shownKey = key;
  const visible = q && guessShown(q);
  const labelKey = `${key}|${q?.revisited ? q.label : ""}|${state.pulse.classes.length}|${several()}`;
  if (state.labelKey !== labelKey) {
    const suggested = visible ? suggestions(q) : [];
    labels.show({ suggested, guesses: visible ? q.guesses : [], on: onOf(q), disabled: !q });
    $("b-none").classList.toggle("suggested", Boolean(visible && several() && q.suggestion && !suggested.length));
    state.labelKey = labelKey;
  }
  showOn(q);
  for (const button of document.querySelectorAll("#acts button")) {
    const { act } = button.dataset;
    button.disabled = act === "undo" ? !state.history.length : !q || (Boolean(q.revisited) && act === "skip");
    if (act === "none") button.hidden = several() || state.pulse.search || (noneClass() ? !labels.many : !mayAdd()); // a short list shows the class itself
  }
  document.querySelector('[data-act="flag"]').classList.toggle("on", typeof q?.flag === "string");
  strip.show(state.history, state.looking, (label) => labels.hueOf(label), visit);
  const ahead = outbox.acts.filter((act) => act.verb === "tell").length;
  side.show(state.pulse, state.history, ahead);
  showBanner(q);
}

/** The labels that are on, on the card: of a question that takes several, or of an earlier answer. */
const onOf = (q) => (q && (several() || q.revisited) && (q.on ?? (q.revisited ? new Set(strip.labelsOf(q)) : null))) || new Set();

function showOn(q) {
  const on = onOf(q);
  labels.press(on);
  document.body.classList.toggle("several", several());
  const row = $("submit-row");
  row.hidden = !several();
  if (row.hidden) return;
  for (const button of row.querySelectorAll("button")) button.disabled = !q;
  $("b-submit").className = on.size ? "primary" : "plain";
  $("b-submit").firstElementChild.textContent = on.size ? `Submit ${plural(on.size, "label")}` : "Submit";
}

function showQuestion(q) {
  const { looking } = state;
  let { reason } = q;
  if (looking) reason = `Your earlier answer: ${strip.called(looking)}. ${several() ? `Put labels on or off and submit${inBrackets("submit")} to change it` : "Choose again to change it"}, Esc${keyName("newer") && ` or ${keyName("newer")}`} goes back.`;
  // The sentence may name the guess that was asked to be hidden.
  else if (!state.guess && q.guesses.some(([label]) => reason.includes(label))) reason = "The model is not settled on this one; what it thinks is hidden" + (keyName("guess") && ` (${keyName("guess")} shows it)`) + ".";
  const question = { ...q, reason };
  card.show(question, { guess: state.guess, kind: state.about?.kind ?? "text" });
  item.ahead(state.about?.kind, state.deck.slice(1));
  if (!looking && state.timed !== keyOf(q)) {
    state.timed = keyOf(q);
    watch.restart();
    scrollTo({ top: 0 });
  }
  state.shownAt = performance.now();
  $("card").classList.toggle("earlier", Boolean(looking));
  say(""); // the same labels on the next question are news again
  $("live").textContent = `${question.text.slice(0, 300)}. ${question.reason}`;
}

function showEmpty() {
  const { counts } = state.pulse;
  $("card").classList.remove("earlier");
  if (state.gone || outbox.trouble) {
    showGone();
  } else if (!state.ready || outbox.waiting) {
    card.empty({ title: "", lines: [], busy: true });
  } else if (counts.open === 0 || counts.open === counts.unsure) {
    const lines = [counts.auto ? `${plural(counts.labeled, "label")} by you, ${plural(counts.auto, "label")} by the model.` : "Every item has your answer."];
    if (counts.unsure) lines.push(`${plural(counts.unsure, "item")} marked unsure.`);
    card.empty({ title: "All done", lines, buttons: owner() ? [el("a", { class: "button primary", href: FINISH }, "Results and downloads")] : [] });
  } else {
    card.empty({
      title: "Nothing to ask right now",
      lines: [`${plural(counts.open, "item is", "items are")} still open, but in other hands: in another tab or window, or put off a moment ago. The page asks again by itself.`],
      busy: true,
    });
  }
}

function showGone() {
  const said = (outbox.spoke && outbox.trouble) || state.said;
  const lines = { key: ["This link is from an earlier start. Open the one that askwise printed last."] }[state.gone] ?? [
    said || "The labeling server does not answer. If you stopped it, start askwise label again with the same file: it goes on where you were.",
  ];
  if (outbox.waiting) lines.push(`${plural(outbox.waiting, "answer is", "answers are")} waiting in this browser and will be sent when the server is back.`);
  card.empty({ title: state.gone === "key" ? "The key does not fit" : said ? "The server cannot go on now" : "The server is gone", lines, buttons: [el("button", { type: "button", class: "plain", onclick: again }, "Try again")] });
  state.shownKey = "";
}

function showBanner(q) {
  const { autolabel } = state.pulse;
  const waiting = outbox.waiting;
  if (outbox.trouble || state.gone) {
    const kept = waiting ? ` – ${plural(waiting, "answer")} waiting` : "";
    const said = outbox.trouble ? outbox.spoke && outbox.trouble : state.said;
    const text = state.gone === "key" ? `This link no longer works${kept}` : said ? `Nothing is saved now${kept}. ${said}` : `Offline${kept}`;
    side.banner(text, { kind: "bad", button: "Try again", act: again });
  } else if (outbox.aside.length) {
    side.banner(`${plural(outbox.aside.length, "answer")} could not be saved; the others are`, { kind: "bad", button: "Look…", act: showAside });
  } else if (autolabel?.status === "checking") {
    const total = autolabel.left === null ? "" : ` / ~${autolabel.done + autolabel.left}`;
    const number = autolabel.done + (q ? 1 : 0);
    const text = q && !q.audit ? "Blind checks are running · this item is not one of them" : `Blind check ${number}${total} · guesses are hidden · unsure counts as wrong`;
    side.banner(text, { kind: "check", button: owner() ? "Give up…" : null, act: finishing });
  } else if (state.pulse?.trouble) {
    side.banner(`The model does not learn at the moment: ${state.pulse.trouble} It is tried again by itself.`, { kind: "bad" });
  } else side.banner(null);
}

function again() {
  outbox.retry();
  ask();
}

// ── the rest of the screen ──────────────────────────────────────────────────────────────────

const GUESS = {
  shown: ["Guess shown", "The model's guess is shown"],
  after: ["Guess after", "The model's guess is told after the answer"],
  hidden: ["Guess hidden", "The model's guess is hidden"],
};

function setGuess(how) {
  const [short, long] = GUESS[how];
  state.guess = how === "shown";
  state.after = how === "after";
  localStorage.setItem("askwise-guess", how);
  const button = $("b-guess");
  button.replaceChildren(icon(state.guess ? "eye" : "eye-off"), el("span", { class: "wide-only" }, short));
  button.setAttribute("aria-pressed", String(state.guess));
  button.setAttribute("aria-label", long);
  render();
}

function nextGuess() {
  const all = Object.keys(GUESS);
  setGuess(all[(all.indexOf(state.guess ? "shown" : state.after ? "after" : "hidden") + 1) % all.length]);
}

const FINISH = "finish";
const owner = () => state.about?.me.role === "owner";
const finishing = () => location.assign(FINISH);

/** The blind checks came to an end. */
function showOutcome() {
  const { autolabel } = state.pulse;
  if (!autolabel) return; // given up
  const text = autolabel.status === "certified" ? "Certified: the model took over." : "Not proved: the model labels nothing.";
  toast(text, { time: 15_000, ...(owner() ? { button: "To Finish", act: finishing } : {}) });
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

function accept() {
  const q = state.deck[0];
  if (state.looking || !q) return;
  if (q.audit) toast("On a blind check the guess stays hidden: choose a label yourself.");
  else if (!state.guess) toast(`The guess is hidden${keyName("guess") && ` (${keyName("guess")} shows it)`}.`);
  else if (!q.suggestion) toast("There is no guess to accept yet.");
  else if (!several()) answer("label", [q.suggestion]);
  else if (!suggestions(q).length) toast(`The model suggests none of these${keyName("none") && `: ${keyName("none")} says so`}.`);
  else {
    q.on = new Set([...(q.on ?? []), ...suggestions(q)]);
    showOn(q);
    say(`On: ${inOrder(q.on).join(", ")}. Not submitted yet.`);
  }
}

const ACTS = {
  accept,
  submit,
  none,
  skip: () => answer("skip"),
  unsure: () => answer("unsure"),
  undo,
  flag: () => flag(false),
  note: () => flag(true),
  older: () => walk(1),
  newer: () => walk(-1),
  search: () => labels.open(),
  guess: nextGuess,
  mono: () => localStorage.setItem("askwise-mono", document.body.classList.toggle("mono") ? "on" : "off"),
  larger: () => item.zoom(1.4),
  smaller: () => item.zoom(1 / 1.4),
  fit: item.fit,
  invert: item.invert,
  regions: () => state.deck[0] && !state.looking && card.regions(state.deck[0], state.guess),
  play: item.play,
  more: () => state.deck[0] && !state.looking && card.toggle(state.deck[0], state.guess),
  guide,
  help: () => keyHelp(state.pulse?.classes ?? [], { several: several(), changed: showKeys }),
  escape: () => (hideToast(), visit(null)),
};

function buildActs() {
  const shown = [
    ["none", "none", "None"],
    ["skip", "skip", "Skip"],
    ["unsure", "unsure", "Unsure"],
    ["flag", "flag", "Flag"],
    ["search", "plus", "New label"],
    ["undo", "undo", "Undo"],
  ];
  $("acts").append(
    ...shown.map(([name, image, text]) =>
      el(
        "button",
        {
          type: "button",
          class: "act",
          "data-act": name,
          title: KEYS.find((entry) => entry.name === name).text,
          onclick: (event) => {
            if (event.detail) event.currentTarget.blur();
            ACTS[name]();
          },
        },
        icon(image),
        el("span", {}, text),
        el("kbd", { "data-key": name }),
      ),
    ),
  );
  for (const [id, act] of [["b-none", none], ["b-submit", submit]]) {
    $(id).addEventListener("click", (event) => {
      if (event.detail) event.currentTarget.blur();
      act();
    });
  }
  showKeys();
  $("b-more").addEventListener("click", () => ACTS.more());
  $("b-guess").addEventListener("click", () => ACTS.guess());
  $("b-guide").addEventListener("click", guide);
  $("b-keys").addEventListener("click", () => ACTS.help());
  listen(
    (name) => ACTS[name](),
    (place) => labels.at(place) !== undefined && choose(labels.at(place)),
  );
}

/** Print each key where it stands: on buttons, behind the names of those without room for it. */
function showKeys() {
  for (const node of document.querySelectorAll("[data-key]")) {
    node.textContent = keyName(node.dataset.key);
    node.hidden = !node.textContent;
  }
  for (const node of document.querySelectorAll("[data-title]")) node.title = node.dataset.title + inBrackets(node.dataset.titleKey);
}

/** Hear from the server while nothing is sent: training state, estimate, new questions when there were none. */
async function poll() {
  if (!document.hidden && !outbox.waiting && performance.now() - state.heard > POLL - 300) {
    if (!state.about) await boot();
    else if (state.deck.length < AHEAD || state.gone) await ask();
    else await call("pulse").then((pulse) => take({ pulse }), lost);
  }
  setTimeout(poll, POLL);
}

async function boot() {
  try {
    const { pulse, history, ...about } = await call("state");
    state.about = about;
    state.pulse = pulse;
    state.history = history;
    state.told = new Map([...definitions(about.guidelines), ...Object.entries(about.descriptions).map(([name, text]) => [name.toLowerCase(), text])]);
    rail("./", about.me.role);
    document.body.dataset.kind = about.kind;
    document.body.dataset.role = about.me.role; // what the role may not do is not shown
    document.title = about.title ? `${about.title} · Askwise` : "Askwise";
    $("title").replaceChildren(about.team ? el("a", { href: "/team", title: "All projects" }, about.title || "Askwise") : about.title || "Askwise");
    $("b-guide").hidden = !about.guidelines;
    $("guide-text").replaceChildren(prose(about.guidelines));
    $("guide").hidden = !about.guidelines || localStorage.getItem("askwise-guide") === "hidden";
    outbox.open(about.session);
    await ask();
  } catch (error) {
    lost(error);
  }
}

buildActs();
document.body.classList.toggle("mono", localStorage.getItem("askwise-mono") === "on");
setGuess(state.guess ? "shown" : state.after ? "after" : "hidden");
await boot();
setTimeout(poll, POLL);
