// Dashboard: the items as points on a plane.

import { call } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { count, plural } from "../lib/numbers.js";
import { figure, fit } from "./chart.js";

const STATES = {
  open: "still open",
  next: "asked next",
  unsure: "marked unsure",
  labeled: "labeled",
  model: "labeled by the model",
  wrong: "check the model had wrong",
};

export function map(data) {
  const canvas = el("canvas", {
    role: "img",
    "aria-label": `Map of ${plural(data.rows.length, "item")}; the counts are below it`,
  });
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
        // A square: told apart without color.
        if (state === "wrong") ink.rect(place[i][0] - size, place[i][1] - size, 2 * size, 2 * size);
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
      if (found && asked === best)
        near.replaceChildren(
          el("b", {}, `${STATES[data.states[data.state[best]]]}${found.label ? `, ${found.label}` : ""}: `),
          el("span", { dir: "auto" }, found.text),
        );
    }, 80);
  });
  const counts = data.counts.map((n, i) => [data.states[i], n]).filter(([, n]) => n);
  const part =
    data.rows.length < data.items
      ? `${count(data.rows.length)} of ${plural(data.items, "item")}`
      : plural(data.items, "item");
  return figure({
    title: "Map of the items",
    sentence: `${part}; similar ones lie close together.`,
    wide: true,
    body: [
      box,
      el(
        "p",
        { class: "legend small" },
        ...counts.map(([state, n]) =>
          el("span", {}, el("i", { class: `key m-${state}` }), `${STATES[state]} (${count(n)})`),
        ),
      ),
      near,
    ],
    help:
      "The first two principal components of the features: far apart is different, but close together may " +
      "still differ in what two dimensions cannot show. Of large pools a sample is drawn, with labeled items " +
      "first.",
    doc: "docs/architecture.md",
    table: { head: ["state", "items"], rows: counts.map(([state, n]) => [STATES[state], count(n)]) },
  });
}
