// What the figures of the dashboard share: axes, spans of time, names of classes.

import { el, hue } from "../lib/dom.js";
import { above, below, count, percent } from "../lib/numbers.js";

export const outward = (low, high) => `${below(low)} and ${above(high)}`;

export const labelsAxis = (points) => ({
  label: "labels by people",
  low: 0,
  high: Math.max(10, ...points),
  show: count,
});

export const shareAxis = { low: 0, high: 1, show: (v) => percent(v) };

export const thin = (points, most = 40) =>
  points.filter((_, i) => (points.length - 1 - i) % Math.ceil(points.length / most) === 0);

export function name(label, index) {
  const tag = el("span", { class: "pill name-tag", dir: "auto" }, label);
  tag.style.setProperty("--h", hue(index));
  return tag;
}
