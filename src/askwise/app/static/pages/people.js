// Dashboard: who answered how much, how well people agree, what it cost.

import { el } from "../lib/dom.js";
import { count, percent, plural } from "../lib/numbers.js";
import { figure } from "./chart.js";

const PRICE = "askwise-price-of-an-hour";

const money = (value) =>
  value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: value < 0.1 ? 3 : 2 });

/** What people did, how long it took and, at a price of an hour, what it costs. The price stays in this browser. */
export function people({ annotators, agreement, verdict }) {
  const head = {
    title: "People",
    help:
      "Time is that between seeing a question and answering it, as far as it was measured; of a label the " +
      "median, in all also of skipped and unsure ones. Quality comes from items that several people labeled " +
      "(Dawid and Skene 1979). Krippendorff's alpha is 1 for perfect agreement and 0 for what chance would " +
      "give. The price is in any currency and stays in this browser.",
    doc: "docs/guarantee.md",
  };
  if (!annotators.length) return figure({ ...head, body: el("p", { class: "nothing" }, "Nobody has answered yet.") });
  const pairs = Object.entries(agreement.cohen);
  const two = (value) => (value === null ? "–" : value.toFixed(2));
  const sum = (what) => annotators.reduce((total, a) => total + a[what], 0);
  const box = el("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Table of people" });
  const says = el("p", { class: "small cost", role: "status" });
  const field = el("input", {
    type: "number",
    id: "price",
    min: 0,
    step: "any",
    inputMode: "decimal",
    value: localStorage.getItem(PRICE) ?? "",
  });

  function draw() {
    const price = field.valueAsNumber > 0 ? field.valueAsNumber : null;
    const cost = (seconds) => (price * seconds) / 3600;
    const row = (a) => [
      count(a.labels),
      count(a.unsure),
      count(a.skipped),
      a.pace === null ? "–" : a.pace.toFixed(1),
      a.seconds ? (a.seconds / 60).toFixed(1) : "–",
      ...(price ? [a.seconds ? money(cost(a.seconds)) : "–", a.timed ? money(cost(a.seconds) / a.timed) : "–"] : []),
      a.shared === null ? "" : count(a.shared),
      a.quality === null ? "–" : percent(a.quality),
    ];
    const titles = [
      "person",
      "labels",
      "unsure",
      "skipped",
      "s a label",
      "minutes",
      ...(price ? ["cost", "cost a label"] : []),
      "shared",
      "quality",
    ];
    const line = (a) =>
      el("tr", {}, el("th", { scope: "row", dir: "auto" }, a.name), ...row(a).map((cell) => el("td", {}, cell)));
    const all = {
      name: "All",
      labels: sum("labels"),
      unsure: sum("unsure"),
      skipped: sum("skipped"),
      seconds: sum("seconds"),
      timed: sum("timed"),
      pace: null,
      shared: null,
      quality: null,
    };
    box.replaceChildren(
      el(
        "table",
        { class: "numbers" },
        el("thead", {}, el("tr", {}, ...titles.map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", {}, ...annotators.map(line)),
        annotators.length > 1 ? el("tfoot", {}, line(all)) : null,
      ),
    );
    says.textContent = price ? spent(all, cost, verdict) : "";
  }

  field.addEventListener("input", () => {
    draw();
    if (field.valueAsNumber > 0) localStorage.setItem(PRICE, field.value);
    else localStorage.removeItem(PRICE);
  });
  draw();
  return figure({
    ...head,
    sentence: agreement.items
      ? `On ${plural(agreement.items, "item")} labeled by several people they agree ${agreement.same} times; ` +
        `Krippendorff's alpha ${two(agreement.alpha)}.`
      : "No item has labels by several people, so nothing is known of their agreement.",
    wide: true,
    body: [box, el("p", { class: "price" }, el("label", { for: "price" }, "Price of an hour "), field), says],
    table: pairs.length
      ? { head: ["pair", "Cohen's kappa"], rows: pairs.map(([pair, value]) => [pair, two(value)]) }
      : null,
  });
}

/** The sentence on money: what was spent as far as it was measured, and the forecast. */
function spent(all, cost, verdict) {
  if (!all.timed) return "No time was measured, so nothing is known of what labels cost.";
  const unmeasured =
    all.labels > all.timed ? `; ${plural(all.labels - all.timed, "label")} without a measured time not counted` : "";
  const [low, high] = verdict.minutes_left_range ?? [];
  const range = low === undefined ? "" : ` (${money(cost(60 * low))} to ${money(cost(60 * high))})`;
  const left =
    verdict.minutes_left === null
      ? "What is still to come cannot be told yet."
      : `About ${money(cost(60 * verdict.minutes_left))}${range} to go.`;
  return `${money(cost(all.seconds))} so far, ${money(cost(all.seconds) / all.timed)} a label${unmeasured}. ${left}`;
}
