// The pages beside Label: finds out which one this is, loads its script.

import { Refused, call } from "../lib/api.js";
import { useTask } from "./choose.js";
import { $, el } from "../lib/dom.js";
import { rail } from "../lib/rail.js";

const TITLES = { dashboard: "Dashboard", review: "Review", data: "Data", models: "Models", finish: "Finish" };
const SCRIPTS = {
  dashboard: () => import("./dashboard.js"),
  review: () => import("./review.js"),
  data: () => import("./data.js"),
  models: () => import("./models.js"),
  finish: () => import("./finishing.js"),
};
const name = location.pathname.split("/").pop();

/** Nothing can be shown: say why, and offer another try. */
function trouble(error) {
  const key = error instanceof Refused && error.status === 401;
  const text = key ? "The key of this page is old. Open the link that askwise printed last." : error.message;
  $("page").replaceChildren(
    el(
      "section",
      { class: "panel", role: "alert" },
      el("h2", {}, "This page could not be loaded"),
      el("p", {}, text),
      el("p", {}, el("button", { type: "button", class: "plain", onclick: () => location.reload() }, "Try again")),
    ),
  );
}

async function open() {
  $("title").textContent = TITLES[name];
  const about = await call("state");
  document.title = `${TITLES[name]} · ${about.title || "Askwise"}`;
  $("project").textContent = about.title;
  rail(name, about.me.role);
  useTask(about.pulse.task);
  const page = await SCRIPTS[name]();
  $("loading")?.remove();
  await page.open($("page"), about);
}

try {
  await open();
} catch (error) {
  trouble(error);
}
