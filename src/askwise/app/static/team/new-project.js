// The page that makes a project: a file, its columns, the labels.

import { Refused, address, call } from "../lib/api.js";
import { $, el } from "../lib/dom.js";
import { count, plural } from "../lib/numbers.js";
import { followWork, showWork } from "../lib/progress.js";
import { offerGiven } from "./given.js";
import { chosenParts, offerParts, sayParts } from "./parts.js";

const KINDS = [
  ["text", "Texts", "One text, or several columns joined"],
  ["image", "Images", "Files of a ZIP"],
  ["table", "Table rows", "Several columns side by side"],
  ["pair", "Pairs", "Two texts to compare"],
  ["audio", "Recordings", "Files of a ZIP"],
];
const ROLES = {
  shown: "shown",
  label: "known labels",
  id: "name of the row",
  beside: "shown, not learned from",
  guess: "guesses by a model",
  none: "not shown",
};

const offering = call("new"); // a file may be dropped before it is there
let chosenFile = null; // what was dropped or chosen
let upload = null; // what the server said of the file
let seen = null; // what it said of the columns
let turn = 0; // only the newest reply counts
let own = false; // the labels were typed by the person
const parts = (text) => [
  ...new Set(
    text
      .split("\n")
      .map((line) => line.trim())
      .filter(Boolean),
  ),
];

// ── the file ────────────────────────────────────────────────────────────────────────────────

const fail = (id, error) => {
  $(id).replaceChildren(el("p", { class: "error", dir: "auto" }, error.message ?? String(error)));
};
const clear = (...ids) => ids.forEach((id) => $(id).replaceChildren());

const HOW = ["format", "encoding", "delimiter", "sheet"];

/** How the file is to be read, as far as that was said. */
function how() {
  const said = HOW.map((name) => [name, $(`r-${name}`).value.trim()]).filter(([, value]) => value);
  if (!$("r-header").checked) said.push(["header", "false"]);
  return said;
}

function forgetHow() {
  for (const name of HOW) $(`r-${name}`).value = "";
  $("r-header").checked = true;
  $("r-sheet").replaceChildren(el("option", { value: "" }, "The first"));
  $("r-sheet").disabled = true;
}

/** What was found out stands where it could be said otherwise. */
function showHow() {
  const { encoding, delimiter, sheet, sheets, format } = upload.read_as;
  const now = $("r-sheet").value || sheet || "";
  $("r-encoding").placeholder = encoding ?? "as found";
  $("r-delimiter").options[0].textContent = delimiter
    ? `As found: ${delimiter === "\t" ? "tab" : delimiter}`
    : "As found";
  $("r-format").options[0].textContent = `By its name: ${format}`;
  $("r-sheet").replaceChildren(
    ...(sheets.length
      ? sheets.map((name) => el("option", { value: name, selected: name === now }, name))
      : [el("option", { value: "" }, "The first")]),
  );
  $("r-sheet").disabled = sheets.length < 2;
  $("r-encoding").disabled = !encoding;
  $("r-delimiter").disabled = !delimiter;
  $("r-header").disabled = !["csv", "tsv", "xlsx"].includes(format);
}

async function send(file, again = false) {
  chosenFile = file;
  if (!again) forgetHow();
  const said = how();
  clear("file-error", "file-notes", "seen-error", "start-error", "problems", "seen");
  upload = null;
  offerGiven(null);
  $("form").hidden = true;
  $("drop").classList.add("busy");
  $("file-status").replaceChildren(
    el("p", { class: "small" }, el("i", { class: "spinner" }), `Reading ${file.name} …`),
  );
  try {
    const reply = await fetch(`${address("new/file")}?${new URLSearchParams([["name", file.name], ...said])}`, {
      method: "PUT",
      body: file,
    });
    const data = await reply.json();
    if (!reply.ok) throw new Refused(data.error, reply.status);
    upload = data;
    $("file-status").replaceChildren(
      el(
        "p",
        {},
        el("b", { dir: "auto" }, upload.name),
        ` · ${plural(upload.rows, "row")} · ${plural(upload.columns.length, "column")}`,
      ),
    );
    $("drop-lead").textContent = "Drop another file to start over";
    $("file-notes").replaceChildren(...upload.notes.map((note) => el("p", { class: "small", dir: "auto" }, note)));
    $("reading").hidden = upload.read_as.format === "zip";
    showHow();
    if ((await offering).checks) offerGiven(upload);
    propose(!again);
  } catch (error) {
    clear("file-status");
    $("reading").hidden = false;
    for (const name of ["encoding", "delimiter", "header"]) $(`r-${name}`).disabled = false;
    fail(
      "file-error",
      error instanceof Refused
        ? error
        : new Error(
            "The file did not arrive: the server does not answer, or it was changed meanwhile. Choose it again.",
          ),
    );
  } finally {
    $("drop").classList.remove("busy");
  }
}

// ── the columns ─────────────────────────────────────────────────────────────────────────────

