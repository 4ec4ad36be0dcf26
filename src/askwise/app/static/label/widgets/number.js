// An answer that is a number: digits typed anywhere, arrows for steps, a slider where both ends are known.

import { dialog, toast } from "../../lib/dialogs.js";
import { el } from "../../lib/dom.js";
import { Numbers, decimal, written } from "../../lib/decimals.js";
import { inBrackets } from "../keys.js";

// ── what is known of the kind ───────────────────────────────────────────────────────────────

export const number = ({ options }) => {
  const numbers = new Numbers(options);
  return {
    parts: () => [],
    words: (text) => numbers.words(text),
    body: (text) => ({ label: text }),
    tag: (text) => el("span", { class: "pill" }, numbers.words(text)),
    chooser: (given) => chooser(numbers, given),
    choose: () => choose(numbers),
    submits: true,
    style: new URL("./number.css", import.meta.url),
    keys: {
      accept: "Answer with the number that the model expects",
      submit: "Answer with the number typed",
      undo: "Take back a digit; where none is typed, the last answer, then the one before",
      none: null,
      search: null,
    },
    help: () => [
      ["0 … 9 . -", "Type the number, wherever you are on the page"],
      ["↑ ↓", "One step more, one less"],
    ],
    change: () => `Type another number and answer${inBrackets("submit")} to change it`,
    create: (host) => new ANumber(host, numbers),
  };
};

// ── the labeling page ───────────────────────────────────────────────────────────────────────

class ANumber {
  constructor(host, numbers) {
    this.host = host;
    this.numbers = numbers;
    this.question = null;
    this.suggestion = null;
    const enter = (event) => event.key === "Enter" && (event.preventDefault(), this.host.act("submit"));
    this.field = el("input", {
      type: "text",
      id: "number",
      class: "field",
      inputMode: "decimal",
      autocomplete: "off",
      size: 12,
      "aria-describedby": "number-about",
      oninput: () => this.put(this.field.value.replace(",", "."), this.field),
      onkeydown: enter,
    });
    this.slider = el("input", {
      type: "range",
      class: "slider",
      min: "0",
      max: String(numbers.last ?? 1),
      step: "1",
      "aria-label": "Number on the scale",
      oninput: () => this.put(numbers.atPlace(this.slider.valueAsNumber), this.slider),
    });
    this.mark = el("i", { class: "mark", "aria-hidden": "true", hidden: true });
    this.scale = el(
      "div",
      { class: "scale", hidden: numbers.last === null },
      el("span", { class: "num" }, numbers.low ?? ""),
      el("span", { class: "track" }, this.slider, this.mark),
      el("span", { class: "num" }, numbers.high ?? ""),
    );
    this.button = host.button({ id: "b-submit", act: "submit", text: "Answer" });
    this.guess = host.button({ id: "b-accept", act: "accept", text: "" });
    host.box.append(
      el(
        "div",
        { class: "number" },
        this.scale,
        el("p", { class: "small", id: "number-about" }, numbers.about),
        el(
          "div",
          { class: "submit", id: "submit-row" },
          el("label", { class: "sr", for: "number" }, numbers.unit ? `Number in ${numbers.unit}` : "Number"),
          el("span", { class: "typed" }, this.field, el("span", { class: "unit" }, numbers.unit)),
          this.guess,
          this.button,
        ),
      ),
    );
  }

  update() {}

  show(question, { suggestion }) {
    this.question = question;
    this.suggestion = suggestion;
    if (question) question.draft ??= question.given ?? "";
    this.guess.hidden = suggestion === null;
    this.guess.firstElementChild.textContent = `The model expects ${this.numbers.words(suggestion ?? "")}`;
    this.guess.classList.add("suggested");
    this.mark.hidden = suggestion === null;
    if (suggestion !== null && this.numbers.last) {
      this.mark.style.setProperty("--at", this.numbers.placeOf(suggestion) / this.numbers.last);
      this.mark.title = `The model expects ${this.numbers.words(suggestion)}`;
    }
    this.draw();
  }

  /** The number so far; `by` is the control that it comes from, which shows it already. */
  put(text, by = null) {
    if (!this.question) return;
    this.question.draft = text;
    this.draw(by);
  }

