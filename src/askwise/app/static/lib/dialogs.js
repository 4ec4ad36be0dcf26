// Dialogs and short messages.

import { $, el, icon } from "./dom.js";

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
        el(
          "button",
          { type: "submit", class: "ghost close", value: "", formNoValidate: true, "aria-label": "Close" },
          icon("close"),
        ),
      ),
      el("div", { class: "dialog-body" }, ...[body].flat().filter(Boolean)),
    );
    if (buttons?.length) {
      form.append(
        el(
          "footer",
          {},
          ...buttons.map(({ label, value, kind }) =>
            el("button", { type: "submit", value, class: kind ?? "plain" }, label),
          ),
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

/** A sentence at the foot of the page for five seconds, with one button at most. */
export function toast(text, { button, act, bad = false, time = 5000 } = {}) {
  const note = el("div", { class: bad ? "toast bad" : "toast" }, el("span", { dir: "auto" }, text));
  if (button) {
    note.append(el("button", { type: "button", class: "link", onclick: () => (note.remove(), act()) }, button));
  }
  $("toasts").replaceChildren(note); // the last one counts; a pile of them hides the work
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => note.remove(), time);
}

export const hideToast = () => $("toasts").replaceChildren();
