// Dashboard: how good the model is, how it got there, what is left, who did it.

import { call } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { above, below, count, minutes, percent, plural } from "../lib/numbers.js";
import { figure, lines } from "./chart.js";
import { coverage } from "./coverage.js";
import { map } from "./map.js";
import { people } from "./people.js";
import { balance, classes, confusion, control, errors } from "./quality.js";
import { labelsAxis, shareAxis, outward, thin } from "./scales.js";

const later = (title) =>
  el("section", { class: "panel figure" }, el("h2", {}, title), el("p", { class: "small" }, "Working it out …"));

export async function open(page) {
  const data = await call("dashboard", undefined, { timeout: 60_000 });
  const slow = [later("What could be handed over"), later("Map of the items")];
  page.replaceChildren(
    tiles(data),
    el(
      "div",
      { class: "figures" },
      accuracy(data),
      forecast(data),
      slow[0],
      // what is said of labels means nothing where answers have none
      ...(data.named ? [classes(data), confusion(data), balance(data), control(data)] : [errors(data)]),
      slow[1],
      people(data),
    ),
  );
  await Promise.all([
    call("coverage", undefined, { timeout: 120_000 }).then(
      (reply) => slow[0].replaceWith(coverage(reply)),
      (error) => failed(slow[0], error),
    ),
    call("map", undefined, { timeout: 120_000 }).then(
      (reply) => slow[1].replaceWith(map(reply)),
      (error) => failed(slow[1], error),
    ),
  ]);
}

const failed = (box, error) => box.lastChild.replaceWith(el("p", { class: "small", role: "alert" }, error.message));

function tiles({ counts, estimate, verdict, pace }) {
  const tile = (big, text) => el("li", {}, el("b", {}, big), el("span", {}, text));
  return el(
    "ul",
    { class: "tiles" },
    tile(
      count(counts.labeled),
      `of ${plural(counts.items, "item")} labeled by ` +
        `people${counts.given ? `; ${count(counts.given)} came labeled with the data` : ""}`,
    ),
    tile(
      estimate.accuracy === null ? "–" : percent(estimate.accuracy),
      estimate.accuracy === null
        ? counts.rest
          ? counts.auto
            ? `no estimate of the ${plural(counts.rest, "item")} left to people`
            : "accuracy not known yet"
          : "nothing is left to estimate"
        : `right on the rest, between ${outward(estimate.low, estimate.high)}`,
    ),
    tile(
      verdict.labels_left === null ? "–" : count(verdict.labels_left),
      verdict.labels_left === null
        ? "no forecast yet"
        : `labels to go${pace ? `, about ${minutes(pace * verdict.labels_left)}` : ""}`,
    ),
    tile(count(counts.auto), "labeled by the model"),
  );
}

function accuracy({ curve, estimate }) {
  const known = curve.filter((p) => p.accuracy !== null);
  const series = [{ name: "estimate", points: known.map((p) => [p.labels, p.accuracy]), dots: known.length < 30 }];
  const empty = !known.length;
  return figure({
    title: "Accuracy on the rest, over time",
    sentence: estimate.sentence,
    wide: true,
    body: empty
      ? el("p", { class: "nothing" }, "The curve begins with the first blind check items that are answered.")
      : lines({
          series,
          band: curve.map((p) => [p.labels, p.low, p.high]),
          x: labelsAxis(curve.map((p) => p.labels)),
          y: shareAxis,
          say:
            `Estimated accuracy from ${percent(known[0].accuracy)} at ${known[0].labels} labels to ` +
            `${percent(known.at(-1).accuracy)} at ${known.at(-1).labels}`,
        }),
    help:
      "One question in ten is a random check item; the model's guess is hidden and scored before it learns " +
      "the answer. The line is the plain estimate from these, the area what they prove about the items still " +
      "open, however often one looks.",
    doc: "docs/guarantee.md",
    table: empty
      ? null
      : {
          head: ["labels", "estimate", "at least", "at most", "check items"],
          rows: thin(curve).map((p) => [
            count(p.labels),
            p.accuracy === null ? "–" : percent(p.accuracy, 1),
            below(p.low),
            above(p.high),
            p.audits,
          ]),
        },
  });
}

function forecast({ costs, verdict, pace, counts }) {
  const range = verdict.labels_left_range;
  const time =
    pace && verdict.labels_left
      ? ` That is about ${minutes(pace * verdict.labels_left)} at ${pace.toFixed(1)} s a label.`
      : "";
  return figure({
    title: "Forecast: labels to go",
    sentence: verdict.reason + time,
    body:
      costs.length < 2
        ? el("p", { class: "nothing" }, "The forecast needs a model and a few check items.")
        : lines({
            series: [
              {
                name: "labels to go, with the model taking over",
                points: costs.map(([labels, left]) => [labels, left]),
              },
              {
                name: "labeling everything by hand",
                points: costs.map(([labels, , items]) => [labels, items]),
                dashed: true,
              },
            ],
            x: labelsAxis(costs.map(([labels]) => labels)),
            y: { low: 0, high: Math.max(...costs.map(([, , items]) => items), 1), show: count },
            say:
              `Labels to go: ${count(Math.round(costs.at(-1)[1]))} with the model, ${count(costs.at(-1)[2])} ` +
              "by hand",
          }),
    help:
      "What people still have to label if the model takes over what it is sure of: blind checks, and the " +
      `items it leaves to people.${range ? ` Plausibly ${count(range[0])} to ${count(range[1])}.` : ""} A ` +
      `projection, not a promise; ${count(counts.rest)} items are open.`,
    doc: "docs/guarantee.md",
    table: costs.length
      ? {
          head: ["labels given", "to go", "by hand"],
          rows: thin(costs).map(([a, b, c]) => [count(a), count(Math.round(b)), count(c)]),
        }
      : null,
  });
}
