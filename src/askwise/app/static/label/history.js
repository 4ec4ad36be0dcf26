// The strip of the last answers.

import { $, el, icon } from "../lib/dom.js";
import { hueOf, state } from "./state.js";

export const LENGTH = 20;

const NAMES = { skip: "skipped", unsure: "unsure" };

/** The labels in an answer; none where it is another kind of answer. */
export const labelsOf = ({ kind, label }) => (kind in NAMES || label === null ? [] : state.kind.parts(label));

/** What an answer is called in messages. */
export const called = ({ kind, label }) => NAMES[kind] ?? (label === null ? "" : state.kind.words(label));

/** The same on a pill, where there is little room. */
const brief = (entry) => (entry.kind in NAMES || !state.kind.brief ? called(entry) : state.kind.brief(entry.label));

let drawn = "";

/** Pills, oldest left; `looking` is the entry on the card, `visit` opens one. */
export function show(entries, looking, visit) {
  const wanted = JSON.stringify(
    entries
      .slice(0, LENGTH)
      .map((entry) => [entry.item, called(entry), entry.flag, entry === looking, hueOf(labelsOf(entry)[0])]),
  );
  if (wanted === drawn) return;
  drawn = wanted;
  const pills = entries.slice(0, LENGTH).map((entry) => {
    const [first] = labelsOf(entry);
    const angle = first === undefined ? null : hueOf(first);
    const pill = el(
      "button",
      {
        type: "button",
        class:
          "pill " +
          `${angle === null && entry.kind === "label" ? "none" : entry.kind}${entry === looking ? " looking" : ""}`,
        title: `${called(entry)}: ${entry.text.slice(0, 200)}`,
        "aria-label": `${called(entry)}: ${entry.text.slice(0, 80)}`,
        onclick: () => visit(entry),
      },
      entry.flag === null || entry.flag === undefined ? null : icon("flag"),
      el("span", { dir: "auto" }, brief(entry)),
    );
    if (entry === looking) pill.setAttribute("aria-current", "true");
    if (angle !== null) pill.style.setProperty("--h", angle);
    return el("li", {}, pill);
  });
  const list = $("history");
  list.replaceChildren(...pills.reverse());
  list.parentElement.hidden = !pills.length;
  // Not scrollIntoView, which would scroll the page as well, away from the question.
  const pill = list.querySelector(".looking") ?? list.lastElementChild;
  if (pill) list.scrollLeft = pill.offsetLeft - list.offsetLeft - (list.clientWidth - pill.offsetWidth) / 2;
}
