// Builds elements; all text goes in as text, never as markup.

export const $ = (id) => document.getElementById(id);

/** An element: properties (on… = listener, data-/aria-/role… = attribute), then children (nodes or text). */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name.includes("-") || name === "role" || name === "for") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

/** One of the icons drawn in index.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A share in percent, rounded, but never to 0 or 100 where it is neither. */
export function percent(share, digits = 0) {
  const shown = (100 * share).toFixed(digits);
  const least = 10 ** -digits;
  if (share > 0 && Number(shown) === 0) return `< ${least.toFixed(digits)} %`;
  if (share < 1 && Number(shown) === 100) return `> ${(100 - least).toFixed(digits)} %`;
  return `${shown} %`;
}
/** A share that was set or promised, with as many digits as it has. */
export const exactly = (share) => `${Number((100 * share).toFixed(6))} %`;
/** Proved bounds, rounded outwards: what is shown holds because what was computed does. */
export const below = (share) => percent(Math.floor(100 * share + 1e-6) / 100);
export const above = (share) => percent(Math.ceil(100 * share - 1e-6) / 100);
/** A projected number of blind checks: a success takes `first`, an attempt that fails ends earlier. */
export const checksFor = (expected, first) => (Math.round(expected) > first ? `about ${plural(Math.round(expected), "blind check")} (at least ${count(first)})` : `${plural(first, "blind check")} or more`);
export const count = (number) => number.toLocaleString("en");
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** The hue of a class: golden-angle steps, so that neighbours differ. */
export const hue = (index) => Math.round((255 + index * 137.508) % 360);

/** Guidelines: headings, lists, **bold** and `code` of Markdown; the rest stays as written. */
export function prose(markdown) {
  const box = document.createDocumentFragment();
  const inline = (node, line) => {
    for (const part of line.split(/(\*\*[^*]+\*\*|`[^`]+`)/)) {
      if (/^\*\*.+\*\*$/.test(part)) node.append(el("strong", {}, part.slice(2, -2)));
      else if (/^`.+`$/.test(part)) node.append(el("code", {}, part.slice(1, -1)));
      else node.append(part);
    }
    return node;
  };
  let list = null;
  let paragraph = null;
  for (const line of markdown.split(/\r?\n/)) {
    const heading = line.match(/^#{1,6}\s+(.*)/);
    const bullet = line.match(/^\s*(?:[-*]|\d+[.)])\s+(.*)/);
    if (bullet) {
      list ??= box.appendChild(el("ul"));
      list.append(inline(el("li"), bullet[1]));
      paragraph = null;
      continue;
    }
    list = null;
    if (heading) box.append(inline(el("h3"), heading[1]));
    if (heading || !line.trim()) {
      paragraph = null;
      continue;
    }
    if (paragraph) paragraph.append(" ");
    else paragraph = box.appendChild(el("p"));
    inline(paragraph, line.trim());
  }
  return box;
}

/** What the guidelines say of each label: lines "- **label** text"; label in small letters → text. */
export function definitions(markdown) {
  const found = new Map();
  for (const line of markdown.split(/\r?\n/)) {
    const [, name, text] = line.match(/^\s*[-*]\s+\*\*([^*]+)\*\*\s*[:–—-]?\s*(\S.*)$/) ?? [];
    if (name) found.set(name.replace(/:$/, "").trim().toLowerCase(), text.replace(/\*\*|`/g, ""));
  }
  return found;
}
