// The question as it looks now, and what stands there when there is none.

import { $, el } from "../lib/dom.js";
import { count } from "../lib/numbers.js";
import { inBrackets } from "../label/keys.js";
import * as watch from "../label/stopwatch.js";
import { cells } from "../label/view.js";
import { classes, current, state } from "./desk.js";

const BUSY = "The next question is worked out";
const ELSEWHERE =
  "What is left to ask now lies in other tabs or windows. The page asks again by itself; one that was closed gives " +
  "its question back within three minutes.";
const NO_KEY = "This link is from an earlier start. Open the one that askwise printed last.";
const NO_SERVER =
  "The server does not answer. If you stopped it, start askwise check again with the same file: it goes on where you " +
  "were.";

let shown = "";
let widgetShown = "";

/** Draw all of it anew, where it has changed. `widget`: how an answer is given; `numbers`: leads to the numbers. */
export function draw(widget, numbers) {
  const { turn, about } = state;
  if (about) $("aim").textContent = about.aim;
  if (turn) facts(turn);
  banner();
  const question = turn?.question ?? null;
  const key = JSON.stringify([question?.row, question?.again, question?.given, question ? "" : [turn, state.key]]);
  if (key !== shown) {
    shown = key;
    if (question) show(question);
    else empty(turn, numbers);
  }
  const open = current();
  const widgetKey = JSON.stringify([key, Boolean(open), classes()]);
  if (widgetKey !== widgetShown) {
    widgetShown = widgetKey;
    widget.update({ classes: classes() });
    widget.show(open && { ...open, revisited: open.again }, { suggestion: null, guesses: [] });
  }
  for (const button of document.querySelectorAll("#acts button")) {
    button.disabled = button.dataset.act === "undo" ? !turn?.back || Boolean(state.sending) : !open;
  }
  $("card").setAttribute("aria-busy", String(Boolean(state.sending)));
}

function facts({ looked, size }) {
  $("facts").replaceChildren(el("b", {}, count(looked)), ` of ${count(size)} looked at`);
  const share = looked / Math.max(size, 1);
  const bar = $("progress");
  bar.style.setProperty("--done", share);
  bar.setAttribute("aria-valuenow", String(Math.floor(100 * share)));
  bar.setAttribute("aria-valuetext", `${count(looked)} of ${count(size)}`);
}

function banner() {
  const kept = state.sending ? "Your last answer may not be saved yet, and is sent again. " : "";
  const text = state.key ? state.trouble && `${kept}${state.trouble}` : "";
  $("banner").hidden = !text;
  if ($("banner").textContent !== text) $("banner").textContent = text;
}

const GIVEN = (given) => (given === null ? "that it cannot be decided" : `“${given}”`);

function show(question) {
  const { text, view, reason, again, given, row } = question;
  const box = $("text");
  box.replaceChildren(view?.cells ? cells(view.cells) : text);
  box.classList.toggle("rows", Boolean(view?.cells));
  box.classList.toggle("drawn", Boolean(view?.cells));
  box.classList.toggle("long", !view && text.length > 400);
  // Who moves with the keyboard must be able to scroll.
  if (text.length > 400 || view?.cells) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
  box.scrollTop = 0;
  const why = again
    ? `You answered ${GIVEN(given)}. Answer again to change it; Later${inBrackets("skip")} leaves it as it is.`
    : `Row ${count(row + 1)} · ${reason}`;
  $("why").textContent = why;
  $("why-row").hidden = false;
  $("card").classList.toggle("earlier", again);
  watch.restart();
  state.shownAt = performance.now();
  $("said").textContent = "";
  $("live").textContent = `${text.slice(0, 300)}. ${why}`;
  scrollTo({ top: 0 });
  // Not from a field that is typed in, nor from behind a dialog.
  if (!document.querySelector("dialog[open], input:focus")) $("card").focus({ preventScroll: true });
}

function empty(turn, numbers) {
  const says = (title, line, { busy = false, button = null } = {}) =>
    $("text").replaceChildren(
      el(
        "div",
        { class: "empty" },
        busy ? el("i", { class: "spinner" }) : null,
        title ? el("h2", {}, title) : null,
        line ? el("p", {}, line) : null,
        button && el("div", { class: "row" }, button),
      ),
    );
  $("text").classList.remove("rows", "drawn", "long");
  $("why-row").hidden = true;
  $("card").classList.remove("earlier");
  $("live").textContent = "";
  if (!state.key) says("The key does not fit", NO_KEY);
  else if (!turn) says("", state.trouble ? NO_SERVER : "", { busy: true });
  else if (turn.busy) says(BUSY, `${turn.busy} …`, { busy: true });
  else if (turn.done) {
    const button = el("button", { type: "button", class: "primary", onclick: numbers }, "How good are these labels?");
    says("Nothing is left to ask", "What is known stands with the numbers, and the file can be taken there.", {
      button,
    });
  } else says("Nothing to ask right now", ELSEWHERE, { busy: true });
}
