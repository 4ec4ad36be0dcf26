// Draws items that are no plain text: images, recordings, table rows, pairs.

import { address } from "../lib/api.js";
import { $, el } from "../lib/dom.js";
import { beside, gone, leave, tune, viewer } from "./image.js";

/** The version keeps the browser from showing another session's file, kept from the same address. */
export const source = ({ row, view }) => address(`file?row=${row}&version=${view.version}`);

/** The node for what a question shows, or null for plain text. */
export function draw(kind, { view, row, text }) {
  leave();
  if (!view) return null;
  if (view.cells) return cells(view.cells);
  if (view.pair) return pair(view.pair);
  const from = source({ row, view });
  return kind === "audio" ? player(from, text) : viewer(from, text);
}

/** The same, small, for a list. */
export function small(kind, { view, row, text, label }) {
  if (view?.file && kind === "image") {
    const img = el("img", { src: source({ row, view }), alt: "", loading: "lazy" });
    tune(img);
    return el(
      "button",
      {
        type: "button",
        class: "thumb",
        title: `${text}: side by side`,
        "aria-pressed": "false",
        "aria-label": `Side by side with ${text}, labeled ${label}`,
        onclick: (event) => beside(source({ row, view }), label, event.currentTarget),
      },
      img,
    );
  }
  return el("span", { dir: "auto" }, text.replaceAll("\n", " · "));
}

/** Load what comes next, so that it is there when it is asked. */
export function ahead(kind, questions) {
  if (kind !== "image") return;
  for (const one of questions) if (one.view?.file) new Image().src = source(one);
}

// ── recordings ──────────────────────────────────────────────────────────────────────────────

let speed = 1;

function player(from, name) {
  const audio = el("audio", {
    controls: true,
    preload: "auto",
    src: from,
    id: "audio",
    "aria-label": `The recording ${name}`,
  });
  audio.addEventListener("error", () => gone(audio, from));
  audio.addEventListener("loadedmetadata", () => (audio.playbackRate = speed));
  const pick = el(
    "select",
    { "aria-label": "Speed" },
    ...[0.5, 0.75, 1, 1.25, 1.5, 2].map((rate) => el("option", { value: rate, selected: rate === speed }, `${rate} ×`)),
  );
  pick.addEventListener("change", () => {
    speed = Number(pick.value);
    audio.playbackRate = speed;
    pick.blur();
  });
  return el(
    "div",
    { class: "player" },
    el("p", { class: "small", dir: "auto" }, name),
    audio,
    el("label", {}, "Speed ", pick),
  );
}

export function play() {
  const audio = $("audio");
  if (audio?.paused) audio.play();
  else audio?.pause();
}

// ── rows and pairs ──────────────────────────────────────────────────────────────────────────

export function cells(rows) {
  return el(
    "table",
    { class: "cells" },
    el(
      "tbody",
      {},
      ...rows.map(([name, value]) =>
        el("tr", {}, el("th", { scope: "row", dir: "auto" }, name), el("td", { dir: "auto" }, value || "–")),
      ),
    ),
  );
}

function pair([first, second]) {
  const side = (title, text) =>
    el(
      "section",
      {},
      el("h2", {}, title),
      el("div", { dir: "auto", tabIndex: 0, role: "group", "aria-label": title }, text),
    );
  return el("div", { class: "pair" }, side("First", first), side("Second", second));
}
