// Dashboard: where the model is right, class by class, and what random questions would have needed.

import { el } from "../lib/dom.js";
import { below, count, percent, plural } from "../lib/numbers.js";
import { figure, interval } from "./chart.js";
import { name } from "./scales.js";

export function classes({ metrics, confidence }) {
  const head = {
    title: "Precision and recall of each class",
    help:
      "Precision: of the items that the model takes for a class, the share that are. Recall: of the items of " +
      "a class, the share that it takes for it. The tick is the estimate from random check items, the bar " +
      "what they prove; few checks of a class leave a wide bar.",
    doc: "docs/guarantee.md",
  };
  if (!metrics)
    return figure({
      ...head,
      body: el("p", { class: "nothing" }, "No model yet: it takes answers of at least two classes."),
    });
  const shown = (i) => (i.estimate === null ? "–" : percent(i.estimate));
  return figure({
    ...head,
    sentence:
      `From ${plural(metrics.audits, "check item")}, ` +
      `${metrics.about ? `about ${metrics.about}` : `on the ${plural(metrics.rest, "item")} still open`}; the ` +
      `bounds of a class hold with ${percent(confidence)} confidence.`,
    body: el(
      "ul",
      { class: "spans", tabIndex: 0, "aria-label": "Precision and recall" },
      ...metrics.classes.map((c, i) =>
        el(
          "li",
          {},
          name(c.label, i),
          el(
            "span",
            { class: "two" },
            el("small", {}, "precision"),
            interval(c.precision, `Precision of ${c.label}`),
            el("small", {}, "recall"),
            interval(c.recall, `Recall of ${c.label}`),
          ),
        ),
      ),
    ),
    table: {
      head: ["class", "precision", "at least", "recall", "at least", "F1", "guessed"],
      rows: metrics.classes.map((c) => [
        c.label,
        shown(c.precision),
        below(c.precision.low),
        shown(c.recall),
        below(c.recall.low),
        shown(c.f1),
        count(c.guessed),
      ]),
    },
  });
}

/** Items with several labels: what was missed and what was too much, label by label. */
function labelErrors({ confusion: table, classes: names }) {
  const head = {
    title: "Errors of each label",
    help:
      "Random check items only: what the model guessed before it knew, against the answer. Missed: the " +
      "answer has the label, the guess has not; too much: the reverse. Checks from the whole course count, " +
      "so early mistakes of the model are in it.",
    doc: "docs/multilabel.md",
  };
  const total = table.length ? table[0].reduce((a, b) => a + b, 0) : 0;
  if (!total) return figure({ ...head, body: el("p", { class: "nothing" }, "No check item has been answered yet.") });
  const rows = table
    .map(([right, extra, missed], i) => ({ label: names[i], i, right, extra, missed }))
    .sort((a, b) => b.extra + b.missed - a.extra - a.missed);
  const worst = rows[0];
  return figure({
    ...head,
    sentence:
      worst.extra + worst.missed
        ? `${plural(total, "check item")}; most errors with ${worst.label}: missed ${worst.missed}, too much ` +
          `${worst.extra}.`
        : `${plural(total, "check item")}, no label missed or too much.`,
    body: el(
      "div",
      { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Errors of each label" },
      el(
        "table",
        { class: "confusion" },
        el(
          "thead",
          {},
          el("tr", {}, ...["label", "right", "missed", "too much"].map((title) => el("th", { scope: "col" }, title))),
        ),
        el(
          "tbody",
          {},
          ...rows.map((r) =>
            el(
              "tr",
              {},
              el("th", { scope: "row" }, name(r.label, r.i)),
              ...[r.right, r.missed, r.extra].map((n) => el("td", { class: "num" }, count(n))),
            ),
          ),
        ),
      ),
    ),
  });
}

export function confusion({ confusion: table, classes: names, multilabel }) {
  if (multilabel) return labelErrors({ confusion: table, classes: names });
  const total = table.flat().reduce((a, b) => a + b, 0);
  const wrong = table.flatMap((row, i) => row.filter((_, j) => i !== j)).reduce((a, b) => a + b, 0);
  const most = Math.max(1, ...table.flat());
  const head = {
    title: "Confusion",
    help:
      "Random check items only: what the model guessed before it knew, against the answer. The diagonal is " +
      "right. Checks from the whole course count, so early mistakes of the model are in it.",
    doc: "docs/guarantee.md",
  };
  if (!total) return figure({ ...head, body: el("p", { class: "nothing" }, "No check item has been answered yet.") });
  const worst = table.flatMap((row, i) => row.map((n, j) => [i === j ? 0 : n, i, j])).sort((a, b) => b[0] - a[0])[0];
  const cell = (n, i, j) => {
    const td = el("td", { class: i === j ? "right" : "wrong" }, n ? count(n) : "");
    td.style.setProperty("--v", n / most);
    return td;
  };
  const body =
    names.length > 12
      ? el(
          "ol",
          { class: "mistakes" },
          ...table
            .flatMap((row, i) => row.map((n, j) => [n, i, j]))
            .filter(([n, i, j]) => n && i !== j)
            .sort((a, b) => b[0] - a[0])
            .slice(0, 12)
            .map(([n, i, j]) =>
              el(
                "li",
                {},
                name(names[i], i),
                el("span", {}, "taken for it, is "),
                name(names[j], j),
                el("b", { class: "num" }, count(n)),
              ),
            ),
        )
      : el(
          "div",
          { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Confusion table" },
          el(
            "table",
            { class: "confusion" },
            el("caption", { class: "small" }, "rows: the guess; columns: the answer"),
            el("thead", {}, el("tr", {}, el("td"), ...names.map((n) => el("th", { scope: "col", dir: "auto" }, n)))),
            el(
              "tbody",
              {},
              ...table.map((row, i) =>
                el("tr", {}, el("th", { scope: "row", dir: "auto" }, names[i]), ...row.map((n, j) => cell(n, i, j))),
              ),
            ),
          ),
        );
  return figure({
    ...head,
    sentence:
      `${plural(total, "check item")}, ${wrong} of them ` +
      `wrong${worst[0] ? `; most often ${names[worst[2]]} taken for ${names[worst[1]]} (${worst[0]})` : ""}.`,
    body,
  });
}

/** Answers that are numbers: how far off the guesses were. */
export function errors({ errors: found }) {
  const head = {
    title: "How far off the guesses are",
    help:
      "The last random check items only: the number that the model guessed before it knew, against the answer. The " +
      "models of these checks are of different ages. Nothing here is proved; what is, is said of the tolerance.",
    doc: "docs/tasks.md",
  };
  if (!found)
    return figure({ ...head, body: el("p", { class: "nothing" }, "Too few check items have been answered yet.") });
  const said = (value) => `${Number(value.toPrecision(3))}${found.unit ? ` ${found.unit}` : ""}`;
  const rows = [
    ["mean absolute error", found.mean_absolute, found.mean_absolute_range],
    ["root mean square error", found.root_mean_square, found.root_mean_square_range],
  ].map(([called, value, [from, to]]) => [called, said(value), said(from), said(to)]);
  return figure({
    ...head,
    sentence: found.sentence,
    body: el(
      "div",
      { class: "scroll", tabIndex: 0, role: "region", "aria-label": "How far off the guesses are" },
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, ...["", "estimate", "from", "to"].map((n) => el("th", { scope: "col" }, n)))),
        el(
          "tbody",
          {},
          ...rows.map(([called, ...cells]) =>
            el("tr", {}, el("th", { scope: "row" }, called), ...cells.map((n) => el("td", { class: "num" }, n))),
          ),
        ),
      ),
    ),
  });
}