function propose(leads) {
  const { kind, text, label, id, task } = upload.proposal;
  own = false;
  if (isSpans() !== (task === "spans")) $("task").value = task === "spans" ? "spans" : "labels";
  showTask();
  $("classes").value = "";
  $("title").value = upload.name.replace(/(\.[A-Za-z]+)+$/, "");
  const zip = upload.read_as.format === "zip";
  $("kinds").replaceChildren(
    el("legend", { class: "sr" }, "Kind of item"),
    ...KINDS.filter(([name]) => ["image", "audio"].includes(name) === zip).map(([name, title, what]) =>
      el(
        "label",
        { class: "option" },
        el("input", { type: "radio", name: "kind", value: name, checked: name === kind, onchange: () => roles(true) }),
        el("span", {}, el("b", {}, title), el("small", {}, what)),
      ),
    ),
  );
  // Paths in an uploaded table lead nowhere: the files are not here.
  if (!document.querySelector('[name="kind"]:checked')) document.querySelector('[name="kind"]').checked = true;
  const role = (name) => (name === label ? "label" : name === id ? "id" : text.includes(name) ? "shown" : "none");
  $("columns").replaceChildren(
    el(
      "table",
      { class: "columns" },
      el(
        "thead",
        {},
        el("tr", {}, ...["Column", "is", "Examples", "Filled"].map((name) => el("th", { scope: "col" }, name))),
      ),
      el("tbody", {}, ...upload.columns.map((column) => columnRow(column, role(column.name), zip))),
    ),
  );
  $("form").hidden = false;
  if (leads) {
    document.querySelector('[name="kind"]:checked').focus();
    document.querySelector("#form .step").scrollIntoView({ block: "start" });
  }
  look();
}

function columnRow({ name, examples, filled, different }, role, zip) {
  const pick = el(
    "select",
    { "aria-label": `Column ${name}`, "data-column": name, onchange: () => roles(false, pick) },
    ...Object.entries(ROLES).map(([value, text]) =>
      el(
        "option",
        {
          value,
          selected: value === role,
          disabled: zip && (value === "shown") !== (name === "file") && !["none", "label", "beside"].includes(value),
        },
        text,
      ),
    ),
  );
  return el(
    "tr",
    {},
    el("th", { scope: "row", dir: "auto" }, name || "(no name)"),
    el("td", {}, pick),
    el("td", {}, ...examples.map((text) => el("div", { class: "example", dir: "auto" }, text))),
    el("td", { class: "num" }, count(filled), el("small", {}, ` ${count(different)} different`)),
  );
}

const picks = () => [...document.querySelectorAll("[data-column]")];
const named = (role) =>
  picks()
    .filter((pick) => pick.value === role)
    .map((pick) => pick.dataset.column);
const kindNow = () => document.querySelector('[name="kind"]:checked').value;

/** A choice was made: keep the others consistent with it, then look. */
function roles(kindChanged, changed = null) {
  if (changed)
    for (const other of picks())
      if (other !== changed && ["label", "id"].includes(changed.value) && other.value === changed.value)
        other.value = "none";
  if (kindChanged && kindNow() === "table") for (const pick of picks()) if (pick.value === "none") pick.value = "shown";
  look();
}

const chosen = () => ({
  upload: upload.upload,
  kind: kindNow(),
  text: named("shown"),
  label: named("label")[0] ?? null,
  id: named("id")[0] ?? null,
  show: named("beside"),
  ...(isNumber() ? { task: numberTask() } : isSpans() ? { task: "spans" } : { multilabel: $("several").checked }),
});

const isNumber = () => $("task").value === "number";
const isSpans = () => $("task").value === "spans";
const fewest = () => (isSpans() ? 1 : 2);

/** The task as the server reads it; without a tolerance the server says what that is for. */
function numberTask() {
  const options = ["tolerance", "low", "high", "step", "unit"]
    .map((name) => [
      name,
      $(`n-${name}`)
        .value.trim()
        .replace(name === "unit" ? /^$/ : ",", name === "unit" ? "" : "."),
    ])
    .filter(([, value]) => value);
  return ["number", options.map((pair) => pair.join("=")).join(",")].filter(Boolean).join(":");
}

/** What is asked of the answers that were chosen. */
function showTask() {
  $("numbers").hidden = !isNumber();
  $("labels").hidden = isNumber();
  $("l-several").hidden = isSpans();
  $("l-fewest").textContent = isSpans() ? "one" : "two";
  $("classes").required = !isNumber();
  $("n-tolerance").required = isNumber();
}

/** Labels, numbers or spans were chosen. */
function answersChosen() {
  showTask();
  sayChosen();
  if (isNumber() && !$("n-tolerance").value) clear("seen", "seen-error");
  else look();
}

const sayChosen = () => sayParts(kindNow(), !isNumber() && !isSpans() && !$("several").checked);

