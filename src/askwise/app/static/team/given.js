// The other thing that a file may be for: labels that exist already, to be checked.

import { call } from "../lib/api.js";
import { $, el } from "../lib/dom.js";

const ROW = ""; // people see the whole row, but for what is named
let upload = null;

/** Offer it for a table that was sent, or for nothing. */
export function offerGiven(found) {
  upload = found;
  const table = found !== null && found.read_as.format !== "zip";
  $("given").hidden = !table;
  $("given").open = false;
  $("given-error").replaceChildren();
  if (!table) return;
  const { columns, proposal } = found;
  const names = columns.map(({ name }) => name);
  const texts = proposal.kind === "table" ? [] : proposal.text;
  const fill = (id, first, chosen) =>
    $(id).replaceChildren(
      ...(first ? [el("option", { value: "" }, first)] : []),
      ...names.map((name) => el("option", { value: name, selected: name === chosen }, name)),
    );
  fill("g-guess", "", proposal.label ?? fewest(columns, texts));
  fill("g-text", "The whole row, without what is named here", texts[0] ?? ROW);
  fill("g-confidence", "None", "");
  fill("g-by", "Nothing", "");
}

/** Where none is called label: the column, not of the texts, with the fewest different values, but two at least. */
function fewest(columns, texts) {
  const able = columns.filter(({ name, different }) => different > 1 && !texts.includes(name));
  return able.sort((a, b) => a.different - b.different)[0]?.name ?? columns[0].name;
}

/** 5 → 0.05; null where nothing was given; NaN where it is no number. */
function limit() {
  const typed = $("g-limit").value.trim().replace("%", "").replace(",", ".").trim();
  return typed ? Number(typed) / 100 : null;
}

const fail = (text) => $("given-error").replaceChildren(el("p", { class: "error", dir: "auto" }, text));

async function start(event) {
  event.preventDefault();
  $("given-error").replaceChildren();
  const share = limit();
  if (share !== null && !(share > 0 && share < 1)) {
    fail(
      "The share of wrong labels lies between 0 and 100 %: 5 means that at most 5 % of the file are wrong in the end.",
    );
    $("g-limit").focus();
    return;
  }
  const button = $("b-given");
  button.disabled = true;
  button.replaceChildren(el("i", { class: "spinner" }), "Getting ready …");
  const columns = {
    guess: $("g-guess").value,
    text: $("g-text").value ? [$("g-text").value] : [],
    confidence: $("g-confidence").value || null,
    by: $("g-by").value || null,
  };
  try {
    const said = { upload: upload.upload, ...columns, max_error: share };
    const { at } = await call("new/check", said, { timeout: 3_600_000 });
    location.assign(at);
  } catch (error) {
    fail(error.message);
    button.disabled = false;
    button.replaceChildren("Check these labels");
  }
}

$("f-given").addEventListener("submit", start);