export function balance({ balance: rows }) {
  const given = (r) => r.human + r.given;
  const total = rows.reduce((sum, r) => sum + given(r), 0);
  const most = Math.max(1, ...rows.map((r) => Math.max(given(r), r.model)));
  const left = rows.reduce((sum, r) => sum + r.guessed, 0);
  const least = rows.length ? rows.reduce((a, b) => (given(a) <= given(b) ? a : b)) : null;
  const bar = (r, i) => {
    const line = el(
      "span",
      { class: "stack", title: `${count(given(r))} by people or the data, ${count(r.model)} by the model` },
      el("i", { class: "own" }),
      el("i", { class: "auto" }),
    );
    line.style.setProperty("--own", given(r) / most);
    line.style.setProperty("--auto", r.model / most);
    return el(
      "li",
      {},
      name(r.label, i),
      line,
      el("b", { class: "num" }, count(given(r))),
      el(
        "small",
        { class: "num" },
        r.model ? `+ ${count(r.model)} by the model` : left ? `${percent(r.guessed / left)} of the rest` : "",
      ),
    );
  };
  return figure({
    title: "Class balance",
    sentence: total
      ? `${plural(total, "label")}; ${least.label} has the fewest (${count(given(least))}).`
      : "No labels yet.",
    body: rows.length
      ? el("ul", { class: "bars", tabIndex: 0, "aria-label": "Labels of each class" }, ...rows.map(bar))
      : el("p", { class: "nothing" }, "The classes appear with the first labels."),
    help:
      "Labels of each class by people (and the data), then by the model. Asked items are not a random " +
      "sample, so the balance of the labels is not that of the data; the share of the model's guesses on the " +
      "rest is closer, where the model is good.",
    doc: "docs/strategies.md",
    table: {
      head: ["class", "people", "came with the data", "model", "guessed on the rest"],
      rows: rows.map((r) => [r.label, count(r.human), count(r.given), count(r.model), count(r.guessed)]),
    },
  });
}

export function control({ control: c, multilabel }) {
  const head = {
    title: "Against labeling at random",
    help:
      "How many labels in random order would leave as few wrong, were the model to label the rest: a " +
      "forecast from the check items and from fits on random samples of the labels, with a range of about 90 " +
      "%. No proof.",
    doc: "docs/control.md",
  };
  if (!c || c.needed === null || c.low === null || c.high === null)
    return figure({
      ...head,
      body: el(
        "p",
        { class: "nothing" },
        multilabel
          ? "This is not worked out where items have several labels."
          : (c?.sentence ?? "This is worked out while the model learns, once there are enough labels."),
      ),
    });
  const most = Math.max(c.labels, c.high);
  const bar = (text, value, low, high) => {
    const line = el(
      "span",
      { class: "span-bar" },
      low === null ? el("i", { class: "own" }) : el("i", { class: "span-band" }),
      low === null ? null : el("i", { class: "span-tick" }),
    );
    line.style.setProperty("--at", value / most);
    line.style.setProperty("--low", (low ?? 0) / most);
    line.style.setProperty("--high", (high ?? 0) / most);
    return el("li", {}, el("small", {}, text), line, el("b", { class: "num" }, count(value)));
  };
  return figure({
    ...head,
    sentence: c.sentence,
    body: el(
      "ul",
      { class: "versus" },
      bar("labels given", c.labels, null, null),
      bar(`at random, for as few errors (${count(c.low)} to ${count(c.high)})`, c.needed, c.low, c.high),
    ),
    table: {
      head: ["", "labels", "from", "to"],
      rows: [
        ["given", count(c.labels), "", ""],
        ["at random", count(c.needed), count(c.low), count(c.high)],
      ],
    },
  });
}
