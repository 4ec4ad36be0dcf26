// Dialogs and short messages.

import { $, el, icon } from "./dom.js";
import { KEYS, keyName, labelKey, places, rebind, resetKeys } from "./keys.js";

/** A modal dialog; resolves with the value of the button pressed, "" when closed. */
export function dialog({ title, body, buttons, wide = false }) {
  return new Promise((resolve) => {
    const box = el("dialog", { class: wide ? "wide" : "", "aria-labelledby": "dialog-title" });
    const form = el("form", { method: "dialog" });
    form.append(
      el(
        "header",
        {},
        el("h2", { id: "dialog-title" }, title),
        el("button", { type: "submit", class: "ghost close", value: "", formNoValidate: true, "aria-label": "Close" }, icon("close")),
      ),
      el("div", { class: "dialog-body" }, ...[body].flat().filter(Boolean)),
    );
    if (buttons?.length) {
      form.append(
        el(
          "footer",
          {},
          ...buttons.map(({ label, value, kind }) => el("button", { type: "submit", value, class: kind ?? "plain" }, label)),
        ),
      );
    }
    box.append(form);
    hideToast();
    box.addEventListener("close", () => {
      box.remove();
      resolve(box.returnValue);
    });
    box.addEventListener("click", (event) => event.target === box && box.close("")); // the backdrop
    document.body.append(box);
    box.showModal();
    (box.querySelector("[autofocus]") ?? box.querySelector("footer .primary") ?? box.querySelector(".close")).focus();
  });
}

const combo = (keys) => keys.split(" ").flatMap((part, at) => [at ? " " : "", el("kbd", {}, part)]);

/** What the digits do. Where labels are digits, a label's place in the list says nothing of its key. */
function digitRows(classes, fixed, does) {
  if (classes.some((name) => /^[0-9]$/.test(name))) {
    const keys = [...places(classes).values()].filter((place) => place < 10).sort((a, b) => a - b);
    return [fixed(keys.flatMap((place) => [" ", ...combo(labelKey(place))]), does)];
  }
  const n = classes.length;
  return [
    fixed(n > 1 ? [...combo("1"), " … ", ...combo(String(Math.min(n, 9)))] : combo("1"), does),
    n > 9 && fixed(combo("0"), "The tenth label"),
    n > 10 && fixed([...combo("⇧ 1"), " … ", ...combo("⇧ 0")], "The eleventh to the twentieth label (Shift and a digit)"),
    n > 20 && fixed([...combo("⇧ Alt 1"), " … ", ...combo("⇧ Alt 0")], "The twenty-first to the thirtieth"),
  ];
}

/**
 * The list of keys for the labels `classes`, each of which can be changed. `several`: an item takes several labels; `changed` is called after
 * each change.
 */
export function keyHelp(classes, { several, changed }) {
  const body = el("tbody");
  const said = el("p", { class: "small", role: "status" });
  let waiting = null; // the action that waits for its new key

  const fixed = (keys, text) => el("tr", {}, el("td", {}, ...keys), el("td", {}, text), el("td"));
  const change = (name, text) => {
    const button = el("button", { type: "button", class: "link", "data-change": name, "aria-label": `Change the key: ${text}` }, waiting === name ? "Press a key…" : "Change");
    button.addEventListener("click", () => {
      waiting = waiting === name ? null : name;
      said.textContent = waiting ? "Press the new key, or Esc to leave it as it is." : "";
      fill();
    });
    return button;
  };
  function fill() {
    const focus = document.activeElement?.dataset?.change;
    const does = several ? "Choose the label that shows this key; again takes it off" : "Choose the label that shows this key: one press answers";
    body.replaceChildren(
      ...[
        ...digitRows(classes, fixed, does),
        several && fixed(combo("Ctrl Enter"), "In the field that finds labels: submit"),
        ...KEYS.filter(({ kinds }) => !kinds || kinds.includes(document.body.dataset.kind)).map(({ name, text, several: other, also, fixed: stays }) => {
          const says = (several && other) || text;
          const keys = [keyName(name) ? el("kbd", {}, keyName(name)) : el("span", { class: "small" }, "none")];
          if (also) keys.push(" or ", ...combo(also));
          return el("tr", {}, el("td", {}, ...keys), el("td", {}, says), el("td", {}, stays ? "" : change(name, says)));
        }),
      ].filter(Boolean),
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
  const note = el("p", { class: "small" }, "Keys do nothing while you type in a field. Changed keys are kept in this browser.");
  const done = dialog({ title: "Keys", body: [el("table", { class: "keys" }, body), el("div", { class: "row keys-foot" }, reset, said), note], wide: true });
  return done.finally(() => removeEventListener("keydown", hear, true));
}

/** A sentence at the foot of the page for five seconds, with one button at most. */
export function toast(text, { button, act, bad = false, time = 5000 } = {}) {
  const note = el("div", { class: bad ? "toast bad" : "toast" }, el("span", { dir: "auto" }, text));
  if (button) {
    note.append(
      el("button", { type: "button", class: "link", onclick: () => (note.remove(), act()) }, button),
    );
  }
  $("toasts").replaceChildren(note); // the last one counts; a pile of them hides the work
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => note.remove(), time);
}

export const hideToast = () => $("toasts").replaceChildren();
