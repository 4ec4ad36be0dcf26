// Dashboard: how good the model is, how it got there, what is left, who did it.

import { call } from "../lib/api.js";
import { figure, fit, interval, lines } from "./chart.js";
import { el, hue } from "../lib/dom.js";
import { above, below, checksFor, count, exactly, percent, plural } from "../lib/numbers.js";

const outward = (low, high) => `${below(low)} and ${above(high)}`;
const minutes = (seconds) => (seconds < 90 ? plural(Math.round(seconds), "second") : seconds < 5400 ? plural(Math.round(seconds / 60), "minute") : `${(seconds / 3600).toFixed(1)} hours`);
const labelsAxis = (points) => ({ label: "labels by people", low: 0, high: Math.max(10, ...points), show: count });
const shareAxis = { low: 0, high: 1, show: (v) => percent(v) };
const later = (title) => el("section", { class: "panel figure" }, el("h2", {}, title), el("p", { class: "small" }, "Working it out …"));

export async function open(page) {
  const data = await call("dashboard", undefined, { timeout: 60_000 });
  const slow = [later("What could be handed over"), later("Map of the items")];
  page.replaceChildren(
    tiles(data),
    el("div", { class: "figures" }, accuracy(data), forecast(data), slow[0], classes(data), confusion(data), balance(data), control(data), slow[1], people(data)),
  );
  await Promise.all([
    call("coverage", undefined, { timeout: 120_000 }).then((reply) => slow[0].replaceWith(coverage(reply)), (error) => failed(slow[0], error)),
    call("map", undefined, { timeout: 120_000 }).then((reply) => slow[1].replaceWith(map(reply)), (error) => failed(slow[1], error)),
  ]);
}

const failed = (box, error) => box.lastChild.replaceWith(el("p", { class: "small", role: "alert" }, error.message));

function tiles({ counts, estimate, verdict, pace }) {
  const tile = (big, text) => el("li", {}, el("b", {}, big), el("span", {}, text));
  return el(
    "ul",
    { class: "tiles" },
    tile(count(counts.labeled), `of ${plural(counts.items, "item")} labeled by people${counts.given ? `; ${count(counts.given)} came labeled with the data` : ""}`),
    tile(estimate.accuracy === null ? "–" : percent(estimate.accuracy), estimate.accuracy === null ? (counts.rest ? (counts.auto ? `no estimate of the ${plural(counts.rest, "item")} left to people` : "accuracy not known yet") : "nothing is left to estimate") : `right on the rest, between ${outward(estimate.low, estimate.high)}`),
    tile(verdict.labels_left === null ? "–" : count(verdict.labels_left), verdict.labels_left === null ? "no forecast yet" : `labels to go${pace ? `, about ${minutes(pace * verdict.labels_left)}` : ""}`),
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
          say: `Estimated accuracy from ${percent(known[0].accuracy)} at ${known[0].labels} labels to ${percent(known.at(-1).accuracy)} at ${known.at(-1).labels}`,
        }),
    help: "One question in ten is a random check item; the model's guess is hidden and scored before it learns the answer. The line is the plain estimate from these, the area what they prove about the items still open, however often one looks.",
    doc: "docs/guarantee.md",
    table: empty ? null : { head: ["labels", "estimate", "at least", "at most", "check items"], rows: thin(curve).map((p) => [count(p.labels), p.accuracy === null ? "–" : percent(p.accuracy, 1), below(p.low), above(p.high), p.audits]) },
  });
}

const thin = (points, most = 40) => points.filter((_, i) => (points.length - 1 - i) % Math.ceil(points.length / most) === 0);

