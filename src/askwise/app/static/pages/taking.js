// The end of Finish: the labels as files, and the report.

import { address } from "../lib/api.js";
import { el, icon } from "../lib/dom.js";
import { count, plural } from "../lib/numbers.js";

const BOM = "With a byte order mark, by which Excel knows that it is UTF-8";
const file = (query, name, title) =>
  el("a", { class: "button plain", href: address(`export?format=${query}`), download: "", title }, icon("down"), name);

/** Links to the labels in each format that fits; labeled texts with spans also in the ways of other tools. */
export function taking({ workbooks, docbins, pulse: { counts, task } }) {
  const spans = task.name === "spans";
  return el(
    "section",
    { class: "panel", "aria-label": "Take the labels" },
    el("h2", {}, "Take the labels"),
    el(
      "p",
      { class: "says" },
      `${plural(counts.labeled, "label")} by people, ` +
        `${counts.given ? `${count(counts.given)} with the data, ` : ""}${count(counts.auto)} by the model; ` +
        `${plural(counts.open, "item")} open.`,
    ),
    el(
      "div",
      { class: "act-row" },
      file("csv", "CSV"),
      file("csv&bom=true", "CSV for Excel", BOM),
      workbooks ? file("xlsx", "Excel workbook") : null,
      file("jsonl", "JSONL"),
      spans ? file("conll", "CoNLL") : null,
      spans ? file("doccano", "doccano") : null,
      spans ? file("prodigy", "Prodigy") : null,
      spans && docbins ? file("spacy", ".spacy") : null,
      el("a", { class: "button plain", href: "report", target: "_blank", rel: "noopener" }, icon("book"), "Report"),
    ),
  );
}
