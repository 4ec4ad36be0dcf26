// Guidelines: a little Markdown as elements, and what they say of each label.

import { el } from "../lib/dom.js";

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
