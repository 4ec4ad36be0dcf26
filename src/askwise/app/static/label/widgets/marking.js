// Marks spans on the labeling page: words are selected on the text itself, and get a label.

import { toast } from "../../lib/dialogs.js";
import { el, hue } from "../../lib/dom.js";
import { plural } from "../../lib/numbers.js";
import { NONE, inCharacters, onTokens, overlaps, read, tokens, withSpan, write } from "../../lib/spans.js";
import { inBrackets, keyName } from "../keys.js";
import { Labels } from "../labels.js";

const SETTLE = 80; // ms in which a second press is the same press bouncing

export class Spans {
  constructor(host) {
    this.host = host;
    this.question = null;
    this.suggested = [];
    this.pressed = { label: null, at: 0 };
    this.labels = new Labels({
      box: host.box,
      several: true,
      choose: (label) => this.mark(label),
      add: (name) => this.add(name),
      submit: () => host.act("submit"),
    });
    this.noneButton = host.button({ id: "b-none", act: "none", text: "Nothing to mark" });
    this.clearButton = host.button({ id: "b-clear", act: "clear", text: "Take off" });
    this.acceptButton = host.button({ id: "b-accept", act: "accept", text: "Mark what is suggested" });
    this.submitButton = host.button({ id: "b-submit", act: "submit", text: "Submit" });
    host.box.append(
      el("div", { class: "span-acts" }, this.clearButton, this.acceptButton),
      el("div", { class: "submit", id: "submit-row" }, this.noneButton, this.submitButton),
    );
    this.acts = { clear: () => this.clear() };
  }

  update(pulse) {
    this.labels.set(pulse.classes, this.host);
    this.hues = new Map(pulse.classes.map((name, at) => [name, hue(at)]));
  }

  /** The text, word by word; what is marked is drawn by `paint`. */
  draw(question) {
    this.at = tokens(question.text);
    this.text = question.text;
    this.node = el("div", { class: "spans", dir: "auto" });
    this.listen(this.node);
    return this.node;
  }

  show(question, { suggestion }) {
    this.question = question;
    if (!question) {
      this.press();
      return;
    }
    if (question.text !== this.text) this.draw(question);
    question.draft ??= {
      spans: question.given === null ? [] : onTokens(read(question.given), this.at),
      from: 0,
      to: 0,
    };
    this.suggestion = suggestion;
    this.suggested = suggestion === null ? [] : onTokens(read(suggestion), this.at);
    this.paint();
  }

  get draft() {
    return this.question?.draft ?? { spans: [], from: 0, to: 0 };
  }

  /** First and last selected token. */
  get selected() {
    const { from, to } = this.draft;
    return [Math.min(from, to), Math.max(from, to)];
  }

  /** The span on the selected words; undefined where there is none. */
  get here() {
    return this.draft.spans.find((span) => overlaps(span, this.selected));
  }

  // ── drawing ──

  paint() {
    const marks = this.draft.spans;
    const hints = this.suggested.filter((hint) => !marks.some((span) => overlaps(span, hint)));
    const children = [];
    let number = 0;
    let done = 0;
    while (number < this.at.length) {
      const mark = marks.find(([first]) => first === number);
      const hint = mark ? null : hints.find(([first]) => first === number);
      const last = (mark ?? hint)?.[1] ?? number;
      children.push(this.text.slice(done, this.at[number][0]));
      children.push(mark || hint ? this.group(number, last, mark ?? hint, mark ? "mark" : "hint") : this.word(number));
      done = this.at[last][1];
      number = last + 1;
    }
    children.push(this.text.slice(done));
    this.node.replaceChildren(...children.filter((child) => child !== ""));
    this.node.querySelector(".cursor")?.scrollIntoView({ block: "nearest" });
    this.press();
  }

  /** A word; the selected ones are outlined. */
  word(number) {
    const [from, to] = this.selected;
    const on = number >= from && number <= to;
    const last = number === this.draft.to ? " cursor" : "";
    const node = el(
      "span",
      { class: `word${on ? " on" : ""}${last}` },
      this.text.slice(...this.at[number].slice(0, 2)),
    );
    node.dataset.at = number;
    return node;
  }

  /** Marked or suggested words. Its label is drawn by the style sheet, so that the text stays the text. */
  group(first, last, [, , label], kind) {
    const node = el(kind === "mark" ? "mark" : "span", { class: `span ${kind}` });
    let done = this.at[first][0];
    for (let number = first; number <= last; number++) {
      node.append(this.text.slice(done, this.at[number][0]), this.word(number));
      done = this.at[number][1];
    }
    node.dataset.label = label;
    node.style.setProperty("--h", this.hues?.get(label) ?? 265);
    return node;
  }

  /** The buttons below. */
  press() {
    const label = this.question ? this.here?.[2] : undefined;
    const suggested = [...new Set(this.suggested.map((span) => span[2]))];
    const on = new Set(label === undefined ? [] : [label]);
    this.labels.show({ suggested: this.question ? suggested : [], guesses: [], on, disabled: !this.question });
    const count = this.draft.spans.length;
    for (const button of [this.noneButton, this.submitButton]) button.disabled = !this.question;
    this.clearButton.disabled = label === undefined;
    this.acceptButton.hidden = !this.question || !this.suggested.length;
    this.noneButton.classList.toggle("suggested", Boolean(this.question) && this.suggestion === NONE);
    this.submitButton.className = count ? "primary" : "plain";
    this.submitButton.firstElementChild.textContent = count ? `Submit ${plural(count, "span")}` : "Submit";
  }

