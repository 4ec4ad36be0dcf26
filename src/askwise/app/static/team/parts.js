// The learner, encoder and strategy of a new project: Askwise's own, and those of installed packages.

import { $, el } from "../lib/dom.js";

const WHAT = ["strategy", "learner", "encoder"];
let own = []; // learners of Askwise: name and what each is good for
let usual = {}; // kind of item -> which of them learns by itself

const options = (names) => names.map((name) => el("option", { value: name }, name));

/** Fills the lists; of strategies and encoders there is one only where a package offers something. */
export function offerParts(said) {
  own = said.learners;
  usual = said.usual;
  for (const what of WHAT) {
    const found = said.plugins[what] ?? [];
    const packages = found.length ? [el("optgroup", { label: "Of installed packages" }, ...options(found))] : [];
    const ours = what === "learner" ? options(own.map(({ name }) => name).filter((name) => !found.includes(name))) : [];
    $(`p-${what}`).replaceChildren(el("option", { value: "" }, "Askwise's choice"), ...ours, ...packages);
    const none = !packages.length && !ours.length;
    $(`p-${what}`).hidden = none;
    document.querySelector(`label[for="p-${what}"]`).hidden = none;
  }
}

/**
 * Say what is chosen. Ours by name learn one label an item; of other answers the choice is left to Askwise.
 *
 * @param {string} kind - Of the items.
 * @param {boolean} one - Whether an answer is one label.
 */
export function sayParts(kind, one) {
  const pick = $("p-learner");
  const names = new Set(own.map(({ name }) => name));
  for (const option of pick.querySelectorAll(":scope > option")) option.disabled = !one && names.has(option.value);
  if (pick.selectedOptions[0]?.disabled) pick.value = "";
  const chosen = one ? usual[kind] : null;
  pick.options[0].textContent = chosen ? `Askwise's choice: ${chosen}` : "Askwise's choice";
  const name = pick.value || chosen;
  $("p-learner-what").textContent = name
    ? (own.find((ours) => ours.name === name)?.what ?? "Of an installed package.")
    : "Made for answers of this kind.";
}

/** What was chosen, for the request that begins the project. */
export const chosenParts = () =>
  Object.fromEntries(WHAT.map((what) => [what, $(`p-${what}`).value]).filter(([, name]) => name));
