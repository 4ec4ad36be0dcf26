// How far long work is: a bar, the rate, the time left.

import { el } from "./dom.js";
import { count, duration } from "./numbers.js";

/** Elements for a reply of new/progress; the same bar is kept from call to call. */
export function showWork(box, { title, done, total, seconds, rate, left }) {
  const said = [];
  if (total) said.push(`${count(done)} of ${count(total)}`);
  if (rate && total) said.push(`${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))} a second`);
  if (left !== null && total && done < total) said.push(`about ${duration(left)} left`);
  if (!total && seconds >= 1) said.push(`${duration(seconds)} so far`);
  if (!box.querySelector("progress"))
    box.replaceChildren(
      el("p", { class: "lead" }),
      el("progress", { "aria-label": "Progress", max: 1 }),
      el("p", { class: "small num" }),
    );
  const [lead, bar, small] = box.children;
  lead.textContent = title ? `${title[0].toUpperCase()}${title.slice(1)} …` : "Working …";
  if (total) bar.value = done / total;
  else bar.removeAttribute("value");
  small.textContent = said.join(" · ");
}

/** Ask how far it is, again and again, until `over()`; gives the function that stops it. */
export function followWork(ask, show) {
  let over = false;
  (async () => {
    while (!over) {
      const work = await ask().catch(() => null);
      if (over) return;
      if (work) show(work);
      await new Promise((go) => setTimeout(go, 500));
    }
  })();
  return () => (over = true);
}
