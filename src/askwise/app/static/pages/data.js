// Data: every item with its label; filter, search, sort, label many at once.

import { call } from "../lib/api.js";
import { adding } from "./adding.js";
import { choose, inDialog, inWords, media, said, tag } from "./choose.js";
import { dialog, toast } from "../lib/dialogs.js";
import { $, el, icon } from "../lib/dom.js";
import { count, plural } from "../lib/numbers.js";
import { SOURCES, look, when } from "./item.js";
import { panel } from "./relabel.js";
import { leaving } from "./withdraw.js";

const PAGE = 50;
const COLUMNS = [
  ["row", "Item"],
  ["label", "Label"],
  ["source", "From"],
  ["annotator", "Person"],
  ["seconds", "Time"],
  ["at", "When"],
];

const state = {
  text: "",
  source: "",
  label: "",
  annotator: "",
  flagged: false,
  sort: "row",
  down: false,
  offset: 0,
  total: 0,
  items: [],
  chosen: new Set(),
  all: false,
};
let columns = null; // of the data, that the person sees; null = those that are shown while labeling
let classes = [];
let named = true; // answers are made of labels, so that they can be told apart by one
let kind = "text";
let asked = 0;
let owner = false;

export async function open(page, about) {
  classes = about.pulse.classes;
  named = about.pulse.task.named;
  kind = about.kind;
  columns = null;
  owner = about.me.role === "owner";
  page.replaceChildren(
    ...(owner ? [adding(added), panel(relabeled)] : []),
    filters(),
    el("div", { id: "columns" }),
    el("div", { class: "bulk", id: "bulk" }),
    el("p", { class: "small", id: "total", role: "status" }),
    el("div", { id: "table" }),
    el("nav", { class: "pager", id: "pager", "aria-label": "Pages of the table" }),
  );
  await load();
}

const where = () => ({
  text: state.text,
  source: state.source,
  label: state.label,
  annotator: state.annotator,
  flagged: state.flagged,
});

