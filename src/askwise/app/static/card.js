// Shows one question: the item, why it is asked, what is like it.

import { call } from "./api.js";
import { $, el, percent } from "./dom.js";
import * as view from "./view.js";

let open = false;
let shownRow = null;
let shownKind = "text";

/** Put a question (or an earlier answer, or an empty state) on the card. */
export function show(question, { guess, kind }) {
  const text = $("text");
  const drawn = view.draw(kind, question);
  if (drawn) text.replaceChildren(drawn);
  else text.textContent = question.text;
  text.classList.toggle("drawn", Boolean(drawn));
  text.classList.toggle("rows", Boolean(question.view?.cells));
  text.classList.toggle("long", !drawn && question.text.length > 400);
  // Who moves with the keyboard must be able to scroll.
  if (question.text.length > 400 || question.view?.cells) text.tabIndex = 0;
  else text.removeAttribute("tabindex");
  shownKind = kind;
  text.scrollTop = 0;
  $("why").textContent = question.reason;
  $("why-row").classList.toggle("check", Boolean(question.audit));
  $("why-icon").setAttribute("href", question.audit ? "#i-dice" : "#i-why");
  $("why-row").hidden = false;
  $("b-more").hidden = Boolean(question.revisited);
  shownRow = question.row;
  details(question, guess);
}

/** An empty card: a title, sentences, and what can be done. */
export function empty({ title, lines, busy = false, buttons = [] }) {
  const text = $("text");
  shownRow = null;
  text.classList.remove("long", "drawn", "rows");
  text.replaceChildren(
    el(
      "div",
      { class: "empty" },
      busy ? el("i", { class: "spinner" }) : null,
      el("h2", {}, title),
      ...lines.map((line) => el("p", {}, line)),
      buttons.length ? el("div", { class: "row" }, ...buttons) : null,
    ),
  );
  $("why-row").hidden = true;
  $("more").hidden = true;
}

export function toggle(question, guess) {
  open = !open;
  details(question, guess);
}

/** The part under "More": likeliest labels, nearest labeled items, where the question comes from. */
function details(question, guess) {
  const box = $("more");
  const visible = open && !question.revisited;
  box.hidden = !visible;
  $("b-more").setAttribute("aria-expanded", String(open));
  $("b-more").textContent = open ? "Less" : "More";
  if (!visible) return;
  const near = el("ul", { class: "near" }, el("li", { class: "small" }, "…"));
  const parts = [];
  if (question.audit) {
    parts.push(el("p", { class: "small" }, "On a blind check the model's guess stays hidden, so that your answer is your own."));
  } else if (!guess) {
    parts.push(el("p", { class: "small" }, "The model's guess is hidden (g shows it)."));
  } else if (question.guesses.length) {
    parts.push(
      el("h3", {}, "Likeliest labels"),
      el("ul", { class: "guesses" }, ...question.guesses.slice(0, 5).map(([label, p]) => guessBar(label, p))),
    );
  }
  if (!question.audit && guess && shownKind === "text" && question.round) {
    const words = el("ul", { class: "words" });
    parts.push(words);
    speaking(question.row, words);
  }
  // What is like it would tell the guess as well.
  if (!question.audit && guess) {
    parts.push(el("h3", {}, "Most similar items with a label"), near);
    neighbors(question.row, near);
  }
  const facts = [
    `item ${question.item}`,
    question.strategy && `strategy ${question.strategy}`,
    question.score === null ? "" : `score ${question.score.toPrecision(3)}`,
    question.round ? `model ${question.round}` : "before the first model",
  ];
  parts.push(el("p", { class: "meta" }, facts.filter(Boolean).join(" · ")));
  box.replaceChildren(...parts);
}

/** The words that speak for each of the likeliest labels, where the model goes by words. */
async function speaking(row, list) {
  let found = [];
  try {
    found = await call(`words?row=${row}`);
  } catch {
    return; // the rest of the panel says more than an error here
  }
  if (row !== shownRow) return;
  const told = found.filter(({ words }) => words.length);
  if (!told.length) return;
  list.before(el("h3", {}, "Words that speak for a label"));
  list.replaceChildren(
    ...told.map(({ label, words }) =>
      el("li", {}, el("span", { class: "name", dir: "auto" }, label), el("span", {}, ...words.map(([word, less]) => el("mark", { dir: "auto", title: `Without it the odds fall ${Math.exp(less).toFixed(1)} times` }, word)))),
    ),
  );
}

function guessBar(label, p) {
  const bar = el("i", { class: "bar" });
  bar.style.setProperty("--p", p);
  return el("li", {}, el("span", { dir: "auto" }, label), bar, el("span", { class: "num" }, percent(p)));
}

async function neighbors(row, list) {
  let found = [];
  let none = "None yet.";
  try {
    found = await call(`nearest?row=${row}`);
  } catch (error) {
    none = error.message;
  }
  if (row !== shownRow) return;
  list.classList.toggle("images", shownKind === "image");
  const items = found.map((one) =>
    el("li", {}, el("b", { dir: "auto" }, one.label), view.small(shownKind, one), el("span", { class: "num" }, one.similarity.toFixed(2))),
  );
  list.replaceChildren(...(items.length ? items : [el("li", { class: "small" }, none)]));
}
