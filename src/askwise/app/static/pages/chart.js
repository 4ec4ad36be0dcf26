// Charts as SVG: drawn at the width they have, colored by the style sheet, each with its numbers as a table.

import { el } from "../lib/dom.js";

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, props = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props))
    if (value !== null && value !== undefined) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A card with one chart: title, one sentence, the chart, what it means, its numbers. */
export function figure({ title, sentence, body, help, doc, table, wide = false }) {
  return el(
    "section",
    { class: wide ? "panel figure wide" : "panel figure" },
    el("h2", {}, title),
    sentence ? el("p", { class: "says" }, sentence) : null,
    ...[body].flat(),
    el(
      "div",
      { class: "foot" },
      table ? el("details", {}, el("summary", {}, "Numbers"), numbers(table)) : null,
      help
        ? el(
            "details",
            {},
            el("summary", {}, "What is this?"),
            el("p", { class: "small" }, help, doc ? el("span", {}, " More in ", el("code", {}, doc), ".") : null),
          )
        : null,
    ),
  );
}

/** A table of {head: [...], rows: [[...]]}; the first column names the row. */
export function numbers({ head, rows }) {
  return el(
    "div",
    { class: "scroll", tabIndex: 0, role: "region", "aria-label": `Table: ${head.join(", ")}` },
    el(
      "table",
      { class: "numbers" },
      el("thead", {}, el("tr", {}, ...head.map((cell) => el("th", { scope: "col" }, cell)))),
      el(
        "tbody",
        {},
        ...rows.map(([first, ...rest]) =>
          el(
            "tr",
            {},
            el("th", { scope: "row", dir: "auto" }, String(first)),
            ...rest.map((cell) => el("td", {}, String(cell))),
          ),
        ),
      ),
    ),
  );
}

/** Round numbers between two bounds, about `wanted` of them. */
export function ticks(low, high, wanted = 5) {
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const found = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step)
    found.push(Number(value.toPrecision(12)));
  return found;
}

/**
 * A chart of lines: series [{name, points: [[x, y]], dashed, dots}], a band [[x, low, high]], a vertical mark.
 * `x` and `y` are {label, low, high, show: value => text}.
 */
export function lines({ series, band = [], x, y, mark = null, say, height = 240 }) {
  const box = el("div", { class: "chart" });
  const draw = (width) => {
    const [left, right, top, bottom] = [48, 14, 10, 40];
    const at = (value) => left + ((value - x.low) / (x.high - x.low || 1)) * (width - left - right);
    const up = (value) => height - bottom - ((value - y.low) / (y.high - y.low || 1)) * (height - top - bottom);
    const path = (points) =>
      points.map(([a, b], i) => `${i ? "L" : "M"}${at(a).toFixed(1)} ${up(b).toFixed(1)}`).join("");
    const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": say });
    for (const value of ticks(y.low, y.high, 4)) {
      root.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: up(value), y2: up(value) }));
      root.append(svg("text", { class: "tick", x: left - 8, y: up(value) + 4, "text-anchor": "end" }, y.show(value)));
    }
    for (const value of ticks(x.low, x.high, Math.max(3, Math.floor(width / 110)))) {
      root.append(
        svg("text", { class: "tick", x: at(value), y: height - bottom + 17, "text-anchor": "middle" }, x.show(value)),
      );
    }
    root.append(
      svg("text", { class: "tick", x: (left + width - right) / 2, y: height - 5, "text-anchor": "middle" }, x.label),
    );
    if (band.length > 1) {
      const edge = [...band.map(([a, , high]) => [a, high]), ...band.toReversed().map(([a, low]) => [a, low])];
      root.append(svg("path", { class: "band", d: `${path(edge)}Z` }));
    }
    series.forEach(({ points, dashed, dots }, i) => {
      if (!points.length) return;
      root.append(svg("path", { class: `line s${i}${dashed ? " dashed" : ""}`, d: path(points) }));
      if (dots || points.length === 1)
        for (const [a, b] of points) root.append(svg("circle", { class: `dot s${i}`, cx: at(a), cy: up(b), r: 3.5 }));
    });
    if (mark !== null)
      root.append(svg("line", { class: "mark-line", x1: at(mark), x2: at(mark), y1: top, y2: height - bottom }));
    box.replaceChildren(root, ...(series.length > 1 || band.length ? [legend(series, band.length > 1)] : []));
  };
  fit(box, draw);
  return box;
}

const legend = (series, band) =>
  el(
    "p",
    { class: "legend small" },
    ...series.map(({ name, dashed }, i) =>
      el("span", {}, el("i", { class: `key s${i}${dashed ? " dashed" : ""}` }), name),
    ),
    band ? el("span", {}, el("i", { class: "key area" }), "proved bounds") : null,
  );

/** Draw now and whenever the width changes. */
export function fit(box, draw) {
  let last = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width && width !== last) {
      last = width;
      draw(width);
    }
  }).observe(box);
}

/** An interval between 0 and 1 as a bar with a tick. */
export function interval({ estimate, low, high }, name) {
  const shown = estimate === null ? "" : `${Math.round(100 * estimate)} %`;
  // Outwards, so that what is shown is proved too.
  const range = `${Math.floor(100 * low + 1e-6)} to ${Math.ceil(100 * high - 1e-6)} %`;
  const bar = el(
    "span",
    {
      class: "span-bar",
      role: "img",
      "aria-label": `${name}: ${shown || "not seen"}, proved ${range}`,
      title: `${shown || "not seen yet"}, proved ${range}`,
    },
    el("i", { class: "span-band" }),
    estimate === null ? null : el("i", { class: "span-tick" }),
  );
  bar.style.setProperty("--low", low);
  bar.style.setProperty("--high", high);
  bar.style.setProperty("--at", estimate ?? 0);
  return el(
    "span",
    { class: "span" },
    bar,
    el("b", { class: "num" }, shown || "–"),
    el("small", { class: "num" }, range),
  );
}
