// Data: one item with everything that was done to it.

import { call } from "../lib/api.js";
import { dialog, toast } from "../lib/dialogs.js";
import { el } from "../lib/dom.js";
import { media, tag } from "./choose.js";

/** Where a label comes from, in words. */
export const SOURCES = {
  human: "by a person",
  given: "came with the data",
  model: "by the model",
  unsure: "marked unsure",
  skip: "skipped",
  open: "no label",
};
const DONE = {
  told: "labeled",
  skipped: "skipped",
  unsure: "marked unsure",
  flagged: "flagged",
  unflagged: "took the flag off",
  adjudicated: "decided",
  retracted: "took the answer back",
};

/** A moment, in seconds since 1970. */
export const when = (seconds) =>
  new Date(1000 * seconds).toLocaleString("en", {
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  });

const story = ({ at, annotator, kind: did, what }) =>
  el(
    "li",
    {},
    el("small", { class: "num" }, when(at)),
    el(
      "span",
      {},
      el("b", { dir: "auto" }, annotator || "–"),
      ` ${DONE[did] ?? did}${what ? ":" : ""} `,
      what ? el("span", { dir: "auto" }, what) : null,
    ),
  );

/** An item with everything that was done to it; `done` is called where its flag was taken off. */
export async function look(item, { kind, classes, done }) {
  let found;
  try {
    found = await call(`item?${new URLSearchParams({ item })}`);
  } catch (error) {
    toast(error.message, { bad: true });
    return;
  }
  const facts = [SOURCES[found.source], `item ${found.item}`];
  const cells = Object.entries(found.columns).filter(([, value]) => value !== found.text);
  const value = await dialog({
    title: "Item",
    wide: true,
    body: [
      media(found, kind),
      el("p", { class: "whole", dir: "auto", tabIndex: 0 }, found.text),
      el("p", { class: "case-facts" }, tag(found.label, classes), el("small", {}, ` ${facts.join(" · ")}`)),
      cells.length
        ? el(
            "dl",
            { class: "columns" },
            ...cells.flatMap(([name, cell]) => [el("dt", {}, name), el("dd", { dir: "auto" }, cell)]),
          )
        : null,
      el("h3", {}, "History"),
      found.history.length
        ? el("ol", { class: "story" }, ...found.history.map(story))
        : el("p", { class: "small" }, "Nobody has answered it."),
    ],
    buttons: [
      ...(found.flag === null ? [] : [{ label: "Take the flag off", value: "unflag", kind: "plain" }]),
      { label: "Close", value: "", kind: "primary" },
    ],
  });
  if (value !== "unflag") return;
  try {
    await call("items/unflag", { item });
    await done();
    toast("Flag taken off.");
  } catch (error) {
    toast(error.message, { bad: true });
  }
}
