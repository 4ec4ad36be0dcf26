// An answer that is a set of spans of the text.

import { toast } from "../../lib/dialogs.js";
import { el, hue } from "../../lib/dom.js";
import { plural } from "../../lib/numbers.js";
import { NONE, parts, read } from "../../lib/spans.js";
import { pill } from "../../lib/tags.js";
import { inBrackets } from "../keys.js";
import { digitHelp } from "../names.js";
import { Spans } from "./marking.js";

/** "2 PER, 1 LOC", or what the empty answer says. */
function words(written) {
  const spans = read(written);
  const often = parts(written).map((label) => `${spans.filter((span) => span[2] === label).length} ${label}`);
  return often.join(", ") || "nothing marked";
}

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
