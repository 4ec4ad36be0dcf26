// Choosing a label on the pages beside Label: buttons for a few classes, a list for many.

import { address } from "./api.js";
import { dialog, toast } from "./dialogs.js";
import { el, hue } from "./dom.js";

const NONE = "(none)"; // as askwise.labelsets writes the empty set, and | between labels
let sets = false;

/** Whether an item of this project has a set of labels instead of one. */
export const useSets = (on) => (sets = on);
/** The labels in what stands as an item's label. */
export const parts = (label) => (!sets ? [label] : label === NONE ? [] : label.split("|"));
const written = (labels, classes) => classes.filter((name) => labels.includes(name)).join("|") || NONE;
/** A label, as the API takes it. */
export const said = (label) => (sets ? { labels: parts(label) } : { label });
/** A label in words. */
export const inWords = (label) => (sets ? parts(label).join(", ") || "none of these" : label);

/** A pill with the color of its class; of a set one for each label. */
export function tag(label, classes, extra = "") {
  if (!label) return el("span", { class: "small" }, "–");
  if (sets && !parts(label).length) return el("span", { class: "pill" }, "none of these");
  if (sets) return el("span", { class: "tags" }, ...parts(label).map((name) => pill(name, classes, extra)));
  return pill(label, classes, extra);
}

function pill(label, classes, extra) {
  const pill = el("span", { class: `pill name-tag ${extra}`, dir: "auto" }, label);
  pill.style.setProperty("--h", hue(Math.max(0, classes.indexOf(label))));
  return pill;
}

/** Let the person choose a set of labels; null = they did not. */
export async function chooseSet({ classes, chosen = [], title = "Which labels apply?" }) {
  const none = el("input", { type: "checkbox", checked: false, onchange: () => none.checked && boxes.forEach((box) => (box.checked = false)) });
  const boxes = classes.map((name) => el("input", { type: "checkbox", value: name, checked: chosen.includes(name), onchange: () => (none.checked = false) }));
  const body = el(
    "fieldset",
    { class: "set" },
    el("legend", { class: "sr" }, title),
    ...classes.map((name, i) => el("label", {}, boxes[i], el("span", { dir: "auto" }, name))),
    el("label", { class: "none" }, none, el("span", {}, "None of these")),
  );
  const value = await dialog({ title, body, buttons: [{ label: "Cancel", value: "", kind: "plain" }, { label: "Label", value: "yes", kind: "primary" }] });
  if (value !== "yes") return null;
  const labels = boxes.filter((box) => box.checked).map((box) => box.value);
  if (labels.length || none.checked) return written(labels, classes);
  toast("No label was chosen. Choose some, or None of these.", { bad: true });
  return null;
}

/** Buttons for the sets that are likely, and one for any other. */
function setChooser({ classes, pick, first, called }) {
  const likely = [...new Set(first.filter(Boolean))];
  const other = async () => {
    const label = await chooseSet({ classes, chosen: likely.length ? parts(likely[0]) : [] });
    if (label !== null) pick(label);
  };
  return el(
    "span",
    { class: "choices", role: "group", "aria-label": called },
    ...likely.map((label) => el("button", { type: "button", class: "plain choice", onclick: () => pick(label) }, el("span", { dir: "auto" }, inWords(label)))),
    el("button", { type: "button", class: "plain", onclick: other }, likely.length ? "Others …" : `${called} …`),
  );
}

/** Buttons, or a list and a button, that call `pick(label)`; `first` come first. */
export function chooser({ classes, pick, first = [], called = "Label" }) {
  if (sets) return setChooser({ classes, pick, first, called });
  const order = [...new Set([...first.filter((l) => classes.includes(l)), ...classes])];
  if (classes.length <= 6) {
    return el(
      "span",
      { class: "choices", role: "group", "aria-label": called },
      ...order.map((label) => {
        const button = el("button", { type: "button", class: "plain choice", onclick: () => pick(label) }, el("i", { class: "dot", "aria-hidden": "true" }), el("span", { dir: "auto" }, label));
        button.style.setProperty("--h", hue(classes.indexOf(label)));
        return button;
      }),
    );
  }
  const list = el("select", { "aria-label": called }, ...order.map((label) => el("option", { value: label }, label)));
  return el("span", { class: "choices" }, list, el("button", { type: "button", class: "plain", onclick: () => pick(list.value) }, called));
}

/** The picture or recording of an item, where it is one; to stand beside its name. */
export function media({ row, view, text }, kind) {
  if (!view?.file) return null;
  const src = address(`file?row=${row}&version=${view.version}`);
  if (kind === "image") return el("img", { class: "thumb", src, alt: text, loading: "lazy", decoding: "async" });
  return kind === "audio" ? el("audio", { class: "sound", src, controls: true, preload: "none", "aria-label": text }) : null;
}
