// Dashboard: what could be handed over to the model at which share of errors.

import { call } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { checksFor, count, exactly, percent, plural } from "../lib/numbers.js";
import { figure, lines } from "./chart.js";
import { shareAxis } from "./scales.js";

/** The offers come one by one: each takes up to seconds, so of a large pool only those that are asked for. */
export function coverage({ shares, own, target, rest, why }) {
  const head = {
    title: "What could be handed over",
    help:
      "For each share of errors that you would allow: how many items the model could label, and what that " +
      "costs in labels by people. Projected from the check items so far. A certificate is decided by blind " +
      "checks alone, never by this projection.",
    doc: "docs/guarantee.md",
  };
  if (!shares.length) return figure({ ...head, body: el("p", { class: "nothing" }, why) });
  const offers = new Map();
  const asked = new Set();
  const part = (o) => (o.rest ? o.size / o.rest : 0);
  const text = (s) => `${exactly(s)}${target === "file" ? " of the whole file" : ""}`;
  const says = el("p", { class: "big-line", role: "status" });
  const small = el("p", { class: "small" });
  const chart = el("div");
  const slider = el("input", {
    type: "range",
    min: 0,
    max: shares.length - 1,
    step: 1,
    id: "share",
    "aria-label": "Share of wrong labels allowed",
  });

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
    says.textContent = !o
      ? `At ≤ ${text(s)} wrong …`
      : o.size
        ? `Auto-label ${percent(part(o))} at ≤ ${text(s)} wrong`
        : `Nothing to hand over at ≤ ${text(s)} wrong`;
    small.textContent = !o
      ? "Working it out …"
      : o.size
        ? `${plural(o.size, "item")} of ${count(o.rest)}; ${checksFor(o.checks, o.first)}, ` +
          `${percent(o.passes)} likely to succeed. All done after about ${count(Math.round(o.cost))} labels.`
        : o.reason;
    chart.replaceChildren(
      lines({
        series: [
          {
            name: "share handed over",
            points: shares.filter((p) => offers.has(p)).map((p) => [p, part(offers.get(p))]),
            dots: true,
          },
        ],
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
