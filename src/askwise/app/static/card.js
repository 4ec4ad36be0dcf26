// Shows one question: the item, why it is asked, what is like it.

import { call } from "./api.js";
import { $, el, percent } from "./dom.js";

let open = false;
let shownRow = null;

/** Put a question (or an earlier answer, or an empty state) on the card. */
export function show(question, { guess }) {
  const text = $("text");
  text.textContent = question.text;
  text.classList.toggle("long", question.text.length > 400);
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
  text.classList.remove("long");
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

function guessBar(label, p) {
  const bar = el("i", { class: "bar" });
  bar.style.setProperty("--p", p);
  return el("li", {}, el("span", { dir: "auto" }, label), bar, el("span", { class: "num" }, percent(p)));
}

async function neighbors(row, list) {
  let found = [];
  let none = "None yet.";
  try {
    found = await call(`/api/nearest?row=${row}`);
  } catch (error) {
    none = error.message;
  }
  if (row !== shownRow) return;
  const items = found.map(({ text, label, similarity }) =>
    el("li", {}, el("b", { dir: "auto" }, label), el("span", { dir: "auto" }, text), el("span", { class: "num" }, similarity.toFixed(2))),
  );
  list.replaceChildren(...(items.length ? items : [el("li", { class: "small" }, none)]));
}