  // ── selecting ──

  select(from, to) {
    if (!this.question || !this.at.length) return;
    const inside = (number) => Math.max(0, Math.min(this.at.length - 1, number));
    Object.assign(this.draft, { from: inside(from), to: inside(to) });
    this.paint();
    const [first, last] = this.selected;
    const said = this.here ? `, ${this.here[2]}` : "";
    this.host.say(`${this.text.slice(this.at[first][0], this.at[last][1])}${said}`);
  }

  /** By mouse: press and draw; with Shift to there. By finger: the first word, then the last one. */
  listen(node) {
    const word = (event) => {
      const found = document.elementFromPoint(event.clientX, event.clientY)?.closest?.(".word");
      return found && node.contains(found) ? Number(found.dataset.at) : null;
    };
    let drawing = false;
    node.addEventListener("pointerdown", (event) => {
      const number = word(event);
      if (number === null || event.button || !this.question) return;
      if (event.pointerType === "mouse") {
        event.preventDefault(); // the browser's own selection
        drawing = true;
        node.setPointerCapture(event.pointerId);
        this.begin(number, event.shiftKey);
      }
    });
    node.addEventListener("pointermove", (event) => {
      const number = drawing ? word(event) : null;
      if (number !== null && number !== this.draft.to) this.select(this.draft.from, number);
    });
    for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => (drawing = false));
    node.addEventListener("click", (event) => {
      const number = event.pointerType === "mouse" ? null : word(event);
      if (number === null || !this.question) return;
      this.begin(number, this.tapped !== undefined && this.tapped !== number && !this.spanAt(number));
      this.tapped = this.tapped === undefined ? number : undefined;
    });
  }

  spanAt(number) {
    return this.draft.spans.find(([first, last]) => first <= number && number <= last);
  }

  /** Begin to select at a word, all of its span where it has one, or go on to it. */
  begin(number, further) {
    const span = this.spanAt(number);
    if (further) this.select(this.draft.from, number);
    else if (span) this.select(span[0], span[1]);
    else this.select(number, number);
  }

  /** Arrows go word by word; a span that is marked is one step. */
  key(event) {
    if (!this.question || event.ctrlKey || event.metaKey || event.altKey) return false;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const [first, last] = this.selected;
    if (step && event.shiftKey) this.select(this.draft.from, this.draft.to + step);
    else if (step) this.begin(Math.max(0, Math.min(this.at.length - 1, step > 0 ? last + 1 : first - 1)), false);
    else if (event.key === "Home") this.begin(0, event.shiftKey);
    else if (event.key === "End") this.begin(this.at.length - 1, event.shiftKey);
    else return false;
    return true;
  }

  // ── marking ──

  /** Mark the selected words, or change their label; the next word is selected then. */
  mark(label) {
    const now = performance.now();
    const bounce = label === this.pressed.label && now - this.pressed.at < SETTLE;
    if (!this.question || !this.at.length || bounce) return;
    this.pressed = { label, at: now };
    this.tapped = undefined;
    const [first, last] = this.selected;
    this.draft.spans = withSpan(this.draft.spans, [first, last, label]);
    const next = Math.min(last + 1, this.at.length - 1);
    Object.assign(this.draft, next > last ? { from: next, to: next } : { from: first, to: last });
    this.paint();
    this.host.say(`${this.text.slice(this.at[first][0], this.at[last][1])}: ${label}. ${this.told}.`);
  }

  get told() {
    return `${plural(this.draft.spans.length, "span")} marked`;
  }

  clear() {
    if (!this.question) return;
    const before = this.draft.spans.length;
    this.draft.spans = this.draft.spans.filter((span) => !overlaps(span, this.selected));
    this.paint();
    if (this.draft.spans.length === before) toast("The selected words have no mark.");
    else this.host.say(`Taken off. ${this.told}.`);
  }

  answer() {
    // An empty press is more often a slip than an answer.
    const { spans: marked } = this.draft;
    return marked.length ? write(inCharacters(marked, this.at)) : null;
  }

  missing() {
    return `Mark words, or say that there is nothing to mark${inBrackets("none")}.`;
  }

  accept(suggestion) {
    const found = onTokens(read(suggestion), this.at);
    if (!found.length) {
      toast(`The model marks nothing here${keyName("none") && `: ${keyName("none")} says so`}.`);
      return;
    }
    const kept = this.draft.spans;
    const more = found.filter((span) => !kept.some((other) => overlaps(other, span)));
    this.draft.spans = [...kept, ...more].sort((a, b) => a[0] - b[0]);
    this.paint();
    this.host.say(`${this.told}. Not submitted yet.`);
  }

  none() {
    this.host.give(NONE);
  }

  async add(name) {
    if (await this.host.addClass(name)) this.mark(name);
  }

  search() {
    this.labels.open();
  }

  digit(place) {
    const label = this.labels.at(place);
    if (label !== undefined) this.mark(label);
  }

  offers(act) {
    return act !== "none"; // it has a button beside Submit
  }
}
