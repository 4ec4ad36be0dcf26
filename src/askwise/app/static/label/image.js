// An image on the card: zoomed, tuned, beside another, with what speaks for a label laid over it.

import { $, el } from "../lib/dom.js";
import { inBrackets } from "./keys.js";

const tuned = { brightness: 100, contrast: 100, invert: false }; // kept from image to image
let at = { zoom: 1, x: 0, y: 0 }; // of the image on the card
let stage = null;

/** Another item is on the card. */
export function leave() {
  stage = null;
}

export function viewer(from, name) {
  at = { zoom: 1, x: 0, y: 0 };
  stage = el(
    "div",
    { class: "stage", tabIndex: 0, role: "group", "aria-label": "Image; plus and minus zoom" },
    pane(from, `The image ${name}`, ""),
  );
  pointers(stage);
  const bar = el(
    "div",
    { class: "tune", role: "group", "aria-label": "How the image is shown" },
    button("−", `Smaller${inBrackets("smaller")}`, () => zoom(1 / 1.4)),
    el("output", { class: "num", id: "zoom-now", "aria-label": "Zoom" }, "100 %"),
    button("+", `Larger${inBrackets("larger")}`, () => zoom(1.4)),
    button("Fit", `The whole image${inBrackets("fit")}`, fit),
    slider("Brightness", "brightness"),
    slider("Contrast", "contrast"),
    el(
      "button",
      {
        type: "button",
        class: "plain",
        id: "b-invert",
        title: `Negative${inBrackets("invert")}`,
        "aria-pressed": String(tuned.invert),
        onclick: invert,
      },
      "Invert",
    ),
    button("Reset", "Brightness, contrast and colors as they are", reset),
  );
  return el("div", { class: "viewer" }, stage, bar);
}

function pane(from, alt, caption) {
  const img = el("img", { src: from, alt, draggable: false });
  img.addEventListener("load", () => img.classList.toggle("tiny", img.naturalWidth < 160 && img.naturalHeight < 160));
  img.addEventListener("error", () => gone(img, from));
  tune(img);
  const out = el("figure", { class: "pane" }, img);
  if (caption) out.append(el("figcaption", { dir: "auto" }, caption));
  return out;
}

/** The server knows why an image does not come. */
export async function gone(img, from) {
  let sentence = "The image does not come.";
  try {
    const reply = await fetch(from);
    if (!reply.ok) sentence = (await reply.json()).error;
  } catch {
    sentence = "The image does not come: the server does not answer.";
  }
  img.replaceWith(el("p", { class: "small", role: "alert" }, sentence));
}

const button = (text, title, act) =>
  el("button", { type: "button", class: "plain", title, "aria-label": title, onclick: act }, text);

function slider(text, name) {
  const input = el("input", {
    type: "range",
    min: 20,
    max: 300,
    value: tuned[name],
    "aria-label": text,
    "data-tune": name,
  });
  input.addEventListener("input", () => {
    tuned[name] = Number(input.value);
    retune();
  });
  return el("label", {}, el("span", {}, text), input);
}

export const tune = (img) => {
  img.style.filter = `brightness(${tuned.brightness}%) contrast(${tuned.contrast}%) ${tuned.invert ? "invert(1)" : ""}`;
};

function retune() {
  for (const img of document.querySelectorAll(".stage img, .thumb img")) tune(img);
  for (const input of document.querySelectorAll("[data-tune]")) input.value = tuned[input.dataset.tune];
  $("b-invert")?.setAttribute("aria-pressed", String(tuned.invert));
}

export function invert() {
  tuned.invert = !tuned.invert;
  retune();
}

function reset() {
  Object.assign(tuned, { brightness: 100, contrast: 100, invert: false });
  retune();
}

export function fit() {
  at = { zoom: 1, x: 0, y: 0 };
  place();
}

/** Zoom by a factor around a point of the stage (default its middle). */
export function zoom(factor, px = null, py = null) {
  if (!stage) return;
  const box = stage.querySelector(".pane").getBoundingClientRect();
  const dx = (px ?? box.width / 2) - box.width / 2;
  const dy = (py ?? box.height / 2) - box.height / 2;
  const next = Math.min(20, Math.max(1, at.zoom * factor));
  const by = next / at.zoom;
  at = { zoom: next, x: dx - (dx - at.x) * by, y: dy - (dy - at.y) * by };
  place();
}