function filters() {
  const change = (name) => (event) => {
    state[name] = event.target.type === "checkbox" ? event.target.checked : event.target.value;
    state.offset = 0;
    state.chosen.clear();
    state.all = false;
    clearTimeout(filters.timer);
    filters.timer = setTimeout(load, name === "text" ? 200 : 0);
  };
  const list = (id, called, options) =>
    el(
      "label",
      {},
      el("span", {}, called),
      el(
        "select",
        { id, onchange: change(id.slice(2)) },
        el("option", { value: "" }, "all"),
        ...options.map(([value, text]) => el("option", { value }, text)),
      ),
    );
  return el(
    "form",
    { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
    el(
      "label",
      { class: "wide-field" },
      el("span", {}, "Search"),
      el("input", {
        id: "f-text",
        type: "search",
        autocomplete: "off",
        placeholder: "Words of the item, or its id",
        maxLength: 500,
        oninput: change("text"),
      }),
    ),
    list("f-source", "From", Object.entries(SOURCES)),
    ...(named
      ? [
          list(
            "f-label",
            "Label",
            classes.map((name) => [name, name]),
          ),
        ]
      : []),
    list("f-annotator", "Person", []),
    el(
      "label",
      { class: "tick-field" },
      el("input", { id: "f-flagged", type: "checkbox", onchange: change("flagged") }),
      el("span", {}, "flagged only"),
    ),
  );
}

/** The labels have changed: the filter and the list for the chosen items show them, and the table its new tags. */
function relabeled(labels) {
  classes = labels;
  state.label = classes.includes(state.label) ? state.label : "";
  $("f-label")?.replaceChildren(
    el("option", { value: "" }, "all"),
    ...classes.map((name) => el("option", { value: name, selected: name === state.label }, name)),
  );
  load();
}

/** More items have come: the first page shows them. */
async function added() {
  state.offset = 0;
  await load();
}

async function load() {
  const mine = ++asked;
  const query = new URLSearchParams({
    ...where(),
    sort: state.sort,
    down: state.down,
    offset: state.offset,
    limit: PAGE,
  });
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
    el(
      "label",
      { class: "tick-field" },
      el("input", {
        type: "checkbox",
        checked: columns.includes(name),
        onchange: ({ target }) => (
          (columns = names.filter((n) => (n === name ? target.checked : columns.includes(n)))),
          load()
        ),
      }),
      el("span", { dir: "auto" }, name),
    );
  $("columns").replaceChildren(
    el("details", {}, el("summary", {}, "Columns of the data"), el("div", { class: "filters" }, ...names.map(box))),
  );
}

function people(names) {
  const list = $("f-annotator");
  if (list.options.length === names.length + 1) return;
  list.replaceChildren(
    el("option", { value: "" }, "all"),
    ...names.map((name) => el("option", { value: name, selected: name === state.annotator }, name)),
  );
}

function render() {
  const { items, total, offset } = state;
  $("total").textContent = total ? `${plural(total, "item")}` : "";
  if (!total) $("table").replaceChildren(el("p", { class: "nothing" }, "No item matches. Take a filter away."));
  else $("table").replaceChildren(table(items));
  $("pager").replaceChildren(
    ...(total > PAGE
      ? [
          el(
            "button",
            { type: "button", class: "plain", disabled: offset === 0, onclick: () => turn(offset - PAGE) },
            "Earlier",
          ),
          el("span", {}, `${count(offset + 1)} to ${count(Math.min(total, offset + PAGE))} of ${count(total)}`),
          el(
            "button",
            { type: "button", class: "plain", disabled: offset + PAGE >= total, onclick: () => turn(offset + PAGE) },
            "Later",
          ),
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
  const everyone = el("input", {
    type: "checkbox",
    "aria-label": "All on this page",
    checked: items.every((i) => state.chosen.has(i.item)),
    onchange: (event) => (
      items.forEach((i) => (event.target.checked ? state.chosen.add(i.item) : state.chosen.delete(i.item))),
      (state.all = false),
      render()
    ),
  });
  const head = COLUMNS.map(([name, title]) =>
    el(
      "th",
      {
        scope: "col",
        class: `c-${name}`,
        "aria-sort": state.sort === name ? (state.down ? "descending" : "ascending") : "none",
      },
      el(
        "button",
        { type: "button", class: "sort", onclick: () => sort(name) },
        title,
        state.sort === name ? el("span", { "aria-hidden": "true" }, state.down ? " ↓" : " ↑") : null,
      ),
    ),
  );
  head.splice(1, 0, ...columns.map((name) => el("th", { scope: "col", dir: "auto" }, name)));
  return el(
    "div",
    { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Items" },
    el(
      "table",
      { class: "items" },
      el("thead", {}, el("tr", {}, el("th", { class: "c-pick" }, everyone), ...head)),
      el("tbody", {}, ...items.map(line)),
    ),
  );
}

function line(entry) {
  const pick = el("input", {
    type: "checkbox",
    "aria-label": `Choose ${entry.text.slice(0, 60)}`,
    checked: state.all || state.chosen.has(entry.item),
    onchange: (event) => (
      event.target.checked ? state.chosen.add(entry.item) : state.chosen.delete(entry.item),
      (state.all = false),
      bulk()
    ),
  });
  const others = entry.people > 1 ? el("small", { title: "labeled by several people" }, ` +${entry.people - 1}`) : null;
  return el(
    "tr",
    {},
    el("td", { class: "c-pick" }, pick),
    el(
      "td",
      { class: "c-row" },
      el(
        "button",
        {
          type: "button",
          class: "item-link",
          title: "All answers to this item",
          onclick: () => look(entry.item, { kind, classes, done: load }),
        },
        kind === "image" ? media(entry, kind) : null,
        el("span", { dir: "auto" }, entry.text),
      ),
      entry.flag === null
        ? null
        : el(
            "span",
            { class: "flagged", title: entry.flag || "flagged" },
            icon("flag"),
            entry.flag ? el("small", {}, entry.flag) : el("small", {}, "flagged"),
          ),
    ),
    ...entry.cells.map((cell) => el("td", { dir: "auto" }, cell)),
    el("td", { class: "c-label" }, tag(entry.label, classes)),
    el("td", { class: "c-source" }, entry.decided ? "decided" : SOURCES[entry.source]),
    el("td", { class: "c-annotator" }, entry.annotator, others),
    el("td", { class: "c-seconds num" }, entry.seconds === null ? "" : `${entry.seconds.toFixed(1)} s`),
    el("td", { class: "c-at" }, entry.at ? when(entry.at) : ""),
  );
}

function sort(name) {
  state.down = state.sort === name ? !state.down : false;
  state.sort = name;
  state.offset = 0;
  load().then(() => $("table").querySelector(`.c-${name} .sort`)?.focus());
}

/** What can be done with the chosen items. */
function bulk() {
  const n = state.all ? state.total : state.chosen.size;
  const list = el(
    "select",
    { id: "b-label", "aria-label": "Label for the chosen items" },
    ...classes.map((name) => el("option", { value: name }, name)),
  );
  const kept = $("b-label")?.value;
  if (kept) list.value = kept;
  $("bulk").replaceChildren(
    ...(n
      ? [
          el("span", { role: "status" }, `${plural(n, "item")} chosen`),
          state.all || state.total <= state.chosen.size
            ? null
            : el(
                "button",
                { type: "button", class: "link", onclick: () => ((state.all = true), render()) },
                `Choose all ${count(state.total)} that match`,
              ),
          el(
            "button",
            { type: "button", class: "link", onclick: () => (state.chosen.clear(), (state.all = false), render()) },
            "None",
          ),
          el("span", { class: "push" }),
          owner && !state.all ? leaving([...state.chosen], left) : null,
          inDialog() ? null : list,
          el(
            "button",
            {
              type: "button",
              class: "primary",
              onclick: async () => labelAll(inDialog() ? await choose({ classes }) : list.value),
            },
            inDialog() ? "Label them …" : "Label them",
          ),
        ].filter(Boolean)
      : [el("span", { class: "small" }, "Choose items to label them together.")]),
  );
}

async function labelAll(label) {
  if (label === null) return;
  const n = state.all ? state.total : state.chosen.size;
  if (n > 20) {
    const sure = await dialog({
      title: `Label ${plural(n, "item")} as ${inWords(label)}?`,
      body: el("p", {}, "Labels that they have by you are replaced. One press takes all of it back."),
      buttons: [
        { label: "Cancel", value: "", kind: "plain" },
        { label: `Label ${count(n)}`, value: "yes", kind: "primary" },
      ],
    });
    if (sure !== "yes") return;
  }
  try {
    const body = state.all ? { where: where(), count: state.total } : { items: [...state.chosen] };
    const reply = await call("items/label", { ...said(label), ...body }, { timeout: 120_000 });
    state.chosen.clear();
    state.all = false;
    await load();
    toast(`Labeled ${plural(reply.count, "item")} ${inWords(label)}`, {
      button: "Undo",
      act: () => undo(reply.number),
      time: 20_000,
    });
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