async function look() {
  sayChosen();
  const mine = ++turn;
  seen = null;
  clear("seen-error", "problems");
  $("seen").replaceChildren(el("p", { class: "small" }, el("i", { class: "spinner" }), "Looking …"));
  try {
    const found = await call("new/look", chosen(), { timeout: 600_000 });
    if (mine !== turn) return;
    seen = found;
    showSeen();
  } catch (error) {
    if (mine !== turn) return;
    clear("seen");
    fail("seen-error", error);
  }
}

function showSeen() {
  const { items, rows, classes, examples, problems, problems_in_all: all, notes } = seen;
  const merged = rows - items - all;
  $("seen").replaceChildren(
    el(
      "p",
      {},
      el("b", {}, plural(items, "item")),
      merged > 0 ? `; ${plural(merged, "row is the same", "rows are the same")} as another and asked once` : "",
    ),
    el("ul", { class: "examples" }, ...examples.map((text) => el("li", { dir: "auto" }, text))),
    ...notes
      .filter((note) => !upload.notes.includes(note))
      .map((note) => el("p", { class: "small", dir: "auto" }, note)),
  );
  if (all) {
    $("problems").replaceChildren(
      el(
        "details",
        { open: all <= 5 },
        el("summary", {}, plural(all, "problem")),
        el(
          "ul",
          {},
          ...problems.map(({ row, line, what }) =>
            el("li", { dir: "auto" }, `Row ${count(row)}${line ? ` (line ${count(line)})` : ""} ${what}`),
          ),
        ),
        all > problems.length ? el("p", { class: "small" }, `… and ${count(all - problems.length)} more.`) : null,
      ),
    );
  }
  if (!own)
    $("classes").value = classes
      .map(([name]) => name)
      .sort((a, b) => a.localeCompare(b))
      .join("\n");
  noteClasses();
}

function noteClasses() {
  const names = parts($("classes").value);
  const known = seen?.classes.length
    ? ` ${plural(
        seen.classes.reduce((sum, [, n]) => sum + n, 0),
        "item has",
        "items have",
      )} a label already.`
    : "";
  $("classes-note").textContent =
    names.length < fewest()
      ? `${fewest() > 1 ? "Two or more are" : "At least one is"} needed.${known}`
      : `${plural(names.length, "label")}.${known}`;
}

// ── the start ───────────────────────────────────────────────────────────────────────────────

async function start(event) {
  event.preventDefault();
  clear("start-error");
  const names = parts($("classes").value);
  if (names.length < fewest() && !isNumber()) {
    fail("start-error", new Error(`Give at least ${fewest() > 1 ? "two labels" : "one label"}, one a line.`));
    $("classes").focus();
    return;
  }
  const button = $("b-start");
  button.disabled = true;
  button.replaceChildren(el("i", { class: "spinner" }), "Getting ready …");
  const stop = followWork(
    () => call("new/progress"),
    (work) => showWork($("start-work"), work),
  );
  try {
    const classes = isNumber() ? [] : names;
    const words = { title: $("title").value.trim(), guidelines: $("guidelines").value };
    const said = { classes, guesses: named("guess"), ...words };
    const { at } = await call("new/start", { ...chosen(), ...said, ...chosenParts() }, { timeout: 3_600_000 });
    location.assign(at);
  } catch (error) {
    fail("start-error", error);
    button.disabled = false;
    button.replaceChildren("Start labeling");
    clear("start-work");
  } finally {
    stop();
  }
}

$("b-choose").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  if (file) send(file).then(() => ($("file").value = ""));
});
for (const name of ["dragenter", "dragover"])
  addEventListener(name, (event) => (event.preventDefault(), $("drop").classList.add("over")));
addEventListener("dragleave", (event) => event.relatedTarget || $("drop").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (event.dataTransfer.files.length > 1)
    fail("file-error", new Error("One file at a time. Pack several images in one ZIP."));
  else if (file) send(file);
});
for (const name of [...HOW, "header"])
  $(`r-${name}`).addEventListener("change", () => chosenFile && send(chosenFile, true));
$("classes").addEventListener("input", () => {
  own = true;
  noteClasses();
});
$("several").addEventListener("change", look);
$("task").addEventListener("change", answersChosen);
let typed = 0;
// Not at "change": what moves on the page when a field is left would move the button away that is being pressed.
for (const name of ["tolerance", "low", "high", "step"])
  $(`n-${name}`).addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(answersChosen, 500);
  });
$("form").addEventListener("submit", start);
const offered = await offering;
const { largest, suffixes } = offered;
offerParts(offered);
$("p-learner").addEventListener("change", sayChosen);
$("file").accept = suffixes.join(",");
$("limits").textContent =
  "A table (CSV, JSON, Parquet, Excel), references (RIS, PubMed, EndNote XML), " +
  "marked texts (CoNLL, doccano, Prodigy, " +
  `.spacy), or a ZIP of images or recordings, up to ${Math.round(largest / 2 ** 20)} MB`;
$("b-choose").focus();
