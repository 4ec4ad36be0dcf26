// How good the labels are, and which stay: for who asks for it. Never on the page while a question is.

import { address, call } from "../lib/api.js";
import { $, el, icon } from "../lib/dom.js";
import { above, below, count, percent, plural } from "../lib/numbers.js";
import { figure, interval } from "../pages/chart.js";
import { name } from "../pages/scales.js";

const MOST = 20; // classes, and slices, that are drawn; the tables have all
const BOM = "With a byte order mark, by which Excel knows that it is UTF-8";

/** [key of the status, name, what it means], in the order of the bar. */
const PARTS = [
  ["kept", "kept", "stay, nobody has looked"],
  ["confirmed", "confirmed", "a person found them right"],
  ["corrected", "corrected", "a person gave another label"],
  ["undecided", "undecided", "a person could not say"],
  ["open", "open", "nobody has looked, and they do not stay"],
];

const about = ({ estimate }) => (estimate === null ? "–" : percent(estimate));
const range = ({ low, high }) => [below(low), above(high)];

/** Ask for the numbers, and draw them into `box`; `rest()` goes on with what is open. */
export async function numbers(box, { rest }) {
  box.replaceChildren(el("p", { class: "small", role: "status" }, "Loading …"));
  try {
    box.replaceChildren(...sheet(await call("check/numbers", undefined, { timeout: 120_000 }), rest));
  } catch (error) {
    const again = el("button", { type: "button", class: "plain", onclick: () => numbers(box, { rest }) }, "Try again");
    box.replaceChildren(
      el(
        "section",
        { class: "panel", role: "alert" },
        el("h2", {}, "No numbers now"),
        el("p", {}, error.message),
        again,
      ),
    );
  }
  if (!box.hidden) box.focus({ preventScroll: true });
}

function sheet(found, rest) {
  const { status, quality } = found;
  const known = quality.drawn > 0 || quality.swept;
  return [
    el("header", { class: "sheet-head" }, el("h2", { class: "head", id: "h-numbers" }, "How good are these labels?")),
    el("p", { class: "lead", id: "quality-says" }, quality.sentence),
    staying(found),
    ...(known ? [overall(quality), classes(quality), shares(quality), ...slices(quality)].filter(Boolean) : []),
    taking(found),
    next(status, found.rest, rest),
  ];
}

// ── what became of the labels ───────────────────────────────────────────────────────────────

function staying({ sentence, unsaid, status }) {
  const mine = PARTS.filter(([key]) => key !== "kept" || status.limit !== null);
  const parts = mine.map(([key, called, means]) => ({ key, called, means, n: status[key] }));
  const bar = el(
    "div",
    { class: "fate", role: "img", "aria-label": parts.map(({ called, n }) => `${count(n)} ${called}`).join(", ") },
    ...parts
      .filter(({ n }) => n)
      .map(({ key, n }) => {
        const part = el("i", { class: `f-${key}` });
        part.style.setProperty("--share", n / status.size);
        return part;
      }),
  );
  const legend = el(
    "ul",
    { class: "fate-names" },
    ...parts.map(({ key, called, means, n }) =>
      el(
        "li",
        { title: means },
        el("i", { class: `f-${key}`, "aria-hidden": "true" }),
        el("b", { class: "num" }, count(n)),
        ` ${called}`,
        el("span", { class: "sr" }, `: ${means}`),
      ),
    ),
  );
  return el(
    "section",
    { class: "panel", "aria-label": "What becomes of the labels" },
    el("h2", {}, status.limit === null ? "What people have looked at" : "Which may stay"),
    el("p", { class: "says", id: "stay-says" }, sentence),
    bar,
    legend,
    unsaid.length
      ? el(
          "details",
          { id: "unsaid" },
          el("summary", {}, "What this does not say of each label"),
          el("p", { class: "small" }, "It is said of all labels together, and not of each:"),
          el("ul", { class: "unsaid" }, ...unsaid.map((line) => el("li", { dir: "auto" }, line))),
        )
      : null,
  );
}

// ── intervals ───────────────────────────────────────────────────────────────────────────────

const HELP =
  "The tick is an estimate, and covered by nothing; the bar is proved, at every look. Each line holds by itself, and " +
  "not all lines together.";

/** A figure of rows [name or node, what it is, interval]. */
function bars({ title, sentence, rows, tables, id }) {
  const line = ([called, text, found]) =>
    el("li", {}, typeof called === "string" ? el("span", { dir: "auto" }, called) : called, interval(found, text));
  const shown = rows.slice(0, MOST);
  const drawn = figure({
    title,
    sentence: rows.length > MOST ? `${sentence} The first ${MOST} of ${count(rows.length)} are drawn.` : sentence,
    body: el("ul", { class: "spans", tabIndex: 0, "aria-label": title }, ...shown.map(line)),
    help: HELP,
    doc: "docs/check.md",
    table: tables,
    wide: true,
  });
  drawn.id = id;
  return drawn;
}

const row = (called, found) => [called, about(found), ...range(found)];

