// The card of the newest model on Models, and its file.

import { address, call } from "../lib/api.js";
import { dialog, toast } from "../lib/dialogs.js";
import { el, icon } from "../lib/dom.js";
import { count, plural } from "../lib/numbers.js";

const line = (name, ...value) => [el("dt", {}, name), el("dd", {}, ...value)];

/** The panel of the newest model; null before the first. */
export async function panel(about) {
  const { card, advice, about: promise } = await call("model", undefined, { timeout: 60_000 });
  if (!card) return null;
  const classes = Object.entries(card.by_class).map(([name, n]) => `${name} ${count(n)}`);
  const each = classes.length ? `: ${classes.join(", ")}` : "";
  const learned = `${plural(card.labels, "labeled item")} of ${count(card.items)}${each}`;
  const proved = card.certificates.flatMap((one) => [
    one.sentence,
    one.unsaid,
    one.repeats < one.certified
      ? `It has learned on since then, and would say so of ${count(one.repeats)} of these ${count(one.certified)} now.`
      : "",
  ]);
  return el(
    "section",
    { class: "panel", "aria-label": "The newest model" },
    el("h2", {}, `Version ${card.version}, its card`),
    el(
      "dl",
      { class: "columns" },
      ...line("Learned from", learned),
      ...line("Learner", `${card.learner} on ${card.encoder}`),
      ...line("Of the session", card.bounds),
      ...proved.filter(Boolean).flatMap((sentence, i) => line(i ? "" : "Proved", sentence)),
      ...line("Of new items", promise),
      ...line("Advice", advice),
    ),
    about.me.role === "owner"
      ? el(
          "p",
          { class: "row" },
          el("button", { type: "button", class: "plain", onclick: take }, icon("down"), "Take the model"),
        )
      : null,
  );
}

/** Save the file, after saying what that costs. */
async function take() {
  const value = await dialog({
    title: "Take the model?",
    body: [
      el(
        "p",
        {},
        "Whoever has the file can ask it about any item, so nobody is blind to its guesses any more: no " +
          "certificate can hand over what is open now. Finish first, if you want more of this session " +
          "certified.",
      ),
    ],
    buttons: [
      { label: "Cancel", value: "", kind: "primary" },
      { label: "Take it", value: "yes", kind: "danger" },
    ],
  });
  if (value !== "yes") return;
  try {
    const response = await fetch(address("model/file"));
    if (!response.ok) throw new Error((await response.json()).error);
    const url = URL.createObjectURL(await response.blob());
    el("a", { href: url, download: "model.skops" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    toast("Saved as model.skops. Predict with: askwise predict model.skops FILE");
  } catch (error) {
    toast(error.message, { bad: true, time: 10_000 });
  }
}