function forecast({ costs, verdict, pace, counts }) {
  const range = verdict.labels_left_range;
  const time = pace && verdict.labels_left ? ` That is about ${minutes(pace * verdict.labels_left)} at ${pace.toFixed(1)} s a label.` : "";
  return figure({
    title: "Forecast: labels to go",
    sentence: verdict.reason + time,
    body:
      costs.length < 2
        ? el("p", { class: "nothing" }, "The forecast needs a model and a few check items.")
        : lines({
            series: [
              { name: "labels to go, with the model taking over", points: costs.map(([labels, left]) => [labels, left]) },
              { name: "labeling everything by hand", points: costs.map(([labels, , open]) => [labels, open]), dashed: true },
            ],
            x: labelsAxis(costs.map(([labels]) => labels)),
            y: { low: 0, high: Math.max(...costs.map(([, , open]) => open), 1), show: count },
            say: `Labels to go: ${count(Math.round(costs.at(-1)[1]))} with the model, ${count(costs.at(-1)[2])} by hand`,
          }),
    help: `What people still have to label if the model takes over what it is sure of: blind checks, and the items it leaves to people.${range ? ` Plausibly ${count(range[0])} to ${count(range[1])}.` : ""} A projection, not a promise; ${count(counts.rest)} items are open.`,
    doc: "docs/guarantee.md",
    table: costs.length ? { head: ["labels given", "to go", "by hand"], rows: thin(costs).map(([a, b, c]) => [count(a), count(Math.round(b)), count(c)]) } : null,
  });
}

function classes({ metrics, confidence }) {
  const head = { title: "Precision and recall of each class", help: "Precision: of the items that the model takes for a class, the share that are. Recall: of the items of a class, the share that it takes for it. The tick is the estimate from random check items, the bar what they prove; few checks of a class leave a wide bar.", doc: "docs/guarantee.md" };
  if (!metrics) return figure({ ...head, body: el("p", { class: "nothing" }, "No model yet: it takes answers of at least two classes.") });
  const shown = (i) => (i.estimate === null ? "–" : percent(i.estimate));
  return figure({
    ...head,
    sentence: `From ${plural(metrics.audits, "check item")}, on the ${plural(metrics.rest, "item")} still open; the bounds of a class hold with ${percent(confidence)} confidence.`,
    body: el(
      "ul",
      { class: "spans", tabIndex: 0, "aria-label": "Precision and recall" },
      ...metrics.classes.map((c, i) => el("li", {}, name(c.label, i), el("span", { class: "two" }, el("small", {}, "precision"), interval(c.precision, `Precision of ${c.label}`), el("small", {}, "recall"), interval(c.recall, `Recall of ${c.label}`)))),
    ),
    table: { head: ["class", "precision", "at least", "recall", "at least", "F1", "guessed"], rows: metrics.classes.map((c) => [c.label, shown(c.precision), below(c.precision.low), shown(c.recall), below(c.recall.low), shown(c.f1), count(c.guessed)]) },
  });
}

function name(label, index) {
  const tag = el("span", { class: "pill name-tag", dir: "auto" }, label);
  tag.style.setProperty("--h", hue(index));
  return tag;
}

