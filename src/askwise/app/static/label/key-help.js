// The list of keys, each of which can be changed.

import { dialog } from "../lib/dialogs.js";
import { el } from "../lib/dom.js";
import { KEYS, keyName, rebind, resetKeys } from "./keys.js";

/** Keys as they are printed, from "Ctrl Enter" or "1 … 9": each by itself, "…" as it stands. */
const combo = (keys) =>
  keys.split(" ").flatMap((part, at) => [at ? " " : "", part === "…" ? part : el("kbd", {}, part)]);

/**
 * Open the list. `more`: rows before the table's, [keys, what they do]; `changed` is called after each change.
 */
export function keyHelp({ more, changed }) {
  const body = el("tbody");
  const said = el("p", { class: "small", role: "status" });
  let waiting = null; // the action that waits for its new key

  const fixed = (keys, text) => el("tr", {}, el("td", {}, ...keys), el("td", {}, text), el("td"));
  const change = (name, text) => {
    const button = el(
      "button",
      { type: "button", class: "link", "data-change": name, "aria-label": `Change the key: ${text}` },
      waiting === name ? "Press a key…" : "Change",
    );
    button.addEventListener("click", () => {
      waiting = waiting === name ? null : name;
      said.textContent = waiting ? "Press the new key, or Esc to leave it as it is." : "";
      fill();
    });
    return button;
  };
  const row = ({ name, text, also, fixed: stays }) => {
    const keys = [keyName(name) ? el("kbd", {}, keyName(name)) : el("span", { class: "small" }, "none")];
    if (also) keys.push(" or ", ...combo(also));
    return el("tr", {}, el("td", {}, ...keys), el("td", {}, text), el("td", {}, stays ? "" : change(name, text)));
  };
  function fill() {
    const focus = document.activeElement?.dataset?.change;
    body.replaceChildren(
      ...more.map(([keys, text]) => fixed(combo(keys), text)),
      ...KEYS.filter(({ kinds }) => !kinds || kinds.includes(document.body.dataset.kind)).map(row),
    );
    if (focus) body.querySelector(`[data-change="${focus}"]`)?.focus();
  }
  fill();

  const reset = el("button", { type: "button", class: "plain", id: "b-reset-keys" }, "Reset keys");
  reset.addEventListener("click", () => {
    resetKeys();
    waiting = null;
    said.textContent = "Every action has its first key again.";
    fill();
    changed();
  });
  /** The next key press is the new key, whatever it would do otherwise. */
  const hear = (event) => {
    if (!waiting) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") {
      said.textContent = "Left as it is.";
      waiting = null;
    } else {
      const trouble = rebind(waiting, event);
      if (trouble === null) return;
      said.textContent = trouble || `The key is ${keyName(waiting)} now.`;
      if (!trouble) {
        waiting = null;
        changed();
      }
    }
    fill();
  };
  addEventListener("keydown", hear, true);
  const note = el(
    "p",
    { class: "small" },
    "Keys do nothing while you type in a field. Changed keys are kept in this browser.",
  );
  const done = dialog({
    title: "Keys",
    body: [el("table", { class: "keys" }, body), el("div", { class: "row keys-foot" }, reset, said), note],
    wide: true,
  });
  return done.finally(() => removeEventListener("keydown", hear, true));
}