function overall(quality) {
  const rows = [
    ["Accuracy", "Accuracy", quality.accuracy],
    ["Cohen's kappa", "Cohen's kappa", quality.kappa],
    ...quality.others.map(([column, found]) => [`Accuracy of ${column}`, `Accuracy of ${column}`, found]),
  ];
  return bars({
    id: "overall",
    title: "All of them together",
    sentence: "How far people and the labels agree; kappa leaves out what they would agree on by chance.",
    rows,
    tables: { head: ["", "about", "at least", "at most"], rows: rows.map(([called, , found]) => row(called, found)) },
  });
}

function classes(quality) {
  const of = [
    ["precision", "Precision"],
    ["recall", "Recall"],
    ["f1", "F1"],
  ];
  const rows = quality.classes
    .slice(0, MOST)
    .map((one, at) =>
      el(
        "li",
        {},
        name(one.label, at),
        el(
          "span",
          { class: "two" },
          ...of.flatMap(([key, called]) => [el("small", {}, called), interval(one[key], `${called} of ${one.label}`)]),
        ),
      ),
    );
  const drawn = figure({
    title: "Each label",
    sentence:
      "Precision: of the items labeled so, the share that people call so. Recall: of the items that people would " +
      `call so, the share labeled so.${quality.classes.length > MOST ? ` The first ${MOST} are drawn.` : ""}`,
    body: el("ul", { class: "spans", tabIndex: 0, "aria-label": "Precision, recall and F1 of each label" }, ...rows),
    help: HELP,
    doc: "docs/check.md",
    table: {
      head: ["label", "given", ...of.flatMap(([, called]) => [called, "at least", "at most"])],
      rows: quality.classes.map((one) => [
        one.label,
        count(one.guessed),
        ...of.flatMap(([key]) => [about(one[key]), ...range(one[key])]),
      ]),
    },
    wide: true,
  });
  drawn.id = "classes";
  return drawn;
}

function shares(quality) {
  return bars({
    id: "shares",
    title: "Share of each label",
    sentence:
      "The share of the file that people would call so. Of pairs of answers that a judge compared: the win rate.",
    rows: quality.shares.map(([label, found], at) => [name(label, at), `Share of ${label}`, found]),
    tables: {
      head: ["label", "about", "at least", "at most"],
      rows: quality.shares.map(([label, found]) => row(label, found)),
    },
  });
}

function slices(quality) {
  const columns = [...new Set(quality.slices.map(({ column }) => column))];
  return columns.map((column, at) => {
    const own = quality.slices.filter((one) => one.column === column);
    return bars({
      id: `slices-${at}`,
      title: `By ${column}`,
      sentence: `Accuracy for each value of the column ${column}.`,
      rows: own.map(({ value, accuracy }) => [value || "(empty)", `Accuracy where ${column} is ${value}`, accuracy]),
      tables: {
        head: [column, "labels", "drawn", "about", "at least", "at most"],
        rows: own.map(({ value, size, drawn, accuracy }) => [
          value || "(empty)",
          count(size),
          count(drawn),
          about(accuracy),
          ...range(accuracy),
        ]),
      },
    });
  });
}

// ── what to do with them ────────────────────────────────────────────────────────────────────

const file = (query, called, title) =>
  el(
    "a",
    { class: "button plain", href: address(`check/export?format=${query}`), download: "", title },
    icon("down"),
    called,
  );

function taking({ workbooks, fingerprint }) {
  return el(
    "section",
    { class: "panel", id: "take", "aria-label": "Take the file" },
    el("h2", {}, "Take the file"),
    el(
      "p",
      { class: "says" },
      "Each row with what became of its label: kept, confirmed, corrected, undecided or open. Loaded again, only " +
        "labels by people count as given.",
    ),
    el(
      "div",
      { class: "act-row" },
      file("csv", "CSV"),
      file("csv&bom=true", "CSV for Excel", BOM),
      workbooks ? file("xlsx", "Excel workbook") : null,
      file("jsonl", "JSONL"),
    ),
    el(
      "p",
      { class: "small" },
      "Fingerprint of the log: ",
      el("code", {}, fingerprint),
      ". askwise verify goes through it.",
    ),
  );
}

function next({ phase, open, size }, on, rest) {
  const button = (text, act) => el("button", { type: "button", class: "primary", onclick: act }, text);
  const box = el("section", { class: "panel", id: "next", "aria-label": "What next" }, el("h2", {}, "What next?"));
  const back = () => $("b-numbers").click();
  if (phase !== "done" && open)
    box.append(says("Questions are open."), actRow(button("Go on with the questions", back)));
  else if (!open) box.append(says(`Nothing of the ${plural(size, "label")} is open.`));
  else if (on) box.append(says(`${plural(open, "label")} open.`), actRow(button("Go on with what is open", back)));
  else {
    box.append(
      says(
        `It is known which labels stay. ${plural(open, "label is", "labels are")} open: a person can go on with them.`,
      ),
      actRow(button(`Go on with the ${count(open)} that are open`, rest)),
    );
  }
  return box;
}

const says = (text) => el("p", { class: "says" }, text);
const actRow = (...buttons) => el("div", { class: "act-row" }, ...buttons);
