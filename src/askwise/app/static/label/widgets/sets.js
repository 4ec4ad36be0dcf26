// An answer that is a set of labels, the empty one included: labels are put on and off, then submitted.

import { dialog, toast } from "../../lib/dialogs.js";
import { el } from "../../lib/dom.js";
import { plural } from "../../lib/numbers.js";
import { pill } from "../../lib/tags.js";
import { inBrackets, keyName } from "../keys.js";
import { Labels } from "../labels.js";
import { digitHelp } from "../names.js";

const NONE = "(none)"; // as askwise.labelsets writes the empty set, and | between labels
const SETTLE = 80; // ms in which a second press is the same press bouncing

const parts = (written) => (written === NONE ? [] : written.split("|"));
/** A set as it is written: its labels in the order of the classes. */
const write = (labels, classes) => classes.filter((name) => labels.has(name)).join("|") || NONE;
const words = (written) => parts(written).join(", ") || "none of these";

export const sets = () => ({
  parts,
  words,
  brief(written) {
    const [first, ...more] = parts(written);
    return more.length && words(written).length > 20 ? `${first} +${more.length}` : words(written);
  },
  same: (a, b) => JSON.stringify(parts(a).sort()) === JSON.stringify(parts(b).sort()),
  body: (written) => ({ labels: parts(written) }),
  tag(written, classes, extra) {
    if (written === NONE) return el("span", { class: "pill" }, "none of these");
    return el("span", { class: "tags" }, ...parts(written).map((name) => pill(name, classes, extra)));
  },
  chooser,
  choose,
  submits: true,
  keys: {
    accept: "Choose what the model suggests; nothing is submitted yet",
    submit: "Submit the chosen labels",
  },
  help: (classes) => [
    ...digitHelp(classes, "Choose the label that shows this key; again takes it off"),
    ["Ctrl Enter", "In the field that finds labels: submit"],
  ],
  change: () => `Put labels on or off and submit${inBrackets("submit")} to change it`,
  /** What was on before None of these was pressed is on again. */
  reopen(question, written) {
    if (written !== NONE) Object.assign(question, { given: written, draft: null });
  },
  create: (host) => new Sets(host),
});

// ── the labeling page ───────────────────────────────────────────────────────────────────────

class Sets {
  constructor(host) {
    this.host = host;
    this.question = null;
    this.pressed = { label: null, at: 0 }; // the label put on or off last
    this.labels = new Labels({
      box: host.box,
      several: true,
      choose: (label) => this.toggle(label),
      add: (name) => this.add(name),
      submit: () => host.act("submit"),
    });
    this.noneButton = host.button({ id: "b-none", act: "none", text: "None of these" });
    this.submitButton = host.button({ id: "b-submit", act: "submit", text: "Submit" });
    this.row = el("div", { class: "submit", id: "submit-row" }, this.noneButton, this.submitButton);
    host.box.append(this.row);
    document.body.classList.add("several"); // labels that are on have a mark
  }

  update(pulse) {
    this.labels.set(pulse.classes, this.host);
  }

  show(question, { suggestion, guesses }) {
    this.question = question;
    if (question) question.draft ??= new Set(question.given === null ? [] : parts(question.given));
    const suggested = suggestion === null ? [] : parts(suggestion);
    this.labels.show({ suggested, guesses, on: this.on, disabled: !question });
    this.noneButton.classList.toggle("suggested", suggestion === NONE);
    this.press();
  }

  /** The labels that are on. */
  get on() {
    return this.question?.draft ?? new Set();
  }

  /** The same in the order of their buttons, however they were put on. */
  get chosen() {
    return this.labels.classes.filter((name) => this.on.has(name));
  }

  press() {
    this.labels.press(this.on);
    for (const button of [this.noneButton, this.submitButton]) button.disabled = !this.question;
    this.submitButton.className = this.on.size ? "primary" : "plain";
    this.submitButton.firstElementChild.textContent = this.on.size
      ? `Submit ${plural(this.on.size, "label")}`
      : "Submit";
  }

  /** Put a label on, or off again; nothing is sent before it is submitted. */
  toggle(label) {
    const now = performance.now();
    if (!this.question || (label === this.pressed.label && now - this.pressed.at < SETTLE)) return;
    this.pressed = { label, at: now };
    if (!this.on.delete(label)) this.on.add(label);
    this.press();
    const all = this.chosen;
    const then = all.length ? `${plural(all.length, "label")}: ${all.join(", ")}` : "No label";
    this.host.say(`${label} ${this.on.has(label) ? "on" : "off"}. ${then}.`);
  }

  answer() {
    // An empty press is more often a slip than an answer.
    return this.chosen.length ? write(this.on, this.labels.classes) : null;
  }

  missing() {
    return `Choose labels, or None of these${inBrackets("none")}.`;
  }

  accept(suggestion) {
    const suggested = parts(suggestion);
    if (!suggested.length) {
      toast(`The model suggests none of these${keyName("none") && `: ${keyName("none")} says so`}.`);
      return;
    }
    for (const label of suggested) this.on.add(label);
    this.press();
    this.host.say(`On: ${this.chosen.join(", ")}. Not submitted yet.`);
  }

  none() {
    this.host.give(NONE);
  }

  /** Make a new class, and put it on. */
  async add(name) {
    if (await this.host.addClass(name)) this.toggle(name);
  }

  search() {
    this.labels.open();
  }

  digit(place) {
    const label = this.labels.at(place);
    if (label !== undefined) this.toggle(label);
  }

  offers(act) {
    return act !== "none"; // it has a button beside Submit
  }
}

// ── the pages beside Label ──────────────────────────────────────────────────────────────────

/** Let the person choose a set of labels in a dialog; null = they did not. */
async function choose({ classes, chosen = null, title = "Which labels apply?" }) {
  const on = chosen === null ? [] : parts(chosen);
  const clear = () => none.checked && boxes.forEach((box) => (box.checked = false));
  const none = el("input", { type: "checkbox", checked: false, onchange: clear });
  const boxes = classes.map((name) =>
    el("input", {
      type: "checkbox",
      value: name,
      checked: on.includes(name),
      onchange: () => (none.checked = false),
    }),
  );
  const body = el(
    "fieldset",
    { class: "set" },
    el("legend", { class: "sr" }, title),
    ...classes.map((name, i) => el("label", {}, boxes[i], el("span", { dir: "auto" }, name))),
    el("label", { class: "none" }, none, el("span", {}, "None of these")),
  );
  const value = await dialog({
    title,
    body,
    buttons: [
      { label: "Cancel", value: "", kind: "plain" },
      { label: "Label", value: "yes", kind: "primary" },
    ],
  });
  if (value !== "yes") return null;
  const labels = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  if (labels.size || none.checked) return write(labels, classes);
  toast("No label was chosen. Choose some, or None of these.", { bad: true });
  return null;
}

/** Buttons for the sets that are likely, and one for any other. */
function chooser({ classes, pick, first = [], called = "Label" }) {
  const likely = [...new Set(first.filter(Boolean))];
  const other = async () => {
    const written = await choose({ classes, chosen: likely[0] ?? null });
    if (written !== null) pick(written);
  };
  const button = (written) =>
    el(
      "button",
      { type: "button", class: "plain choice", onclick: () => pick(written) },
      el("span", { dir: "auto" }, words(written)),
    );
  return el(
    "span",
    { class: "choices", role: "group", "aria-label": called },
    ...likely.map(button),
    el("button", { type: "button", class: "plain", onclick: other }, likely.length ? "Others …" : `${called} …`),
  );
}
