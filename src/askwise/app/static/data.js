// Data: every item with its label; filter, search, sort, label many at once.

import { Refused, address, call } from "./api.js";
import { chooseSet, inWords, media, said, tag } from "./choose.js";
import { dialog, toast } from "./dialogs.js";
import { $, count, el, icon, plural } from "./dom.js";
import { panel } from "./relabel.js";
import { leaving } from "./withdraw.js";

const PAGE = 50;
const SOURCES = { human: "by a person", given: "came with the data", model: "by the model", unsure: "marked unsure", skip: "skipped", open: "no label" };
const COLUMNS = [["row", "Item"], ["label", "Label"], ["source", "From"], ["annotator", "Person"], ["seconds", "Time"], ["at", "When"]];
const DONE = { told: "labeled", skipped: "skipped", unsure: "marked unsure", flagged: "flagged", unflagged: "took the flag off", adjudicated: "decided", retracted: "took the answer back" };

const state = { text: "", source: "", label: "", annotator: "", flagged: false, sort: "row", down: false, offset: 0, total: 0, items: [], chosen: new Set(), all: false };
let columns = null; // of the data, that the person sees; null = those that are shown while labeling
let classes = [];
let kind = "text";
let sets = false;
let asked = 0;
let owner = false;

export async function open(page, about) {
  classes = about.pulse.classes;
  kind = about.kind;
  sets = about.pulse.multilabel;
  columns = null;
  owner = about.me.role === "owner";
  page.replaceChildren(...(owner ? [adding(), panel(relabeled)] : []), filters(), el("div", { id: "columns" }), el("div", { class: "bulk", id: "bulk" }), el("p", { class: "small", id: "total", role: "status" }), el("div", { id: "table" }), el("nav", { class: "pager", id: "pager", "aria-label": "Pages of the table" }));
  await load();
}

const where = () => ({ text: state.text, source: state.source, label: state.label, annotator: state.annotator, flagged: state.flagged });

