// The search: words, and the next questions are the open items that hold them or are like them.

import { call } from "../lib/api.js";
import { dialog, toast } from "../lib/dialogs.js";
import { el, icon } from "../lib/dom.js";
import { plural } from "../lib/numbers.js";
import { first, tab } from "./deck.js";
import { changed, state } from "./state.js";

let last = ""; // what was searched for before: more of it is one key away

export async function search() {
  if (state.about?.me.role === "annotator") {
    toast("You are asked what was chosen for you; reviewers may search.");
    return;
  }
  const field = el("input", {
    id: "find-text",
    type: "text",
    autocomplete: "off",
    autofocus: true,
    maxLength: 10_000,
    placeholder: "Words of the item, or its id",
    value: last,
    "aria-label": "Search the items",
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault(); // the form's first button closes it
    field.form.requestSubmit(field.form.querySelector(".primary"));
  });
  const help =
    "The next questions are open items with these words, then the ones most like them. You have chosen them, so the " +
    "estimate does not rest on them; check items still come at random.";
  const value = await dialog({
    title: "Search the items",
    body: [el("div", { class: "find" }, icon("search"), field), el("p", { class: "small" }, help)],
    buttons: [
      { label: "Cancel", value: "", kind: "plain" },
      { label: "Ask me about these", value: "find", kind: "primary" },
    ],
  });
  const text = field.value.trim();
  if (value !== "find" || !text) return;
  last = text;
  try {
    const reply = await call("find", { tab, text });
    first(reply);
    toast(
      reply.next.length
        ? `${plural(reply.next.length, "item")} found: these are the next questions.`
        : "No open item has these words, or is like them.",
    );
  } catch (error) {
    toast(error.message, { bad: true });
  }
  changed();
}
