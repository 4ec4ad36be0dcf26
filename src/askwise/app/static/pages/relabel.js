// The labels of a project, its title and guidelines: changed by the owner, each change with a way back.

import { call } from "../lib/api.js";
import { dialog, toast } from "../lib/dialogs.js";
import { el } from "../lib/dom.js";
import { plural } from "../lib/numbers.js";

let known = null;
let box = null;
let changed = () => {};

/** A panel that opens; `after(labels)` is called when the labels have changed. */
export function panel(after) {
  changed = after;
  box = el("div", { id: "relabel" });
  return el(
    "details",
    { class: "panel relabel", id: "relabel-panel", ontoggle: ({ target }) => target.open && load() },
    el("summary", {}, "Labels, title, guidelines"),
    box,
  );
}

async function load() {
  try {
    known = await call("labels");
    render();
  } catch (error) {
    box.replaceChildren(el("p", { role: "alert" }, error.message));
  }
}

/** Send one change; says what came of it, with a way back. */
async function send(body, said) {
  try {
    known = await call("labels", body, { timeout: 60_000 });
    render();
    changed(known.labels.map((one) => one.label));
    toast(
      said,
      body.what === "undo" ? {} : { button: "Undo", act: () => send({ what: "undo" }, "Taken back."), time: 20_000 },
    );
  } catch (error) {
    toast(error.message, { bad: true, time: 12_000 });
  }
}

function render() {
  const open = document.activeElement?.id;
  box.replaceChildren(
    ...known.alike.slice(0, 5).map(([slip, meant]) =>
      el(
        "p",
        { class: "slip", role: "status" },
        el("span", {}, "Is ", el("b", { dir: "auto" }, slip), " the same as ", el("b", { dir: "auto" }, meant), "? "),
        el(
          "button",
          {
            type: "button",
            class: "plain",
            onclick: () => send({ what: "merge", name: slip, to: meant }, `${slip} counts as ${meant} now.`),
          },
          "Merge them",
        ),
      ),
    ),
    el("ul", { class: "label-list" }, ...known.labels.map(line)),
    el(
      "div",
      { class: "texts" },
      el(
        "button",
        { type: "button", class: "plain", id: "b-title", onclick: () => write("title", "Title", known.title, 200) },
        "Title …",
      ),
      el(
        "button",
        {
          type: "button",
          class: "plain",
          id: "b-guidelines",
          onclick: () => write("guidelines", "Guidelines", known.guidelines, 100_000),
        },
        "Guidelines …",
      ),
      known.undo === null
        ? null
        : el(
            "button",
            {
              type: "button",
              class: "link",
              id: "b-undo-change",
              onclick: () => send({ what: "undo" }, "Taken back."),
            },
            `Take back ${known.undo}`,
          ),
    ),
    el(
      "p",
      { class: "small" },
      "Answers stay as they were given and count as what the labels mean now. Certificates speak of the " +
        "labels as they were.",
    ),
  );
  if (open) document.getElementById(open)?.focus();
}

function line(one, at) {
  const { label, count, description, holds } = one;
  const move = (by, name) =>
    el(
      "button",
      {
        type: "button",
        class: "ghost",
        id: `move-${at}-${name}`,
        disabled: at + by < 0 || at + by >= known.labels.length,
        "aria-label": `Move ${label} ${name}`,
        onclick: () => reorder(at, by),
      },
      by < 0 ? "↑" : "↓",
    );
  return el(
    "li",
    {},
    el(
      "span",
      { class: "label-name" },
      el("b", { dir: "auto" }, label),
      " ",
      el("small", { class: "num" }, plural(count, "item")),
      description ? el("small", { class: "what", dir: "auto" }, description) : null,
      ...holds.map((name) =>
        el(
          "small",
          { class: "what" },
          "holds ",
          el("span", { dir: "auto" }, name),
          " ",
          el(
            "button",
            {
              type: "button",
              class: "link",
              onclick: () => send({ what: "split", name }, `${name} stands apart again.`),
            },
            "separate",
          ),
        ),
      ),
    ),
    el(
      "span",
      { class: "label-acts" },
      move(-1, "up"),
      move(1, "down"),
      el("button", { type: "button", class: "plain", onclick: () => rename(label) }, "Rename"),
      el("button", { type: "button", class: "plain", onclick: () => describe(one) }, "Describe"),
      known.sets || known.labels.length < 3
        ? null
        : el("button", { type: "button", class: "plain", onclick: () => merge(label) }, "Merge"),
      known.sets || known.labels.length < 3 || count
        ? null
        : el(
            "button",
            {
              type: "button",
              class: "plain",
              onclick: () => send({ what: "remove", name: label }, `${label} is removed.`),
            },
            "Remove",
          ),
    ),
  );
}

function reorder(at, by) {
  const names = known.labels.map((one) => one.label);
  names.splice(at + by, 0, ...names.splice(at, 1));
  send({ what: "reorder", labels: names }, "The order has changed, and with it the keys.");
}

const field = (value, most, wide) =>
  wide
    ? el("textarea", { rows: 10, maxLength: most, value, autofocus: true })
    : el("input", { type: "text", maxLength: most, value, autofocus: true, autocomplete: "off" });

async function ask(title, input, note, button = "Save") {
  // Enter in a line of text would press the first button, which closes.
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || input.tagName !== "INPUT" || event.isComposing) return;
    event.preventDefault();
    input.closest("form").querySelector("footer .primary").click();
  });
  const done = await dialog({
    title,
    body: [el("label", {}, el("span", { class: "small" }, note), input)],
    buttons: [
      { label: "Cancel", value: "", kind: "plain" },
      { label: button, value: "yes", kind: "primary" },
    ],
  });
  return done === "yes" ? input.value : null;
}

async function rename(label) {
  const to = await ask(
    `Rename ${label}`,
    field(label, 500),
    "The same label under another name; answers given to it stand.",
    "Rename",
  );
  if (to !== null && to.trim() && to !== label)
    send({ what: "rename", name: label, to }, `${label} is called ${to.trim()} now.`);
}

async function describe({ label, description }) {
  const text = await ask(
    `What ${label} means`,
    field(description, 100_000, true),
    "Shown with the label to the people who label.",
  );
  if (text !== null) send({ what: "describe", name: label, text }, "Saved.");
}

async function merge(label) {
  const list = el(
    "select",
    { autofocus: true },
    ...known.labels.filter((one) => one.label !== label).map((one) => el("option", { value: one.label }, one.label)),
  );
  const to = await ask(
    `Merge ${label}`,
    list,
    "It counts as this label from now on. Whoever said it keeps having said it, and the merge can be taken back.",
    "Merge",
  );
  if (to) send({ what: "merge", name: label, to }, `${label} counts as ${to} now.`);
}

async function write(what, title, value, most) {
  const text = await ask(
    title,
    field(value, most, what === "guidelines"),
    what === "title"
      ? "Empty = the name of the file."
      : "Headings, lists, **bold**, `code`. People see it when they load the page again.",
  );
  if (text !== null && text !== value) send({ what, text }, "Saved.");
}
