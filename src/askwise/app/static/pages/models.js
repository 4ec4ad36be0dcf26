// Models: every version, what it knew, how good it was, what changed.

import { call } from "../lib/api.js";
import { lines } from "./chart.js";
import { dialog, toast } from "../lib/dialogs.js";
import { el } from "../lib/dom.js";
import { above, below, count, percent, plural } from "../lib/numbers.js";
import { panel } from "./model-card.js";
import { watch } from "./monitor.js";

const PAGE = 50;
const when = (seconds) =>
  new Date(1000 * seconds).toLocaleString("en", {
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  });

const takeBack = ({ since, version }) => `Take back the ${plural(since, "answer")} given since version ${version}`;

export async function open(page, about, offset = 0) {
  const [data, card, watched] = await Promise.all([
    call(`models?offset=${offset}&limit=${PAGE}`),
    panel(about),
    watch(about),
  ]);
  const { versions, total, items, settings, attempts } = data;
  const owner = about.me.role === "owner";
  const again = () => open(page, about, offset);
  const back = async (v) => {
    const who = el(
      "select",
      { id: "whose" },
      el("option", { value: "" }, "everybody"),
      ...data.people.map((name) => el("option", { value: name }, name)),
    );
    const value = await dialog({
      title: `Back to version ${v.version}?`,
      body: [
        el(
          "p",
          {},
          `Takes back the ${plural(v.since, "answer")} given since, which may void a certificate. The next ` +
            "version learns without them. Undo gives them again.",
        ),
        data.people.length > 1
          ? el("p", { class: "target-row" }, el("label", { for: "whose" }, "Answers of"), who)
          : null,
      ],
      buttons: [
        { label: "Cancel", value: "", kind: "primary" },
        { label: "Take them back", value: "yes", kind: "danger" },
      ],
    });
    if (value !== "yes") return;
    try {
      const { number } = await call("models/rewind", { version: v.version, annotator: who.value });
      await again();
      toast("Taken back. The next version comes with the next questions.", {
        button: "Undo",
        act: () => undo(number),
        time: 60_000,
      });
    } catch (error) {
      toast(error.message, { bad: true, time: 10_000 });
    }
  };
  const undo = async (number) => {
    try {
      const reply = await call("models/replay", { number });
      await again();
      toast(`Gave ${plural(reply.count, "answer")} again.`);
    } catch (error) {
      toast(error.message, { bad: true, time: 10_000 });
    }
  };
  const handed = (v) =>
    attempts
      .filter((a) => a.version === v.version)
      .map((a) => `attempt ${a.attempt}: ${a.taken_back ? "taken back" : a.outcome}`)
      .join(", ");
  const known = versions.filter((v) => v.changed !== null).toReversed();
  const most = Math.max(0.01, ...known.map((v) => v.changed / items));
  const parts = [
    el(
      "p",
      { class: "intro" },
      "A new version is learned whenever answers come in. Each one is a function of the labels that it " +
        "knew, and every guess of every version is in the log.",
    ),
    el(
      "p",
      { class: "small" },
      `${settings.learner} on ${settings.encoder}, strategy ${settings.strategy}, seed ${settings.seed}, ` +
        `Askwise ${settings.version}${data.training ? " · training now" : ""}`,
    ),
    versions.length && versions[0].learner ? el("p", { class: "small" }, `In charge: ${versions[0].learner}.`) : null,
    card,
    card ? watched : null,
    known.length > 1
      ? el(
          "section",
          { class: "panel figure wide" },
          el("h2", {}, "Guesses changed from version to version"),
          el(
            "p",
            { class: "says" },
            `The newest version changed ${plural(versions[0].changed ?? 0, "guess", "guesses")} of ` +
              `${count(items)}. When few change, more labels teach little.`,
          ),
          lines({
            series: [{ name: "guesses changed", points: known.map((v) => [v.version, v.changed / items]) }],
            x: { label: "version", low: known[0].version, high: known.at(-1).version, show: count },
            y: { low: 0, high: most, show: (v) => percent(v, most < 0.1 ? 1 : 0) },
            say: "Share of the guesses that changed, by version",
            height: 190,
          }),
        )
      : null,
    total
      ? el(
          "div",
          { class: "scroll panel", tabIndex: 0, role: "region", "aria-label": "Versions" },
          el(
            "table",
            { class: "numbers versions" },
            el(
              "thead",
              {},
              el(
                "tr",
                {},
                ...[
                  "version",
                  "learned",
                  "labels",
                  "accuracy",
                  "proved",
                  "changed",
                  "took",
                  "handed over",
                  ...(owner ? ["go back"] : []),
                ].map((h) => el("th", { scope: "col" }, h)),
              ),
            ),
            el(
              "tbody",
              {},
              ...versions.map((v) =>
                el(
                  "tr",
                  {},
                  el("th", { scope: "row" }, String(v.version)),
                  ...[
                    when(v.at),
                    count(v.labels),
                    v.accuracy === null ? "–" : percent(v.accuracy),
                    `${below(v.low)} to ${above(v.high)}`,
                    v.changed === null ? "–" : `${count(v.changed)} (${percent(v.changed / items, 1)})`,
                    `${v.seconds.toFixed(2)} s`,
                    handed(v),
                  ].map((cell) => el("td", {}, cell)),
                  owner
                    ? el(
                        "td",
                        {},
                        v.since
                          ? el(
                              "button",
                              {
                                type: "button",
                                class: "link",
                                "aria-label": takeBack(v),
                                onclick: () => back(v),
                              },
                              `take back ${count(v.since)}`,
                            )
                          : null,
                      )
                    : "",
                ),
              ),
            ),
          ),
        )
      : el("p", { class: "nothing" }, "No model yet: the first one comes after two different answers."),
    total > PAGE
      ? el(
          "nav",
          { class: "pager", "aria-label": "Pages of the versions" },
          el(
            "button",
            { type: "button", class: "plain", disabled: offset === 0, onclick: () => open(page, about, offset - PAGE) },
            "Newer",
          ),
          el("span", {}, `${count(offset + 1)} to ${count(Math.min(total, offset + PAGE))} of ${count(total)}`),
          el(
            "button",
            {
              type: "button",
              class: "plain",
              disabled: offset + PAGE >= total,
              onclick: () => open(page, about, offset + PAGE),
            },
            "Older",
          ),
        )
      : "",
    el(
      "p",
      { class: "small" },
      "Going back to a version takes back the answers that were given since, so that the next version " +
        "learns from what that one knew. Nothing is erased: check items that lose their answer are asked " +
        "again, and until then count against the bounds.",
    ),
  ];
  page.replaceChildren(...parts.filter(Boolean));
}
