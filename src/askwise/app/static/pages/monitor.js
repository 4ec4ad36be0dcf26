// New items on Models: whether what was certified still holds of them, and the checks that wait for a person.

import { call } from "../lib/api.js";
import { chooser, tag } from "./choose.js";
import { dialog, toast } from "../lib/dialogs.js";
import { el } from "../lib/dom.js";
import { count, percent, plural } from "../lib/numbers.js";

const MARK = { "still holds": "good", "cannot tell": "", "no longer": "bad" };

/** The section; it draws itself anew when something changes. */
export async function watch(about) {
  const section = el("section", { class: "panel", id: "watched", "aria-label": "New items" });
  draw(section, about, await call("monitor", undefined, { timeout: 60_000 }));
  return section;
}

function draw(section, about, { monitor, refused }, focus = false) {
  const owner = about.me.role === "owner";
  const act = async (work, on = false) => {
    try {
      draw(section, about, await work(), on);
    } catch (error) {
      toast(error.message, { bad: true, time: 10_000 });
    }
  };
  if (!monitor) {
    section.replaceChildren(
      el("h2", {}, "New items"),
      el(
        "p",
        { class: "says" },
        refused ||
          "Certificates are about the items of this project. Whether the model is still right about what comes " +
            "later can be watched: people check a few of the new items, drawn at random, without seeing its guess.",
      ),
      ...(owner && !refused
        ? [
            el(
              "p",
              { class: "row" },
              el("button", { type: "button", class: "plain", onclick: () => begin(act) }, "Watch new items …"),
            ),
          ]
        : []),
    );
    return;
  }
  const facts = [
    `${plural(monitor.items, "new item")}, ${count(monitor.covered)} labeled by the model`,
    `${plural(monitor.checks, "check")} drawn, ${count(monitor.wrong)} wrong, ${count(monitor.waiting)} waiting`,
    ...(monitor.reference_left
      ? [`looks are compared after ${plural(monitor.reference_left, "more item", "more items")}`]
      : []),
  ];
  const checks = el("div", { id: "checks" });
  section.replaceChildren(
    el(
      "h2",
      {},
      "New items: ",
      el("span", { class: `verdict ${MARK[monitor.verdict]}`, id: "verdict" }, monitor.verdict),
    ),
    el("p", { class: "says", id: "monitor-says", role: "status" }, monitor.sentence),
    el("p", { class: "small" }, `${facts.join(" · ")}.`),
    checks,
    el(
      "p",
      { class: "small" },
      `At most ${percent(monitor.terms.max_error, 1)} of its labels may be wrong. New items come through the API ` +
        "(POST monitor/items), or from a file: askwise monitor take MONITOR FILE, with the file that ends in " +
        ".monitor.json beside the session's.",
    ),
    ...(owner
      ? [
          el(
            "p",
            { class: "row" },
            el("button", { type: "button", class: "link", onclick: () => end(act) }, "End this monitor …"),
          ),
        ]
      : []),
  );
  if (monitor.waiting) next(checks, monitor, act, focus);
}

/** The first check that waits, blind. */
async function next(box, monitor, act, focus) {
  let found;
  try {
    found = await call("monitor/checks?limit=1");
  } catch (error) {
    box.replaceChildren(el("p", { class: "nothing", role: "alert" }, error.message));
    return;
  }
  const [check] = found.checks;
  if (!check) return;
  const answer = (label) =>
    act(async () => {
      const reply = await call("monitor/answers", { answers: [{ check: check.number, label }] });
      toast(label === null ? "Left undecided." : el("span", {}, "Answered: ", tag(label, monitor.labels)));
      return reply;
    }, true);
  const cells = check.view?.cells ?? (check.view?.pair ?? []).map((text, at) => [`text ${at + 1}`, text]);
  box.replaceChildren(
    el(
      "article",
      { class: "panel case" },
      el("p", { class: "case-facts" }, el("small", {}, `Check of item ${count(check.number)}; the guess is hidden`)),
      cells.length
        ? el(
            "dl",
            { class: "columns" },
            ...cells.flatMap(([name, value]) => [el("dt", {}, name), el("dd", { dir: "auto" }, value)]),
          )
        : el("p", { class: "case-text", dir: "auto" }, check.text),
      el(
        "div",
        { class: "act-row" },
        chooser({ classes: monitor.labels, called: "Label", pick: answer }),
        el("button", { type: "button", class: "link", onclick: () => answer(null) }, "Cannot be decided"),
      ),
    ),
  );
  if (focus) box.querySelector("button, select")?.focus();
}

async function begin(act) {
  const limit = el("input", {
    id: "monitor-limit",
    type: "number",
    min: 0.1,
    max: 50,
    step: 0.1,
    placeholder: "as certified",
  });
  const part = el("input", { id: "monitor-share", type: "number", min: 0.1, max: 100, step: 0.1, value: 10 });
  const value = await dialog({
    title: "Watch new items?",
    body: [
      el(
        "p",
        {},
        "The model is kept as it is now, and its guesses can be asked for: no certificate can hand over what is open " +
          "in this project any more. Finish first, if you want more of it certified.",
      ),
      el("p", { class: "target-row" }, el("label", { for: "monitor-limit" }, "Wrong labels allowed, in %"), limit),
      el(
        "p",
        { class: "target-row" },
        el("label", { for: "monitor-share" }, "New items that people check, in %"),
        part,
      ),
    ],
    buttons: [
      { label: "Cancel", value: "", kind: "primary" },
      { label: "Watch", value: "yes", kind: "danger" },
    ],
  });
  if (value !== "yes") return;
  const share = (input) => (input.value === "" ? null : Number(input.value) / 100);
  await act(() => call("monitor", { max_error: share(limit), check_share: share(part) ?? 0.1 }, { timeout: 120_000 }));
}

async function end(act) {
  const value = await dialog({
    title: "End this monitor?",
    body: [el("p", {}, "What it has found stays on the server, under another name. Checks that wait are not asked.")],
    buttons: [
      { label: "Cancel", value: "", kind: "primary" },
      { label: "End it", value: "yes", kind: "danger" },
    ],
  });
  if (value !== "yes") return;
  await act(async () => {
    await call("monitor", undefined, { method: "DELETE" });
    return call("monitor");
  });
}