/** Items with several labels: what was missed and what was too much, label by label. */
function labelErrors({ confusion: table, classes: names }) {
  const head = { title: "Errors of each label", help: "Random check items only: what the model guessed before it knew, against the answer. Missed: the answer has the label, the guess has not; too much: the reverse. Checks from the whole course count, so early mistakes of the model are in it.", doc: "docs/multilabel.md" };
  const total = table.length ? table[0].reduce((a, b) => a + b, 0) : 0;
  if (!total) return figure({ ...head, body: el("p", { class: "nothing" }, "No check item has been answered yet.") });
  const rows = table.map(([right, extra, missed], i) => ({ label: names[i], i, right, extra, missed })).sort((a, b) => b.extra + b.missed - a.extra - a.missed);
  const worst = rows[0];
  return figure({
    ...head,
    sentence: worst.extra + worst.missed ? `${plural(total, "check item")}; most errors with ${worst.label}: missed ${worst.missed}, too much ${worst.extra}.` : `${plural(total, "check item")}, no label missed or too much.`,
    body: el(
      "div",
      { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Errors of each label" },
      el(
        "table",
        { class: "confusion" },
        el("thead", {}, el("tr", {}, ...["label", "right", "missed", "too much"].map((title) => el("th", { scope: "col" }, title)))),
        el("tbody", {}, ...rows.map((r) => el("tr", {}, el("th", { scope: "row" }, name(r.label, r.i)), ...[r.right, r.missed, r.extra].map((n) => el("td", { class: "num" }, count(n)))))),
      ),
    ),
  });
}

function confusion({ confusion: table, classes: names, multilabel }) {
  if (multilabel) return labelErrors({ confusion: table, classes: names });
  const total = table.flat().reduce((a, b) => a + b, 0);
  const wrong = table.flatMap((row, i) => row.filter((_, j) => i !== j)).reduce((a, b) => a + b, 0);
  const most = Math.max(1, ...table.flat());
  const head = { title: "Confusion", help: "Random check items only: what the model guessed before it knew, against the answer. The diagonal is right. Checks from the whole course count, so early mistakes of the model are in it.", doc: "docs/guarantee.md" };
  if (!total) return figure({ ...head, body: el("p", { class: "nothing" }, "No check item has been answered yet.") });
  const worst = table.flatMap((row, i) => row.map((n, j) => [i === j ? 0 : n, i, j])).sort((a, b) => b[0] - a[0])[0];
  const cell = (n, i, j) => {
    const td = el("td", { class: i === j ? "right" : "wrong" }, n ? count(n) : "");
    td.style.setProperty("--v", n / most);
    return td;
  };
  const body =
    names.length > 12
      ? el("ol", { class: "mistakes" }, ...table.flatMap((row, i) => row.map((n, j) => [n, i, j])).filter(([n, i, j]) => n && i !== j).sort((a, b) => b[0] - a[0]).slice(0, 12).map(([n, i, j]) => el("li", {}, name(names[i], i), el("span", {}, "taken for it, is "), name(names[j], j), el("b", { class: "num" }, count(n)))))
      : el(
          "div",
          { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Confusion table" },
          el(
            "table",
            { class: "confusion" },
            el("caption", { class: "small" }, "rows: the guess; columns: the answer"),
            el("thead", {}, el("tr", {}, el("td"), ...names.map((n) => el("th", { scope: "col", dir: "auto" }, n)))),
            el("tbody", {}, ...table.map((row, i) => el("tr", {}, el("th", { scope: "row", dir: "auto" }, names[i]), ...row.map((n, j) => cell(n, i, j))))),
          ),
        );
  return figure({
    ...head,
    sentence: `${plural(total, "check item")}, ${wrong} of them wrong${worst[0] ? `; most often ${names[worst[2]]} taken for ${names[worst[1]]} (${worst[0]})` : ""}.`,
    body,
  });
}

function balance({ balance: rows }) {
  const given = (r) => r.human + r.given;
  const total = rows.reduce((sum, r) => sum + given(r), 0);
  const most = Math.max(1, ...rows.map((r) => Math.max(given(r), r.model)));
  const open = rows.reduce((sum, r) => sum + r.guessed, 0);
  const least = rows.length ? rows.reduce((a, b) => (given(a) <= given(b) ? a : b)) : null;
  const bar = (r, i) => {
    const line = el("span", { class: "stack", title: `${count(given(r))} by people or the data, ${count(r.model)} by the model` }, el("i", { class: "own" }), el("i", { class: "auto" }));
    line.style.setProperty("--own", given(r) / most);
    line.style.setProperty("--auto", r.model / most);
    return el("li", {}, name(r.label, i), line, el("b", { class: "num" }, count(given(r))), el("small", { class: "num" }, r.model ? `+ ${count(r.model)} by the model` : open ? `${percent(r.guessed / open)} of the rest` : ""));
  };
  return figure({
    title: "Class balance",
    sentence: total ? `${plural(total, "label")}; ${least.label} has the fewest (${count(given(least))}).` : "No labels yet.",
    body: rows.length ? el("ul", { class: "bars", tabIndex: 0, "aria-label": "Labels of each class" }, ...rows.map(bar)) : el("p", { class: "nothing" }, "The classes appear with the first labels."),
    help: "Labels of each class by people (and the data), then by the model. Asked items are not a random sample, so the balance of the labels is not that of the data; the share of the model's guesses on the rest is closer, where the model is good.",
    doc: "docs/strategies.md",
    table: { head: ["class", "people", "came with the data", "model", "guessed on the rest"], rows: rows.map((r) => [r.label, count(r.human), count(r.given), count(r.model), count(r.guessed)]) },
  });
}

function control({ control: c, multilabel }) {
  const head = { title: "Against labeling at random", help: "How many labels in random order would leave as few wrong, were the model to label the rest: a forecast from the check items and from fits on random samples of the labels, with a range of about 90 %. No proof.", doc: "docs/control.md" };
  if (!c || c.needed === null || c.low === null || c.high === null) return figure({ ...head, body: el("p", { class: "nothing" }, multilabel ? "This is not worked out where items have several labels." : c?.sentence ?? "This is worked out while the model learns, once there are enough labels.") });
  const most = Math.max(c.labels, c.high);
  const bar = (text, value, low, high) => {
    const line = el("span", { class: "span-bar" }, low === null ? el("i", { class: "own" }) : el("i", { class: "span-band" }), low === null ? null : el("i", { class: "span-tick" }));
    line.style.setProperty("--at", value / most);
    line.style.setProperty("--low", (low ?? 0) / most);
    line.style.setProperty("--high", (high ?? 0) / most);
    return el("li", {}, el("small", {}, text), line, el("b", { class: "num" }, count(value)));
  };
  return figure({
    ...head,
    sentence: c.sentence,
    body: el("ul", { class: "versus" }, bar("labels given", c.labels, null, null), bar(`at random, for as few errors (${count(c.low)} to ${count(c.high)})`, c.needed, c.low, c.high)),
    table: { head: ["", "labels", "from", "to"], rows: [["given", count(c.labels), "", ""], ["at random", count(c.needed), count(c.low), count(c.high)]] },
  });
}

/** The offers come one by one: each takes up to seconds, so of a large pool only those that are asked for. */
function coverage({ shares, own, target, rest, why }) {
  const head = { title: "What could be handed over", help: "For each share of errors that you would allow: how many items the model could label, and what that costs in labels by people. Projected from the check items so far. A certificate is decided by blind checks alone, never by this projection.", doc: "docs/guarantee.md" };
  if (!shares.length) return figure({ ...head, body: el("p", { class: "nothing" }, why) });
  const offers = new Map();
  const asked = new Set();
  const part = (o) => (o.rest ? o.size / o.rest : 0);
  const text = (s) => `${exactly(s)}${target === "file" ? " of the whole file" : ""}`;
  const says = el("p", { class: "big-line", role: "status" });
  const small = el("p", { class: "small" });
  const chart = el("div");
  const slider = el("input", { type: "range", min: 0, max: shares.length - 1, step: 1, id: "share", "aria-label": "Share of wrong labels allowed" });

  async function get(s) {
    if (asked.has(s)) return;
    asked.add(s);
    try {
      const { offer } = await call(`coverage?max_error=${s}`, undefined, { timeout: 120_000 });
      if (offer) offers.set(s, offer);
    } catch (error) {
      asked.delete(s);
      small.textContent = error.message;
      return;
    }
    show();
  }

  function show() {
    const s = shares[slider.value];
    const o = offers.get(s);
    slider.setAttribute("aria-valuetext", text(s));
    says.textContent = !o ? `At ≤ ${text(s)} wrong …` : o.size ? `Auto-label ${percent(part(o))} at ≤ ${text(s)} wrong` : `Nothing to hand over at ≤ ${text(s)} wrong`;
    small.textContent = !o ? "Working it out …" : o.size ? `${plural(o.size, "item")} of ${count(o.rest)}; ${checksFor(o.checks, o.first)}, ${percent(o.passes)} likely to succeed. All done after about ${count(Math.round(o.cost))} labels.` : o.reason;
    chart.replaceChildren(
      lines({
        series: [{ name: "share handed over", points: shares.filter((p) => offers.has(p)).map((p) => [p, part(offers.get(p))]), dots: true }],
        x: { label: "share of wrong labels allowed", low: 0, high: shares.at(-1), show: exactly },
        y: shareAxis,
        mark: s,
        say: `Share that could be handed over, by share of errors allowed; now at ${text(s)}`,
        height: 200,
      }),
    );
  }

  let pause = 0;
  slider.value = shares.indexOf(own);
  slider.addEventListener("input", () => {
    show();
    clearTimeout(pause);
    pause = setTimeout(() => get(shares[slider.value]), 150);
  });
  show();
  get(own).then(async () => {
    if (rest <= 20_000) for (const s of shares) await get(s);
  });
  return figure({ ...head, body: [says, slider, chart, small] });
}

const STATES = { open: "still open", next: "asked next", unsure: "marked unsure", labeled: "labeled", model: "labeled by the model", wrong: "check the model had wrong" };

function map(data) {
  const canvas = el("canvas", { role: "img", "aria-label": `Map of ${plural(data.rows.length, "item")}; the counts are below it` });
  const box = el("div", { class: "chart map" }, canvas);
  const near = el("p", { class: "small near-item", "aria-live": "polite" }, "Point at the map to read an item.");
  let place = null;
  const draw = (width) => {
    const height = Math.min(420, Math.max(260, Math.round(width * 0.62)));
    const ratio = devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.setProperty("width", `${width}px`);
    canvas.style.setProperty("height", `${height}px`);
    const ink = canvas.getContext("2d");
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.clearRect(0, 0, width, height);
    const style = getComputedStyle(box);
    place = data.rows.map((_, i) => [((data.x[i] + 1.12) / 2.24) * width, ((1.12 - data.y[i]) / 2.24) * height]);
    data.states.forEach((state, code) => {
      ink.fillStyle = style.getPropertyValue(`--m-${state}`);
      const size = state === "open" ? 2.2 : state === "wrong" ? 4.5 : 3.2;
      data.state.forEach((s, i) => {
        if (s !== code) return;
        ink.beginPath();
        if (state === "wrong") ink.rect(place[i][0] - size, place[i][1] - size, 2 * size, 2 * size); // told apart without color
        else ink.arc(place[i][0], place[i][1], size, 0, 7);
        ink.fill();
      });
    });
  };
  fit(box, draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(box.clientWidth));
  let asked = -1;
  let timer = 0;
  canvas.addEventListener("pointermove", (event) => {
    let [best, far] = [-1, 400];
    place.forEach(([x, y], i) => {
      const d = (x - event.offsetX) ** 2 + (y - event.offsetY) ** 2;
      if (d < far) [best, far] = [i, d];
    });
    if (best < 0 || best === asked) return;
    asked = best;
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const found = await call(`map/item?row=${data.rows[best]}`).catch(() => null);
      if (found && asked === best) near.replaceChildren(el("b", {}, `${STATES[data.states[data.state[best]]]}${found.label ? `, ${found.label}` : ""}: `), el("span", { dir: "auto" }, found.text));
    }, 80);
  });
  const counts = data.counts.map((n, i) => [data.states[i], n]).filter(([, n]) => n);
  const part = data.rows.length < data.items ? `${count(data.rows.length)} of ${plural(data.items, "item")}` : plural(data.items, "item");
  return figure({
    title: "Map of the items",
    sentence: `${part}; similar ones lie close together.`,
    wide: true,
    body: [box, el("p", { class: "legend small" }, ...counts.map(([state, n]) => el("span", {}, el("i", { class: `key m-${state}` }), `${STATES[state]} (${count(n)})`))), near],
    help: "The first two principal components of the features: far apart is different, but close together may still differ in what two dimensions cannot show. Of large pools a sample is drawn, with labeled items first.",
    doc: "docs/architecture.md",
    table: { head: ["state", "items"], rows: counts.map(([state, n]) => [STATES[state], count(n)]) },
  });
}