function filters() {
  const change = (name) => (event) => {
    state[name] = event.target.type === "checkbox" ? event.target.checked : event.target.value;
    state.offset = 0;
    state.chosen.clear();
    state.all = false;
    clearTimeout(filters.timer);
    filters.timer = setTimeout(load, name === "text" ? 200 : 0);
  };
  const list = (id, called, options) => el("label", {}, el("span", {}, called), el("select", { id, onchange: change(id.slice(2)) }, el("option", { value: "" }, "all"), ...options.map(([value, text]) => el("option", { value }, text))));
  return el(
    "form",
    { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
    el("label", { class: "wide-field" }, el("span", {}, "Search"), el("input", { id: "f-text", type: "search", autocomplete: "off", placeholder: "Words of the item, or its id", maxLength: 500, oninput: change("text") })),
    list("f-source", "From", Object.entries(SOURCES)),
    list("f-label", "Label", classes.map((name) => [name, name])),
    list("f-annotator", "Person", []),
    el("label", { class: "tick-field" }, el("input", { id: "f-flagged", type: "checkbox", onchange: change("flagged") }), el("span", {}, "flagged only")),
  );
}

/** The labels have changed: the filter and the list for the chosen items show them, and the table its new tags. */
function relabeled(labels) {
  classes = labels;
  state.label = classes.includes(state.label) ? state.label : "";
  $("f-label").replaceChildren(el("option", { value: "" }, "all"), ...classes.map((name) => el("option", { value: name, selected: name === state.label }, name)));
  load();
}

// ── more items ──────────────────────────────────────────────────────────────────────────────

/** The button that takes another file; what came of it is said below. */
function adding() {
  const file = el("input", { type: "file", id: "more-file", hidden: true, tabIndex: -1, "aria-hidden": "true", onchange: () => file.files[0] && more(file.files[0]).finally(() => (file.value = "")) });
  const button = el("button", { type: "button", class: "plain", id: "b-more", onclick: () => ask(file) }, "Add items …");
  return el("div", { class: "adding" }, button, file, el("span", { class: "small", id: "more-said", role: "status" }, "Rows of another file, or of a longer version of the first; those that are here already are recognised."));
}

async function ask(file) {
  try {
    const { refused, suffixes } = await call("items/add");
    if (refused) return void ($("more-said").textContent = refused);
    file.accept = suffixes.join(",");
    file.click();
  } catch (error) {
    $("more-said").textContent = error.message;
  }
}

async function more(file) {
  $("b-more").disabled = true;
  $("more-said").replaceChildren(el("i", { class: "spinner" }), `Adding ${file.name} …`);
  try {
    const reply = await fetch(`${address("items/add")}?${new URLSearchParams({ name: file.name })}`, { method: "PUT", body: file });
    const data = await reply.json();
    if (!reply.ok) throw new Refused(data.error, reply.status);
    const left = data.problems_in_all - data.problems.length;
    const rows = [...data.problems, ...(left > 0 ? [`… and ${count(left)} more`] : [])].map((text) => el("li", { dir: "auto" }, text));
    $("more-said").replaceChildren(el("span", {}, data.sentence), ...(rows.length ? [el("details", {}, el("summary", {}, "Which"), el("ul", {}, ...rows))] : []));
    state.offset = 0;
    await load();
  } catch (error) {
    $("more-said").textContent = error instanceof Refused ? error.message : "The file did not arrive: the server does not answer, or it was changed meanwhile. Choose it again.";
  } finally {
    $("b-more").disabled = false;
  }
}

async function load() {
  const mine = ++asked;
  const query = new URLSearchParams({ ...where(), sort: state.sort, down: state.down, offset: state.offset, limit: PAGE });
  for (const name of columns ?? []) query.append("column", name);
  try {
    const reply = await call(`items?${query}`, undefined, { timeout: 60_000 });
    if (mine !== asked) return;
    if (columns === null) {
      columns = reply.shown;
      picker(reply.columns);
      if (columns.length) return load();
    }
    Object.assign(state, { total: reply.total, items: reply.items });
    people(reply.people);
    render();
  } catch (error) {
    if (mine === asked) $("table").replaceChildren(el("p", { class: "nothing", role: "alert" }, error.message));
  }
}

/** Which columns of the data stand in the table. */
function picker(names) {
  if (!names.length) return;
  const box = (name) =>
    el("label", { class: "tick-field" }, el("input", { type: "checkbox", checked: columns.includes(name), onchange: ({ target }) => ((columns = names.filter((n) => (n === name ? target.checked : columns.includes(n)))), load()) }), el("span", { dir: "auto" }, name));
  $("columns").replaceChildren(el("details", {}, el("summary", {}, "Columns of the data"), el("div", { class: "filters" }, ...names.map(box))));
}

function people(names) {
  const list = $("f-annotator");
  if (list.options.length === names.length + 1) return;
  list.replaceChildren(el("option", { value: "" }, "all"), ...names.map((name) => el("option", { value: name, selected: name === state.annotator }, name)));
}

function render() {
  const { items, total, offset } = state;
  $("total").textContent = total ? `${plural(total, "item")}` : "";
  if (!total) $("table").replaceChildren(el("p", { class: "nothing" }, "No item matches. Take a filter away."));
  else $("table").replaceChildren(table(items));
  $("pager").replaceChildren(
    ...(total > PAGE
      ? [
          el("button", { type: "button", class: "plain", disabled: offset === 0, onclick: () => turn(offset - PAGE) }, "Earlier"),
          el("span", {}, `${count(offset + 1)} to ${count(Math.min(total, offset + PAGE))} of ${count(total)}`),
          el("button", { type: "button", class: "plain", disabled: offset + PAGE >= total, onclick: () => turn(offset + PAGE) }, "Later"),
        ]
      : []),
  );
  bulk();
}

async function turn(offset) {
  state.offset = Math.max(0, offset);
  await load();
  $("table").querySelector("input, button")?.focus();
}

function table(items) {
  const everyone = el("input", { type: "checkbox", "aria-label": "All on this page", checked: items.every((i) => state.chosen.has(i.item)), onchange: (event) => (items.forEach((i) => (event.target.checked ? state.chosen.add(i.item) : state.chosen.delete(i.item))), (state.all = false), render()) });
  const head = COLUMNS.map(([name, title]) =>
    el(
      "th",
      { scope: "col", class: `c-${name}`, "aria-sort": state.sort === name ? (state.down ? "descending" : "ascending") : "none" },
      el("button", { type: "button", class: "sort", onclick: () => sort(name) }, title, state.sort === name ? el("span", { "aria-hidden": "true" }, state.down ? " ↓" : " ↑") : null),
    ),
  );
  head.splice(1, 0, ...columns.map((name) => el("th", { scope: "col", dir: "auto" }, name)));
  return el(
    "div",
    { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Items" },
    el("table", { class: "items" }, el("thead", {}, el("tr", {}, el("th", { class: "c-pick" }, everyone), ...head)), el("tbody", {}, ...items.map(line))),
  );
}

function line(entry) {
  const pick = el("input", { type: "checkbox", "aria-label": `Choose ${entry.text.slice(0, 60)}`, checked: state.all || state.chosen.has(entry.item), onchange: (event) => (event.target.checked ? state.chosen.add(entry.item) : state.chosen.delete(entry.item), (state.all = false), bulk()) });
  const more = entry.people > 1 ? el("small", { title: "labeled by several people" }, ` +${entry.people - 1}`) : null;
  return el(
    "tr",
    {},
    el("td", { class: "c-pick" }, pick),
    el("td", { class: "c-row" }, el("button", { type: "button", class: "item-link", title: "All answers to this item", onclick: () => look(entry.item) }, kind === "image" ? media(entry, kind) : null, el("span", { dir: "auto" }, entry.text)), entry.flag === null ? null : el("span", { class: "flagged", title: entry.flag || "flagged" }, icon("flag"), entry.flag ? el("small", {}, entry.flag) : el("small", {}, "flagged"))),
    ...entry.cells.map((cell) => el("td", { dir: "auto" }, cell)),
    el("td", { class: "c-label" }, tag(entry.label, classes)),
    el("td", { class: "c-source" }, entry.decided ? "decided" : SOURCES[entry.source]),
    el("td", { class: "c-annotator" }, entry.annotator, more),
    el("td", { class: "c-seconds num" }, entry.seconds === null ? "" : `${entry.seconds.toFixed(1)} s`),
    el("td", { class: "c-at" }, entry.at ? when(entry.at) : ""),
  );
}

const when = (seconds) => new Date(1000 * seconds).toLocaleString("en", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });

function sort(name) {
  state.down = state.sort === name ? !state.down : false;
  state.sort = name;
  state.offset = 0;
  load().then(() => $("table").querySelector(`.c-${name} .sort`)?.focus());
}

/** What can be done with the chosen items. */
function bulk() {
  const n = state.all ? state.total : state.chosen.size;
  const list = el("select", { id: "b-label", "aria-label": "Label for the chosen items" }, ...classes.map((name) => el("option", { value: name }, name)));
  const kept = $("b-label")?.value;
  if (kept) list.value = kept;
  $("bulk").replaceChildren(
    ...(n
      ? [
          el("span", { role: "status" }, `${plural(n, "item")} chosen`),
          state.all || state.total <= state.chosen.size ? null : el("button", { type: "button", class: "link", onclick: () => ((state.all = true), render()) }, `Choose all ${count(state.total)} that match`),
          el("button", { type: "button", class: "link", onclick: () => (state.chosen.clear(), (state.all = false), render()) }, "None"),
          el("span", { class: "push" }),
          owner && !state.all ? leaving([...state.chosen], left) : null,
          sets ? null : list,
          el("button", { type: "button", class: "primary", onclick: async () => labelAll(sets ? await chooseSet({ classes }) : list.value) }, sets ? "Label them …" : "Label them"),
        ].filter(Boolean)
      : [el("span", { class: "small" }, "Choose items to label them together.")]),
  );
}

async function labelAll(label) {
  if (label === null) return;
  const n = state.all ? state.total : state.chosen.size;
  if (n > 20) {
    const sure = await dialog({ title: `Label ${plural(n, "item")} as ${inWords(label)}?`, body: el("p", {}, "Labels that they have by you are replaced. One press takes all of it back."), buttons: [{ label: "Cancel", value: "", kind: "plain" }, { label: `Label ${count(n)}`, value: "yes", kind: "primary" }] });
    if (sure !== "yes") return;
  }
  try {
    const body = state.all ? { where: where(), count: state.total } : { items: [...state.chosen] };
    const reply = await call("items/label", { ...said(label), ...body }, { timeout: 120_000 });
    state.chosen.clear();
    state.all = false;
    await load();
    toast(`Labeled ${plural(reply.count, "item")} ${inWords(label)}`, { button: "Undo", act: () => undo(reply.number), time: 20_000 });
  } catch (error) {
    toast(error.message, { bad: true, time: 10_000 });
  }
}

/** Items were withdrawn: nothing is chosen any more, and the table has the others. */
async function left() {
  state.chosen.clear();
  state.offset = 0;
  await load();
}

async function undo(number) {
  try {
    const reply = await call("items/undo", { number }, { timeout: 120_000 });
    await load();
    toast(`Took back ${plural(reply.count, "label")}.`);
  } catch (error) {
    toast(error.message, { bad: true, time: 10_000 });
  }
}

const story = ({ at, annotator, kind, what }) =>
  el("li", {}, el("small", { class: "num" }, when(at)), el("span", {}, el("b", { dir: "auto" }, annotator || "–"), ` ${DONE[kind] ?? kind}${what ? ":" : ""} `, what ? el("span", { dir: "auto" }, what) : null));

/** An item with everything that was done to it. */
async function look(item) {
  let found;
  try {
    found = await call(`item?${new URLSearchParams({ item })}`);
  } catch (error) {
    toast(error.message, { bad: true });
    return;
  }
  const facts = [SOURCES[found.source], `item ${found.item}`];
  const columns = Object.entries(found.columns).filter(([, value]) => value !== found.text);
  const value = await dialog({
    title: "Item",
    wide: true,
    body: [
      media(found, kind),
      el("p", { class: "whole", dir: "auto", tabIndex: 0 }, found.text),
      el("p", { class: "case-facts" }, tag(found.label, classes), el("small", {}, ` ${facts.join(" · ")}`)),
      columns.length ? el("dl", { class: "columns" }, ...columns.flatMap(([name, cell]) => [el("dt", {}, name), el("dd", { dir: "auto" }, cell)])) : null,
      el("h3", {}, "History"),
      found.history.length
        ? el("ol", { class: "story" }, ...found.history.map(story))
        : el("p", { class: "small" }, "Nobody has answered it."),
    ],
    buttons: [...(found.flag === null ? [] : [{ label: "Take the flag off", value: "unflag", kind: "plain" }]), { label: "Close", value: "", kind: "primary" }],
  });
  if (value !== "unflag") return;
  try {
    await call("items/unflag", { item });
    await load();
    toast("Flag taken off.");
  } catch (error) {
    toast(error.message, { bad: true });
  }
}