function place() {
  if (!stage) return;
  const box = stage.querySelector(".pane").getBoundingClientRect();
  const room = (size) => ((at.zoom - 1) * size) / 2; // never out of sight
  at.x = Math.min(room(box.width), Math.max(-room(box.width), at.x));
  at.y = Math.min(room(box.height), Math.max(-room(box.height), at.y));
  for (const img of stage.querySelectorAll("img, canvas"))
    img.style.transform = `translate(${at.x}px, ${at.y}px) scale(${at.zoom})`;
  stage.classList.toggle("zoomed", at.zoom > 1);
  const now = $("zoom-now");
  if (now) now.value = `${Math.round(100 * at.zoom)} %`;
}

const STRONG = 0.5; // of the strongest cell: framed, so that color is not all that tells
const FINE = 840; // pixels of the longer side that the cells are drawn at

/** Lay the cells that speak for a label over the image on the card, or (null) take them away. */
export function cover(what) {
  const box = stage?.querySelector(".pane");
  box?.querySelector("canvas")?.remove();
  const img = box?.querySelector("img");
  if (!what || !img?.naturalWidth) return;
  const { label, where } = what;
  const by = FINE / Math.max(img.naturalWidth, img.naturalHeight);
  // As wide to high as the image, so that the browser fits both into the pane alike.
  const canvas = el("canvas", {
    width: Math.round(img.naturalWidth * by),
    height: Math.round(img.naturalHeight * by),
    role: "img",
    "aria-label": `For ${label} speaks: ${where.join(", ")}`,
  });
  const ink = canvas.getContext("2d");
  const most = Math.max(...what.cells.flat());
  const edge = (i, n, size) => Math.round((i * size) / n);
  what.cells.forEach((line, y) =>
    line.forEach((lost, x) => {
      const share = Math.max(0, lost / most);
      const [left, top] = [edge(x, line.length, canvas.width), edge(y, what.cells.length, canvas.height)];
      const [width, height] = [
        edge(x + 1, line.length, canvas.width) - left,
        edge(y + 1, what.cells.length, canvas.height) - top,
      ];
      ink.fillStyle = `rgb(255 150 0 / ${0.45 * share})`;
      ink.fillRect(left, top, width, height);
      if (share < STRONG) return;
      for (const [color, inset] of [
        ["#000", 3],
        ["#fff", 7],
      ]) {
        ink.strokeStyle = color;
        ink.lineWidth = 4;
        ink.strokeRect(left + inset, top + inset, width - 2 * inset, height - 2 * inset);
      }
    }),
  );
  box.append(canvas);
  stage.scrollIntoView({ block: "nearest" });
  place();
}

/** Wheel, drag, pinch, double click. */
function pointers(node) {
  const down = new Map();
  const local = (event) => {
    const box = (event.target.closest(".pane") ?? node).getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  node.addEventListener(
    "wheel",
    (event) => {
      if (event.deltaY > 0 && at.zoom === 1) return; // then the page scrolls
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 400), ...local(event));
    },
    { passive: false },
  );
  node.addEventListener("dblclick", (event) => (at.zoom > 1 ? fit() : zoom(2.5, ...local(event))));
  node.addEventListener("pointerdown", (event) => {
    down.set(event.pointerId, event);
    if (at.zoom > 1 || down.size > 1) node.setPointerCapture(event.pointerId);
  });
  for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, (event) => down.delete(event.pointerId));
  node.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    if (down.size === 2) {
      const other = [...down.values()].find((one) => one !== before);
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      if (apart(before) > 0) zoom(apart(event) / apart(before));
    } else if (at.zoom > 1) {
      at.x += event.clientX - before.clientX;
      at.y += event.clientY - before.clientY;
      place();
    }
    down.set(event.pointerId, event);
  });
}

/** Show a labeled image beside the one on the card, moved and zoomed together; again takes it away. */
export function beside(from, label, pressed) {
  if (!stage) return;
  const same = pressed.getAttribute("aria-pressed") === "true";
  for (const thumb of document.querySelectorAll(".thumb")) thumb.setAttribute("aria-pressed", "false");
  stage.querySelector(".pane + .pane")?.remove();
  if (!same) {
    pressed.setAttribute("aria-pressed", "true");
    stage.append(pane(from, `A similar image, labeled ${label}`, label));
    stage.scrollIntoView({ block: "nearest" });
  }
  place();
}
