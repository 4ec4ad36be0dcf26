// Data: items that come later, from another file.

import { Refused, address, call } from "../lib/api.js";
import { $, el } from "../lib/dom.js";
import { count } from "../lib/numbers.js";

/** The button that takes another file; what came of it is said below. `added` is called when there are more items. */
export function adding(added) {
  const file = el("input", {
    type: "file",
    id: "more-file",
    hidden: true,
    tabIndex: -1,
    "aria-hidden": "true",
    onchange: () => file.files[0] && more(file.files[0], added).finally(() => (file.value = "")),
  });
  const button = el("button", { type: "button", class: "plain", id: "b-more", onclick: open }, "Add items …");
  const said = el(
    "span",
    { class: "small", id: "more-said", role: "status" },
    "Rows of another file, or of a longer version of the first; those that are here already are recognised.",
  );
  let ready = false; // the server has said that there may be more, and the dialog did not open

  async function open() {
    try {
      if (!ready) {
        const { refused, suffixes } = await call("items/add");
        if (refused) return void (said.textContent = refused);
        file.accept = suffixes.join(",");
      }
      // Some seconds after a press a browser shows no dialog any more, and says nothing.
      ready = navigator.userActivation?.isActive === false;
      if (ready) said.textContent = "The server took its time. Press once more to choose the file.";
      else file.click();
    } catch (error) {
      said.textContent = error.message;
    }
  }

  return el("div", { class: "adding" }, button, file, said);
}

async function more(file, added) {
  $("b-more").disabled = true;
  $("more-said").replaceChildren(el("i", { class: "spinner" }), `Adding ${file.name} …`);
  try {
    const reply = await fetch(`${address("items/add")}?${new URLSearchParams({ name: file.name })}`, {
      method: "PUT",
      body: file,
    });
    const data = await reply.json();
    if (!reply.ok) throw new Refused(data.error, reply.status);
    const left = data.problems_in_all - data.problems.length;
    const rows = [...data.problems, ...(left > 0 ? [`… and ${count(left)} more`] : [])].map((text) =>
      el("li", { dir: "auto" }, text),
    );
    $("more-said").replaceChildren(
      el("span", {}, data.sentence),
      ...(rows.length ? [el("details", {}, el("summary", {}, "Which"), el("ul", {}, ...rows))] : []),
    );
    await added();
  } catch (error) {
    $("more-said").textContent =
      error instanceof Refused
        ? error.message
        : "The file did not arrive: the server does not answer, or it was changed meanwhile. Choose it again.";
  } finally {
    $("b-more").disabled = false;
  }
}
