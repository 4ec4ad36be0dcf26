// Handing the rest over to the model: the question, the running checks, the outcome.

import { address, call } from "./api.js";
import { dialog, toast } from "./dialogs.js";
import { count, el, icon, percent, plural } from "./dom.js";

const TARGETS = [0.01, 0.02, 0.05, 0.1];

const downloads = () =>
  el(
    "div",
    { class: "row downloads" },
    el("a", { class: "button plain", href: address("export?format=csv"), download: "" }, icon("down"), "CSV"),
    el("a", { class: "button plain", href: address("export?format=jsonl"), download: "" }, icon("down"), "JSONL"),
    el("a", { class: "button plain", href: "report", target: "_blank", rel: "noopener" }, icon("book"), "Report"),
  );

const small = (text) => el("p", { class: "small" }, text);

/** Ask for the target, then start the blind checks. Resolves with the reply, or null. */
export async function start({ pulse, maxError, confidence }) {
  const { verdict, counts } = pulse;
  const possible = counts.model_labels > 0 && counts.open > 0;
  const targets = [...new Set([...TARGETS, maxError])].sort((a, b) => a - b);
  const options = (pulse.search ? [] : targets).map((target) => {
    return el(
      "label",
      { class: "option" },
      el("input", { type: "radio", name: "target", value: String(target), checked: target === maxError }),
      el("span", {}, el("b", {}, `At most ${percent(target, target < 0.01 ? 1 : 0)} wrong`), el("small", { "data-target": String(target) })),
    );
  });
  // The price is worked out while the dialog is already open.
  if (possible) call("checks").then(
    (costs) => {
      for (const small of options.flatMap((option) => [...option.querySelectorAll("small")])) {
        const cost = costs[small.dataset.target];
        if (cost) small.textContent = `at least ${plural(cost, "blind check")}`;
      }
    },
    (error) => toast(error.message, { bad: true }),
  );
  const value = await dialog({
    title: !counts.open ? "All done" : pulse.search ? "Check the rest in random order?" : "Let the model label the rest?",
    body: [
      el("p", {}, verdict.reason),
      possible && options.length ? el("fieldset", { class: "options" }, el("legend", {}, `How many of the model's labels may be wrong? (${percent(confidence)} sure)`), ...options) : null,
      possible
        ? small(
            pulse.search
              ? "Everything unread is put in a random order. You read it in that order until it is proved that enough is found; the rest is left as irrelevant. You can give up or undo at any time."
              : "The items the model is sure about are frozen. You check random ones of them without seeing its guess, until it is proved or refused. What you check is labeled by you; every check the model has wrong costs more checks. You can give up or undo at any time.",
          )
        : counts.open
          ? small("There is no model yet: label a few items of at least two classes first.")
          : null,
      el("hr"),
      el("h3", {}, possible ? "Or take what is there" : "Take the labels"),
      downloads(),
    ],
    buttons: [
      { label: counts.open ? "Keep labeling" : "Close", value: "", kind: "plain" },
      ...(possible ? [{ label: "Start blind checks", value: "start", kind: "primary" }] : []),
    ],
    wide: true,
  });
  if (value !== "start") return null;
  const chosen = Number(options.map((o) => o.querySelector("input")).find((input) => input.checked)?.value ?? maxError);
  return attempt("autolabel", { max_error: chosen });
}

/** No attempt was started: say why. */
export const refused = (reason) =>
  dialog({
    title: "Not yet",
    body: [el("div", { class: "result" }, el("p", { class: "lead" }, reason)), small("Nothing was spent: no attempt was started.")],
    buttons: [{ label: "Go on labeling", value: "", kind: "primary" }],
    wide: true,
  });

/** Ask whether to give up the running checks. */
export async function giveUp() {
  const value = await dialog({
    title: "Give up the blind checks?",
    body: [
      el("p", {}, "Your answers stay and the model learns from them, but nothing is proved, and this attempt's share of the error budget stays spent: the next attempt needs more checks."),
    ],
    buttons: [
      { label: "Go on checking", value: "", kind: "primary" },
      { label: "Give up", value: "cancel", kind: "danger" },
    ],
  });
  return value === "cancel" ? attempt("autolabel/cancel", {}) : null;
}

/** The outcome. Resolves with the reply when the labels were taken back, else null. */
export async function outcome({ pulse }) {
  const { autolabel, counts } = pulse;
  const certified = autolabel.status === "certified";
  const value = await dialog({
    title: certified ? (autolabel.void ? "The certificate no longer holds" : "The model took over") : "Not proved",
    body: [
      el("div", { class: certified && !autolabel.void ? "result good" : "result" }, el("p", { class: "lead" }, (certified && autolabel.certificate) || autolabel.reason)),
      certified ? small(counts.open ? `${plural(counts.open, "item is", "items are")} left for people${counts.unsure ? ` (${count(counts.unsure)} marked unsure)` : ""}; go on labeling, or export now.` : "Every item has a label now.") : small("Nothing was labeled by the model. Go on labeling: what you give now teaches it, and you can try again."),
      el("h3", {}, "Take the labels"),
      downloads(),
    ],
    buttons: [
      ...(certified && counts.auto ? [{ label: "Take the model's labels back", value: "undo", kind: "danger" }] : []),
      { label: counts.open ? "Go on labeling" : "Close", value: "", kind: "primary" },
    ],
    wide: true,
  });
  if (value !== "undo") return null;
  const after = await attempt("autolabel/undo", {});
  if (after) toast(`Took back ${count(counts.auto)} labels of the model.`);
  return after;
}

async function attempt(path, body) {
  try {
    return await call(path, body, { timeout: 120_000 });
  } catch (error) {
    toast(error.message, { bad: true, time: 10_000 });
    return null;
  }
}