const PRICE = "askwise-price-of-an-hour";
const money = (value) => value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: value < 0.1 ? 3 : 2 });

/** What people did, how long it took and, at a price of an hour, what it costs. The price stays in this browser. */
function people({ annotators, agreement, verdict }) {
  const head = { title: "People", help: "Time is that between seeing a question and answering it, as far as it was measured; of a label the median, in all also of skipped and unsure ones. Quality comes from items that several people labeled (Dawid and Skene 1979). Krippendorff's alpha is 1 for perfect agreement and 0 for what chance would give. The price is in any currency and stays in this browser.", doc: "docs/guarantee.md" };
  if (!annotators.length) return figure({ ...head, body: el("p", { class: "nothing" }, "Nobody has answered yet.") });
  const pairs = Object.entries(agreement.cohen);
  const two = (value) => (value === null ? "–" : value.toFixed(2));
  const sum = (what) => annotators.reduce((total, a) => total + a[what], 0);
  const box = el("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Table of people" });
  const says = el("p", { class: "small cost", role: "status" });
  const field = el("input", { type: "number", id: "price", min: 0, step: "any", inputMode: "decimal", value: localStorage.getItem(PRICE) ?? "" });

  function draw() {
    const price = field.valueAsNumber > 0 ? field.valueAsNumber : null;
    const cost = (seconds) => (price * seconds) / 3600;
    const row = (a) => [count(a.labels), count(a.unsure), count(a.skipped), a.pace === null ? "–" : a.pace.toFixed(1), a.seconds ? (a.seconds / 60).toFixed(1) : "–", ...(price ? [a.seconds ? money(cost(a.seconds)) : "–", a.timed ? money(cost(a.seconds) / a.timed) : "–"] : []), a.shared === null ? "" : count(a.shared), a.quality === null ? "–" : percent(a.quality)];
    const titles = ["person", "labels", "unsure", "skipped", "s a label", "minutes", ...(price ? ["cost", "cost a label"] : []), "shared", "quality"];
    const line = (a) => el("tr", {}, el("th", { scope: "row", dir: "auto" }, a.name), ...row(a).map((cell) => el("td", {}, cell)));
    const all = { name: "All", labels: sum("labels"), unsure: sum("unsure"), skipped: sum("skipped"), seconds: sum("seconds"), timed: sum("timed"), pace: null, shared: null, quality: null };
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
    sentence: agreement.items ? `On ${plural(agreement.items, "item")} labeled by several people they agree ${agreement.same} times; Krippendorff's alpha ${two(agreement.alpha)}.` : "No item has labels by several people, so nothing is known of their agreement.",
    wide: true,
    body: [box, el("p", { class: "price" }, el("label", { for: "price" }, "Price of an hour "), field), says],
    table: pairs.length ? { head: ["pair", "Cohen's kappa"], rows: pairs.map(([pair, value]) => [pair, two(value)]) } : null,
  });
}

/** The sentence on money: what was spent as far as it was measured, and the forecast. */
function spent(all, cost, verdict) {
  if (!all.timed) return "No time was measured, so nothing is known of what labels cost.";
  const unmeasured = all.labels > all.timed ? `; ${plural(all.labels - all.timed, "label")} without a measured time not counted` : "";
  const [low, high] = verdict.minutes_left_range ?? [];
  const range = low === undefined ? "" : ` (${money(cost(60 * low))} to ${money(cost(60 * high))})`;
  const left = verdict.minutes_left === null ? "What is still to come cannot be told yet." : `About ${money(cost(60 * verdict.minutes_left))}${range} to go.`;
  return `${money(cost(all.seconds))} so far, ${money(cost(all.seconds) / all.timed)} a label${unmeasured}. ${left}`;
}
