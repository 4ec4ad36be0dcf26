// The strip of the last answers.

import { $, el, icon } from "./dom.js";

export const LENGTH = 20;

const NAMES = { skip: "skipped", unsure: "unsure" };

/** What an answer is called on its pill and in messages. */
export const called = (entry) => entry.label ?? NAMES[entry.kind];

/** Pills, oldest left; `looking` is the entry on the card, `visit` opens one. */
export function show(entries, looking, hueOf, visit) {
  const pills = entries.slice(0, LENGTH).map((entry) => {
    const angle = entry.label === null ? null : hueOf(entry.label);
    const pill = el(
      "button",
      {
        type: "button",
        class: `pill ${entry.kind}${entry === looking ? " looking" : ""}`,
        title: entry.text.slice(0, 200),
        "aria-label": `${called(entry)}: ${entry.text.slice(0, 80)}`,
        onclick: () => visit(entry),
      },
      entry.flag === null || entry.flag === undefined ? null : icon("flag"),
      el("span", { dir: "auto" }, called(entry)),
    );
    if (entry === looking) pill.setAttribute("aria-current", "true");
    if (angle !== null) pill.style.setProperty("--h", angle);
    return el("li", {}, pill);
  });
  const list = $("history");
  list.replaceChildren(...pills.reverse());
  list.parentElement.hidden = !pills.length;
  (list.querySelector(".looking") ?? list.lastElementChild)?.scrollIntoView({ block: "nearest", inline: "nearest" });
}
