// The numbers around the question: progress, forecast, estimate, verdict, trouble.

import { $, el } from "../lib/dom.js";
import { above, ago, below, count, median, percent, plural } from "../lib/numbers.js";

let round = null;
let roundAt = 0;

export function show(pulse, history, ahead) {
  if (pulse.counts.round !== round) roundAt = pulse.model_age === null ? 0 : performance.now() - 1000 * pulse.model_age;
  round = pulse.counts.round;
  facts(pulse, history, ahead);
  progress(pulse, ahead);
  estimate(pulse);
  verdict(pulse);
}

/** `ahead`: answers given here that the server has not counted yet. */
function facts({ counts, verdict: { left, range }, training }, history, ahead) {
  const given = counts.labeled + ahead;
  const parts = [];
  const fact = (name, strong, text, title) =>
    parts.push(el("span", { class: `fact ${name}`, title }, el("b", {}, strong), text && ` ${text}`));
  fact("today", count(counts.today + ahead), "today", "Labels you gave since midnight");
  if (left === null)
    fact(
      "total",
      count(given),
      given === 1 ? "label" : "labels",
      "Labels given by people; the forecast comes with the first check items",
    );
  else {
    const between = range ? `, plausibly ${count(given + range[0])} to ${count(given + range[1])}` : "";
    fact(
      "total",
      count(given),
      `of about ${count(given + left)} labels`,
      `Forecast: about ${count(left)} more until the pool is done, blind checks included${between}`,
    );
  }
  const times = history.map((entry) => entry.seconds).filter((s) => s !== null && s !== undefined && s > 0);
  if (times.length > 2) {
    const typical = median(times);
    fact(
      "pace",
      `${typical < 10 ? typical.toFixed(1) : Math.round(typical)} s`,
      "per item",
      "Median of your last answers",
    );
  }
  // Model 0 learned from labels of the data.
  const model = counts.model_labels ? `model ${counts.round}` : "no model yet";
  const fresh = roundAt ? ` · ${ago((performance.now() - roundAt) / 1000)}` : "";
  parts.push(
    el(
      "span",
      {
        class: training ? "fact model training" : "fact model",
        title: counts.model_labels
          ? `Trained on ${plural(counts.model_labels, "label")}`
          : "The first model comes after two different answers",
      },
      el("i", { class: "pulse" }),
      training ? `${model} · training…` : `${model}${counts.model_labels ? fresh : ""}`,
    ),
  );
  $("facts").replaceChildren(
    ...parts.flatMap((part, at) => (at ? [el("span", { class: "sep", "aria-hidden": "true" }, "·"), part] : [part])),
  );
}

function progress({ counts, verdict: { left, range }, autolabel }, ahead) {
  const bar = $("progress");
  let done = counts.labeled + ahead;
  let total = left === null ? counts.items : done + (range ? range[1] : left);
  let soon = left === null || !range ? total : done + range[0];
  if (autolabel?.status === "checking") {
    done = autolabel.done + ahead;
    total = soon = autolabel.done + (autolabel.left ?? 0);
  }
  const share = (n) => Math.min(1, total ? n / total : 1);
  bar.style.setProperty("--done", share(done));
  bar.style.setProperty("--soon", share(soon));
  bar.setAttribute("aria-valuenow", Math.round(100 * share(done)));
  bar.title =
    left === null
      ? `${count(done)} of ${plural(total, "item")} ` +
        `labeled${counts.given ? `; ${count(counts.given)} came labeled with the data` : ""}`
      : "Labels given; the hatched part is the range of the forecast";
}

function estimate({ estimate: { accuracy, low, high, sentence }, control, counts }) {
  const known = accuracy !== null;
  // Outwards, so that what is shown is proved too.
  const [least, most] = [below(low), above(high)];
  const missing = !counts.rest
    ? "Nothing is left to estimate"
    : counts.auto
      ? `No estimate of the ${plural(counts.rest, "item")} left to people`
      : "Not known yet";
  $("accuracy").replaceChildren(
    ...(known
      ? [el("b", {}, percent(accuracy)), el("span", {}, ` right on the rest, between ${least} and ${most}`)]
      : [el("span", {}, missing)]),
  );
  const box = $("interval");
  box.setAttribute(
    "aria-label",
    known ? `Estimate ${percent(accuracy)}, proved between ${least} and ${most}` : missing,
  );
  box.style.setProperty("--low", low);
  box.style.setProperty("--high", high);
  box.style.setProperty("--at", accuracy ?? 0);
  box.classList.toggle("unknown", !known);
  box.hidden = !known && counts.auto > 0; // a scale from 0 to 100 % would seem to speak of what is certified
  if (!box.firstChild)
    box.append(
      el("i", { class: "band" }),
      el("i", { class: "tick" }),
      el("span", {}, "0 %"),
      el("span", {}, "50"),
      el("span", {}, "100 %"),
    );
  $("estimate").textContent = sentence;
  $("control").textContent = control ?? "";
  $("control").hidden = !control;
}

function verdict({ verdict: { ready, reason }, autolabel, counts }) {
  const checking = autolabel?.status === "checking";
  $("verdict-head").textContent = checking
    ? "Blind checks are running"
    : counts.auto
      ? autolabel?.void
        ? "The certificate no longer holds"
        : "The model took over"
      : ready
        ? "Ready to finish"
        : "What next?";
  $("verdict").textContent = checking
    ? autolabel.reason
    : counts.auto && autolabel?.certificate
      ? autolabel.certificate
      : reason;
  $("verdict")
    .closest(".panel")
    .classList.toggle("ready", ready && !checking);
  $("b-finish").classList.toggle("calls", ready && !checking);
  const act = $("verdict-act");
  const label = checking ? "Give up the checks…" : counts.auto ? "Results and downloads" : ready ? "Finish…" : "";
  if (act.dataset.label === label) return;
  act.dataset.label = label;
  act.replaceChildren(
    label ? el("a", { class: checking || counts.auto ? "button plain" : "button primary", href: "finish" }, label) : "",
  );
}

/** Trouble or a mode that the person must know about; null takes it away. */
export function banner(text, { kind = "", button, act } = {}) {
  const box = $("banner");
  box.hidden = !text;
  const key = `${kind}|${text}|${button ?? ""}`;
  if (!text || box.dataset.key === key) return;
  box.dataset.key = key;
  box.className = `banner ${kind}`;
  box.replaceChildren(
    el("span", {}, text),
    button ? el("button", { type: "button", class: "link", onclick: act }, button) : "",
  );
}
