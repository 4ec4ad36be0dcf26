// A label as a pill, and the choice of one on the pages beside Label: buttons for a few, a list for many.

import { el, hue } from "./dom.js";

const FEW = 6; // more labels than this are a list

/** A pill with the color of its class. */
export function pill(label, classes, extra = "") {
  const node = el("span", { class: `pill name-tag ${extra}`, dir: "auto" }, label);
  node.style.setProperty("--h", hue(Math.max(0, classes.indexOf(label))));
  return node;
}

/** Buttons, or a list and a button, that call `pick(label)`; `first` come first. */
export function chooser({ classes, pick, first = [], called = "Label" }) {
  const order = [...new Set([...first.filter((label) => classes.includes(label)), ...classes])];
  if (classes.length <= FEW) {
    return el(
      "span",
      { class: "choices", role: "group", "aria-label": called },
      ...order.map((label) => {
        const button = el(
          "button",
          { type: "button", class: "plain choice", onclick: () => pick(label) },
          el("i", { class: "dot", "aria-hidden": "true" }),
          el("span", { dir: "auto" }, label),
        );
        button.style.setProperty("--h", hue(classes.indexOf(label)));
        return button;
      }),
    );
  }
  const list = el("select", { "aria-label": called }, ...order.map((label) => el("option", { value: label }, label)));
  const button = el("button", { type: "button", class: "plain", onclick: () => pick(list.value) }, called);
  return el("span", { class: "choices" }, list, button);
}
