// The learner, encoder and strategy of a new project, where installed packages offer some.

import { $, el } from "../lib/dom.js";

const WHAT = ["strategy", "learner", "encoder"];

/** Fills the lists; they stay hidden where no package offers anything. */
export function offerPlugins(names) {
  for (const what of WHAT) {
    const found = names[what] ?? [];
    $(`p-${what}`).replaceChildren(
      el("option", { value: "" }, "Askwise's own"),
      ...found.map((name) => el("option", { value: name }, name)),
    );
    $(`p-${what}`).disabled = !found.length;
  }
  $("plugins").hidden = WHAT.every((what) => !(names[what] ?? []).length);
}

/** What was chosen, for the request that begins the project. */
export const chosenPlugins = () =>
  Object.fromEntries(WHAT.map((what) => [what, $(`p-${what}`).value]).filter(([, name]) => name));
