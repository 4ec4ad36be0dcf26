// Choosing a label on the pages beside Label: buttons for a few classes, a list for many.

import { address } from "./api.js";
import { el, hue } from "./dom.js";

/** A pill with the color of its class. */
export function tag(label, classes, extra = "") {
  if (!label) return el("span", { class: "small" }, "–");
  const pill = el("span", { class: `pill name-tag ${extra}`, dir: "auto" }, label);
  pill.style.setProperty("--h", hue(Math.max(0, classes.indexOf(label))));
  return pill;
}

/** Buttons, or a list and a button, that call `pick(label)`; `first` come first. */
export function chooser({ classes, pick, first = [], called = "Label" }) {
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
