// The way from page to page: a rail at the side, a bar at the foot of a narrow screen.

import { el } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const LEVEL = { annotator: 1, reviewer: 2, owner: 3 };

/** [address, name, least role, path of the icon] */
const PAGES = [
  ["./", "Label", 1, "M4 12.5 11.5 5H19v7.500L11.500 20ZM15.500 8.500h.01"],
  ["dashboard", "Dashboard", 2, "M4 20V4M4 20h16M8 16.500v-4M12 16.500V8M16 16.500v-6"],
  ["review", "Review", 2, "M4 5h16v11h-9l-4 4v-4H4ZM9 10.500l2 2 4-4"],
  ["data", "Data", 2, "M4 5h16v14H4ZM4 10h16M4 14.500h16M10 10v9"],
  ["models", "Models", 2, "M12 3.500 20 8l-8 4.500L4 8ZM4 12l8 4.500 8-4.500M4 16l8 4.500 8-4.500"],
  ["finish", "Finish", 3, "M5 21V4h13l-2.500 4 2.500 4H5"],
];

/** Fill the rail with the pages that a role may open; nothing where there is only one. */
export function rail(current, role) {
  const box = document.getElementById("rail");
  const mine = PAGES.filter(([, , least]) => LEVEL[role] >= least);
  document.body.classList.toggle("railed", mine.length > 1);
  box.replaceChildren(
    ...(mine.length > 1 ? mine : []).map(([href, name, , path]) => {
      const svg = document.createElementNS(SVG, "svg");
      svg.setAttribute("class", "icon");
      svg.setAttribute("viewBox", "0 0 24 24");
      svg.setAttribute("aria-hidden", "true");
      const line = document.createElementNS(SVG, "path");
      line.setAttribute("d", path);
      svg.append(line);
      return el("a", { href, "aria-current": href === current ? "page" : null }, svg, el("span", {}, name));
    }),
  );
}
