// Shows one question: the item, why it is asked, what is like it.

import { call } from "../lib/api.js";
import { $, el } from "../lib/dom.js";
import { percent } from "../lib/numbers.js";
import { cover } from "./image.js";
import { keyName } from "./keys.js";
import { state } from "./state.js";
import * as view from "./view.js";

let open = false;
let shownRow = null;
let shownKind = "text";

/** Put a question or an earlier answer on the card; `body` is what the widget draws in the place of the item. */
export function show(question, { guess, kind, body }) {
  const text = $("text");
  const drawn = body ? null : view.draw(kind, question);
  if (body || drawn) text.replaceChildren(body ?? drawn);
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
  beside(question.beside ?? []);
  shownRow = question.row;
  details(question, guess);
}

/** Columns that are shown with an item and not learned from. */
function beside(columns) {
  $("beside").hidden = !columns.length;
  $("beside").replaceChildren(
    ...columns.flatMap(([name, value]) => [el("dt", { dir: "auto" }, name), el("dd", { dir: "auto" }, value || "–")]),
  );
}

/** An empty card: a title, sentences, and what can be done. */
export function empty({ title, lines, busy = false, buttons = [] }) {
  const text = $("text");
  beside([]);
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
    parts.push(
      el("p", { class: "small" }, "On a blind check the model's guess stays hidden, so that your answer is your own."),
    );
  } else if (!guess) {
    parts.push(
      el(
        "p",
        { class: "small" },
        `The model's guess is hidden${keyName("guess") && ` (${keyName("guess")} shows it)`}.`,
      ),
    );
  } else if (question.guesses.length) {
    parts.push(
      el("h3", {}, "Likeliest labels"),
      el("ul", { class: "guesses" }, ...question.guesses.slice(0, 5).map(([label, p]) => guessBar(label, p))),
    );
  }
  if (!question.audit && guess && shownKind === "text" && question.guesses.length) {
    const words = el("ul", { class: "words" });
    parts.push(words);
    speaking(question.row, words);
  }
  if (!question.audit && guess && shownKind === "image" && question.guesses.length) {
    const list = el("ul", { class: "regions" });
    parts.push(list);
    looking(question, list);
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
    question.round || question.guesses.length ? `model ${question.round}` : "",
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
      el(
        "li",
        {},
        el("span", { class: "name", dir: "auto" }, label),
        el(
          "span",
          {},
          ...words.map(([word, less]) =>
            el("mark", { dir: "auto", title: `Without it the odds fall ${Math.exp(less).toFixed(1)} times` }, word),
          ),
        ),
      ),
    ),
  );
}

/**
 * The parts of an image that speak for each of the likeliest labels: in words, and on the image where the button of a
 * label is pressed.
 */
async function looking({ row }, list) {
  let found = [];
  try {
    found = await call(`regions?row=${row}`);
  } catch (error) {
    list.replaceChildren(el("li", { class: "small" }, error.message));
    return;
  }
  if (row !== shownRow || !list.isConnected) return;
  const told = found.filter(({ where }) => where.length);
  if (!told.length) {
    list.remove();
    return;
  }
  list.before(el("h3", {}, "What in the image speaks for a label"));
  const buttons = told.map(({ label, cells, where }) => {
    const button = el(
      "button",
      { type: "button", class: "plain", "aria-pressed": "false" },
      el("span", { dir: "auto" }, label),
      el("span", { class: "sr" }, `: show on the image. ${where.join(", ")}`),
    );
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") === "true";
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button && !on));
      cover(on ? null : { cells, label, where });
    });
    return button;
  });
  list.replaceChildren(...told.map(({ where }, at) => el("li", {}, buttons[at], el("span", {}, where.join(", ")))));
  if (waiting === row) regionsOf(list);
  waiting = null;
}

let waiting = null; // the row whose parts are to be shown as soon as they are known

/** Press the button of the next label; after the last one, none. */
function regionsOf(list) {
  const buttons = [...list.querySelectorAll("button")];
  const at = buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true");
  (buttons[at + 1] ?? buttons[at])?.click();
}

/** Show what speaks for the likeliest label, then for the next, then nothing. */
export function regions(question, guess) {
  const list = document.querySelector(".regions");
  if (open && list?.querySelector("button")) {
    regionsOf(list);
    return;
  }
  waiting = question.row;
  if (!open) toggle(question, guess);
}

function guessBar(label, p) {
  const bar = el("i", { class: "bar" });
  bar.style.setProperty("--p", p);
  return el(
    "li",
    {},
    el("span", { dir: "auto" }, state.kind.words(label)),
    bar,
    el("span", { class: "num" }, percent(p)),
  );
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
    el(
      "li",
      {},
      el("b", { dir: "auto" }, one.labels.join(", ") || "none of these"),
      view.small(shownKind, one),
      el("span", { class: "num" }, one.similarity.toFixed(2)),
    ),
  );
  list.replaceChildren(...(items.length ? items : [el("li", { class: "small" }, none)]));
}
