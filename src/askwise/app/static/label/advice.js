// When to finish: asked in a dialog, and what came of blind checks.

import { dialog, toast } from "../lib/dialogs.js";
import { $, el } from "../lib/dom.js";
import { owner, state } from "./state.js";

const LATER = 20; // labels before the advice to finish is given again

export const FINISH = "finish";
export const finishing = () => location.assign(FINISH);

/** Whether somebody is typing in the widget. */
const typing = () =>
  $("widget").contains(document.activeElement) && document.activeElement.matches("input:not([type=range]), textarea");

/**
 * Ask once how to go on when the advice becomes to finish: again after twenty more labels where that was wished, else
 * not before the advice has changed.
 */
export async function advise() {
  const { advice, pulse } = state;
  const { verdict, counts, autolabel } = pulse;
  if (!verdict.ready) advice.open = false;
  if (!advice.open || counts.labeled < advice.from || !owner() || counts.auto) return;
  if (autolabel?.status === "checking" || state.looking) return;
  if (!state.deck.length || document.querySelector("dialog[open]") || typing()) return;
  advice.open = false;
  const closing =
    "How do you want to go on? Closing this is the same as Go on: it comes back when the advice has changed.";
  const chosen = await dialog({
    title: "Ready to finish",
    // No button has the focus: who labels fast may be pressing Space or Enter now.
    body: [el("p", { tabIndex: -1, autofocus: true }, verdict.reason), el("p", { class: "small" }, closing)],
    buttons: [
      { label: `Label ${LATER} more`, value: "later" },
      { label: "Go on", value: "" },
      { label: "Finish…", value: "finish", kind: "primary" },
    ],
  });
  advice.from = state.pulse.counts.labeled + LATER; // also where the advice wavers
  if (chosen === "later") advice.open = true;
  if (chosen === "finish") finishing();
}

/** The blind checks came to an end. */
export function showOutcome() {
  const { autolabel } = state.pulse;
  if (!autolabel) return; // given up
  const certified = autolabel.status === "certified";
  const text = certified ? "Certified: the model took over." : "Not proved: the model labels nothing.";
  toast(text, { time: 15_000, ...(owner() ? { button: "To Finish", act: finishing } : {}) });
}
