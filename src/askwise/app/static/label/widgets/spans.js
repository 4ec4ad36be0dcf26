// An answer that is a set of spans of the text: words are selected on the item itself, and get a label.

import { toast } from "../../lib/dialogs.js";
import { el, hue } from "../../lib/dom.js";
import { plural } from "../../lib/numbers.js";
import { pill } from "../../lib/tags.js";
import { inBrackets, keyName } from "../keys.js";
import { Labels } from "../labels.js";
import { digitHelp } from "../names.js";

const NONE = "[]"; // as askwise.spans writes the empty answer
const SETTLE = 80; // ms in which a second press is the same press bouncing

// ── the written form: [[start, end, "label"], …] in characters, as Python counts ──

const read = (written) => JSON.parse(written);
const write = (spans) => JSON.stringify(spans);
const parts = (written) => [...new Set(read(written).map(([, , label]) => label))];

/** "2 PER, 1 LOC", or what the empty answer says. */
function words(written) {
  const spans = read(written);
  const often = parts(written).map((label) => `${spans.filter((span) => span[2] === label).length} ${label}`);
  return often.join(", ") || "nothing marked";
}

// ── tokens: the same as those of askwise.spans ──

const BY_CHARACTER =
  "\\u0e01-\\u0e30\\u0e32\\u0e33\\u0e40-\\u0e46\\u0e81-\\u0eb0\\u0eb2\\u0eb3\\u0ebd-\\u0ec6\\u1000-\\u102a" +
  "\\u1780-\\u17b3\\u2e80-\\u2fdf\\u3005-\\u3007\\u3021-\\u3029\\u3041-\\u3096\\u309d-\\u309f\\u30a1-\\u30fa" +
  "\\u30fc-\\u30ff\\u31f0-\\u31ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\uff66-\\uff9f" +
  "\\u{20000}-\\u{3ffff}\\uac00-\\ud7a3";
const BLANK = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const UNSEEN = "\\p{Cf}\\p{Cs}\\x00-\\x08\\x0e-\\x1b\\x7f-\\x84\\x86-\\x9f";
const BEHIND = `[\\p{M}${UNSEEN}\\u{1f3fb}-\\u{1f3ff}]*`;
const SIGN = `[^${BLANK}${UNSEEN}]${BEHIND}`;
const FLAG = "[\\u{1f1e6}-\\u{1f1ff}]";
const TOKEN = new RegExp(
  `[${BY_CHARACTER}]${BEHIND}|(?:(?![${BY_CHARACTER}])[\\p{L}\\p{N}_]${BEHIND})+|${FLAG}${FLAG}|` +
    `${SIGN}(?:(?<=\\u200d)${SIGN})*`,
  "gu",
);

/** The tokens of a text: [[from, to, start, end]], in units of JavaScript and in characters. */
export function tokens(text) {
  const found = [];
  let unit = 0;
  let character = 0;
  const count = (to) => {
    while (unit < to) {
      unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
      character++;
    }
    return character;
  };
  for (const match of text.matchAll(TOKEN)) {
    const to = match.index + match[0].length;
    found.push([match.index, to, count(match.index), count(to)]);
  }
  return found;
}

/** Spans in characters as [first token, last token, label]; what is on no bounds of tokens is left out. */
export function onTokens(spans, at) {
  const starts = new Map(at.map(([, , start], number) => [start, number]));
  const ends = new Map(at.map(([, , , end], number) => [end, number]));
  return spans
    .map(([start, end, label]) => [starts.get(start), ends.get(end), label])
    .filter(([first, last]) => first !== undefined && last !== undefined && first <= last);
}

/** Spans on tokens as they are written. */
const inCharacters = (spans, at) =>
  spans.map(([first, last, label]) => [at[first][2], at[last][3], label]).sort((a, b) => a[0] - b[0]);

const overlaps = ([first, last], [a, b]) => first <= b && a <= last;

/** The spans with one more; those that it overlaps give way. */
export const withSpan = (spans, span) =>
  [...spans.filter((other) => !overlaps(other, span)), span].sort((a, b) => a[0] - b[0]);

// ── what is known of the kind ──

export const spans = () => ({
  parts,
  words,
  brief: (written) => (words(written).length > 20 ? plural(read(written).length, "span") : words(written)),
  body: (written) => ({ label: written }),
  tag(written, classes, extra) {
    if (written === NONE) return el("span", { class: "pill" }, "nothing marked");
    const often = (label) => read(written).filter((span) => span[2] === label).length;
    const name = (label) => (often(label) > 1 ? `${label} ×${often(label)}` : label);
    const one = (label) => {
      const node = pill(name(label), classes, extra);
      node.style.setProperty("--h", hue(Math.max(0, classes.indexOf(label))));
      return node;
    };
    return el("span", { class: "tags", title: places(written) }, ...parts(written).map(one));
  },
  chooser,
  async choose() {
    toast("Spans are given to one text at a time: open it on the labeling page.");
    return null;
  },
  submits: true,
  style: new URL("./spans.css", import.meta.url),
  keys: {
    accept: "Mark all that the model suggests; nothing is submitted yet",
    submit: "Submit what is marked",
    none: "Nothing to mark: submit it so",
    older: { key: ",", text: "Look back through my answers" },
    newer: { key: ".", text: "… and forward again" },
    clear: { key: "Delete", text: "Take the mark off the selected words" },
  },
  help: (classes) => [
    ["← →", "Select the word before or behind"],
    ["Shift ← →", "Select more words, or fewer"],
    ["Home End", "Select the first or the last word"],
    ...digitHelp(classes, "Mark the selected words with the label that shows this key"),
  ],
  change: () => `Mark otherwise and submit${inBrackets("submit")} to change it`,
  create: (host) => new Spans(host),
});

/** "PER 0–3, LOC 9–12": where there is no text beside it. */
const places = (written) =>
  read(written)
    .map(([start, end, label]) => `${label} ${start}–${end}`)
    .join(", ") || "nothing marked";

/** Buttons for the likely answers, in full, since many have the same labels. */
function chooser({ pick, first = [], called = "Label" }) {
  const likely = [...new Set([...first.filter(Boolean), NONE])];
  const button = (written) =>
    el(
      "button",
      { type: "button", class: "plain choice", onclick: () => pick(written) },
      el("span", { dir: "auto" }, places(written)),
    );
  return el("span", { class: "choices", role: "group", "aria-label": called }, ...likely.map(button));
}

// ── the labeling page ──

class Spans {
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