  draw(by = null) {
    const { numbers, question } = this;
    const text = question?.draft ?? "";
    const known = decimal(text) !== null;
    if (by !== this.field) this.field.value = text;
    if (numbers.last !== null && by !== this.slider)
      this.slider.value = String(numbers.placeOf(known ? text : numbers.middle));
    this.slider.classList.toggle("empty", !known);
    this.slider.setAttribute("aria-valuetext", known ? numbers.words(text) : "no number yet");
    this.field.setAttribute("aria-invalid", String(text !== "" && text !== "-" && numbers.problem(text) !== ""));
    for (const control of [this.field, this.slider, this.guess, this.button]) control.disabled = !question;
    this.button.className = text ? "primary" : "plain";
    this.button.firstElementChild.textContent = known ? `Answer ${numbers.words(text)}` : "Answer";
  }

  answer() {
    const text = this.question?.draft ?? "";
    return text && !this.numbers.problem(text) ? written(decimal(text)) : null;
  }

  missing() {
    const text = this.question?.draft ?? "";
    return text ? this.numbers.problem(text) : "Type a number first.";
  }

  accept(suggestion) {
    this.host.give(suggestion);
  }

  key(event) {
    if (!this.question || event.ctrlKey || event.metaKey || event.altKey) return false;
    const { draft } = this.question;
    const { key } = event;
    if (key === "ArrowUp" || key === "ArrowDown") {
      const begun = decimal(draft) !== null;
      const by = key === "ArrowUp" ? 1 : -1;
      this.put(begun ? this.numbers.stepped(draft, by) : (this.suggestion ?? this.numbers.middle));
      this.host.say(this.numbers.words(this.question.draft));
      return true;
    }
    if (key === "Backspace" && draft) {
      this.put(draft.slice(0, -1));
      return true;
    }
    if (/^[0-9]$/.test(key) && draft.length < 24) this.put(draft + key);
    else if ((key === "." || key === ",") && !draft.includes(".")) this.put(`${draft}.`);
    else if (key === "-" && !draft && !(Number(this.numbers.low ?? -1) >= 0)) this.put("-");
    else return false;
    return true;
  }

  offers() {
    return false; // no label is missing, and none can be added
  }
}

// ── the pages beside Label ──────────────────────────────────────────────────────────────────

const fieldOf = (numbers) =>
  el("input", {
    type: "text",
    inputMode: "decimal",
    autocomplete: "off",
    placeholder: numbers.unit,
    size: 10,
    "aria-label": numbers.unit ? `Number in ${numbers.unit}` : "Number",
  });

/** What stands in a field as it is written; null, and said why, where it is no answer. */
function read(numbers, field) {
  const text = field.value.trim();
  const problem = text ? numbers.problem(text) : "Type a number first.";
  if (!problem) return written(decimal(text));
  toast(problem, { bad: true });
  field.focus();
  return null;
}

/** Let the person type a number in a dialog; null = they did not. */
async function choose(numbers) {
  const field = fieldOf(numbers);
  const value = await dialog({
    title: "Which number?",
    body: el("div", {}, field, el("p", { class: "small" }, numbers.about)),
    buttons: [
      { label: "Cancel", value: "", kind: "plain" },
      { label: "Label", value: "yes", kind: "primary" },
    ],
  });
  return value === "yes" ? read(numbers, field) : null;
}

/** Buttons for the numbers that are likely, and a field for any other. */
function chooser(numbers, { pick, first = [], called = "Label" }) {
  const field = fieldOf(numbers);
  const give = () => {
    const text = read(numbers, field);
    if (text !== null) pick(text);
  };
  field.addEventListener("keydown", (event) => event.key === "Enter" && give());
  return el(
    "span",
    { class: "choices", role: "group", "aria-label": called },
    ...[...new Set(first.filter(Boolean))].map((text) =>
      el("button", { type: "button", class: "plain choice", onclick: () => pick(text) }, numbers.words(text)),
    ),
    field,
    el("button", { type: "button", class: "plain", onclick: give }, called),
  );
}
