// Finish: what to allow, what it costs, a dry run, the blind checks, the labels.

import { call } from "../lib/api.js";
import { pill } from "../lib/tags.js";
import { tag } from "./choose.js";
import { dialog, toast } from "../lib/dialogs.js";
import { el } from "../lib/dom.js";
import { below, checksFor, count, exactly, plural } from "../lib/numbers.js";
import { taking } from "./taking.js";

/** What the share of wrong labels is a share of: for choosing, for the table of attempts. */
const OF = {
  auto: ["of all that it labels", "the model's labels"],
  dataset: ["of the items it labels or you check", "the checked region"],
  file: ["of the whole file, your labels included", "the whole file"],
};

let page = null;
const share = exactly;
const small = (...text) => el("p", { class: "small" }, ...text);
const step = (number, title, ...body) =>
  el(
    "section",
    { class: "panel step", "aria-label": title },
    el("h2", {}, el("span", { class: "step-number", "aria-hidden": "true" }, String(number)), title),
    ...body.filter(Boolean),
  );

export async function open(box) {
  page = box;
  const data = await call("finish", undefined, { timeout: 60_000 });
  const { pulse } = data;
  const checking = pulse.autolabel?.status === "checking";
  page.replaceChildren(
    ...[
      data.recall ? recall(data) : null,
      checking ? running(data) : null,
      outcome(data),
      goingOn(data),
      ...(checking || !pulse.counts.rest ? [] : choosing(data)),
      taking(data),
      attempts(data),
    ].filter(Boolean),
  );
}

function recall({ recall: r }) {
  return el(
    "section",
    { class: "panel" },
    el("h2", {}, "The goal of this search"),
    el(
      "p",
      { class: "says" },
      `Find ${share(r.target)} of the relevant items, with ${share(r.confidence)} confidence: ` +
        `${count(r.found)} found, ${plural(r.unread, "item")} unread.`,
    ),
    small(
      `Proved so far: at least ${below(r.low)} found${r.reached ? "; the goal is reached" : ""}. If the ` +
        `rest is no richer than the ranking says: ${below(r.low_if_ranked)}.`,
    ),
  );
}

function running({ pulse: { autolabel } }) {
  const total = autolabel.done + (autolabel.left ?? 0);
  return step(
    "…",
    "Blind checks are running",
    el("p", { class: "says" }, autolabel.reason),
    el("progress", { max: total || 1, value: autolabel.done, "aria-label": "Blind checks answered" }),
    small(`${count(autolabel.done)} answered, ${count(autolabel.left ?? 0)} more if all go well.`),
    el(
      "div",
      { class: "act-row" },
      el("a", { class: "button primary", href: "./" }, "Answer the checks"),
      el("button", { type: "button", class: "danger", onclick: giveUp }, "Give up"),
    ),
  );
}

async function giveUp() {
  const value = await dialog({
    title: "Give up the blind checks?",
    body: el(
      "p",
      {},
      "Your answers stay and the model learns from them, but nothing is proved, and this attempt's share " +
        "of the error budget stays spent: the next attempt needs more checks.",
    ),
    buttons: [
      { label: "Go on checking", value: "", kind: "primary" },
      { label: "Give up", value: "cancel", kind: "danger" },
    ],
  });
  if (value === "cancel") await act("autolabel/cancel", {});
}

async function act(path, body, done) {
  try {
    const reply = await call(path, body, { timeout: 120_000 });
    await open(page);
    if (done) toast(done);
    return reply;
  } catch (error) {
    toast(error.message, { bad: true, time: 10_000 });
    return null;
  }
}

/** Step 1 to 3: the target, its price and what it takes, the start. */
function choosing({ pulse, shares: offered, target, max_error: wanted, confidence, recall: search }) {
  const classes = pulse.classes;
  const shares = [...new Set([...offered, wanted])].sort((a, b) => a - b);
  const options = (chosen, first) => [
    ...first,
    ...shares.map((s) => el("option", { value: String(s), selected: s === chosen }, `at most ${share(s)} wrong`)),
  ];
  const one = el("select", { id: "target", onchange: () => ask() }, ...options(wanted, []));
  const of = el(
    "select",
    { id: "of", "aria-label": "Share of what", onchange: () => ask() },
    ...[...new Set(["auto", "file", target])].map((name) =>
      el("option", { value: name, selected: name === target }, OF[name][0]),
    ),
  );
  const each = classes.map((name) =>
    el(
      "select",
      { id: `target-${name}`, "aria-label": `Share of wrong labels of ${name}`, onchange: () => ask() },
      ...options(wanted, [el("option", { value: "" }, "leave to people")]),
    ),
  );
  const apart = el("input", {
    type: "checkbox",
    id: "apart",
    onchange: () => ((perClass.hidden = !apart.checked), (one.disabled = of.disabled = apart.checked), ask()),
  });
  const perClass = el(
    "ul",
    { class: "per-class", hidden: true },
    ...classes.map((name, i) => el("li", {}, pill(name, classes), each[i])),
  );
  const price = el("div", { "aria-live": "polite" });
  const sets = pulse.task.widget === "sets";
  const whole = pulse.task.widget !== "one"; // right or wrong as a whole, so there is one share for all
  const start = el(
    "button",
    { type: "button", class: "primary", disabled: true, onclick: () => begin() },
    "Start the blind checks",
  );
  const body = () =>
    search
      ? {}
      : apart.checked
        ? {
            classes: Object.fromEntries(
              classes
                .map((name, i) => [name, each[i].value])
                .filter(([, v]) => v)
                .map(([name, v]) => [name, Number(v)]),
            ),
          }
        : { max_error: Number(one.value), target: of.value };
  let asked = 0;

  async function ask() {
    const mine = ++asked;
    start.disabled = true;
    if (apart.checked && !Object.keys(body().classes).length) {
      price.replaceChildren(small("Choose a share for at least one class."));
      return;
    }
    price.replaceChildren(small("Working it out …"));
    try {
      const plan = await call("finish/plan", body(), { timeout: 120_000 });
      if (mine !== asked) return;
      price.replaceChildren(...describe(plan));
      start.disabled = !plan.size;
    } catch (error) {
      if (mine === asked) price.replaceChildren(el("p", { class: "nothing" }, error.message));
    }
  }

  function describe({ parts, by_class: byClass, sample, size, rest }) {
    if (search)
      return [
        small(
          `Everything unread (${plural(rest, "item")}) is put in a random order. You read it in that order ` +
            "until it is proved that enough is found; the rest is left as irrelevant.",
        ),
      ];
    if (!size)
      return [
        el(
          "p",
          { class: "nothing" },
          parts.map((p) => (p.label ? `${p.label}: ${p.reason}` : p.reason)).join(" ") || "No attempt is left.",
        ),
      ];
    const checks = parts.reduce((sum, p) => sum + p.checks, 0);
    const first = parts.reduce((sum, p) => sum + p.first, 0);
    const given = Object.entries(byClass).filter(([, n]) => n);
    return [
      el("p", { class: "says" }, `${plural(size, "item")} of ${count(rest)} for ${checksFor(checks, first)}.`),
      el(
        "ul",
        { class: "parts" },
        ...parts.map((p) =>
          el("li", {}, p.label ? tag(p.label, classes) : null, small(p.reason), p.unsaid ? small(p.unsaid) : null),
        ),
      ),
      given.length ? el("h3", {}, sets ? "Items with each label, by the model" : "By the model's class") : "",
      el(
        "ul",
        { class: "counts" },
        ...given.map(([name, n]) => el("li", {}, tag(name, classes), el("b", { class: "num" }, count(n)))),
      ),
      sample.length
        ? el(
            "details",
            {},
            el("summary", {}, `Some of these ${plural(size, "item")}`),
            el("ul", { class: "sample" }, ...sample.map(({ text }) => el("li", { dir: "auto" }, text))),
            small("Their labels stay hidden: any of them may become a blind check."),
          )
        : "",
    ];
  }

  async function begin() {
    start.disabled = true;
    const reply = await act("finish/start", body());
    if (reply?.result?.status === "refused") {
      await dialog({
        title: "Not yet",
        body: [el("p", { class: "lead" }, reply.result.reason), small("Nothing was spent: no attempt was started.")],
        buttons: [{ label: "Close", value: "", kind: "primary" }],
      });
    } else if (reply) toast("The blind checks are the next questions on Label.");
    else start.disabled = false;
  }

  queueMicrotask(ask);
  return [
    step(
      1,
      search ? "How the search ends" : "How many of the model's labels may be wrong?",
      el("p", {}, pulse.verdict.reason),
      search ? null : el("div", { class: "target-row" }, el("label", { for: "target" }, "Allow"), one, of),
      search || whole ? null : el("label", { class: "tick-field" }, apart, el("span", {}, "a share for each class")),
      search || whole ? null : perClass,
      sets ? small("An item counts as wrong where one of its labels is missing or too much.") : null,
      !sets && pulse.task.strict ? small(pulse.task.strict) : null,
      search
        ? null
        : small(
            "Of the whole file is the cheapest: your own labels count as right, so the model's alone may " +
              "be wrong more often than the share.",
          ),
      small(`Proved with ${share(confidence)} confidence, all attempts together.`),
    ),
    step(2, "What it costs, and what it takes", small("A dry run: nothing is frozen, nothing is spent."), price),
    step(
      3,
      "Certify",
      small(
        "The items are frozen. You check random ones of them without seeing the model's guess, until it is " +
          "proved or refused; what you check is labeled by you. Then the model labels the others. You can " +
          "give up, or take its labels back.",
      ),
      el("div", { class: "act-row" }, start),
    ),
  ];
}

function outcome({ certificates, pulse }) {
  if (!certificates.length) return null;
  const mean = pulse.counts.auto;
  return el(
    "section",
    { class: "panel certificate", "aria-label": "Certificates" },
    el("h2", {}, certificates.length > 1 ? "Certificates" : "Certificate"),
    ...certificates.map((c) =>
      el(
        "div",
        { class: c.void ? "result" : "result good" },
        el("p", { class: "lead" }, c.sentence),
        c.unsaid ? el("p", {}, c.unsaid) : null,
        c.void ? el("p", { class: "void" }, `It no longer holds: ${c.void}`) : null,
        c.fingerprint ? small("fingerprint ", el("code", { class: "print" }, c.fingerprint)) : null,
      ),
    ),
    small("Whoever has the session file can recompute this: ", el("code", {}, "askwise verify FILE"), "."),
    mean
      ? el(
          "div",
          { class: "act-row" },
          el("a", { class: "button plain", href: "review#spot" }, "Look at some of them"),
          el(
            "button",
            { type: "button", class: "danger", onclick: () => takeBack(mean) },
            "Take the model's labels back",
          ),
        )
      : null,
  );
}

/** Answers were changed, and the attempt that had ended may go on in its frozen order. */
function goingOn({ pulse: { autolabel } }) {
  const left = autolabel?.resumable ?? null;
  if (left === null) return null;
  return el(
    "section",
    { class: "panel", "aria-label": "Changed answers" },
    el("h2", {}, "Answers to its checks were changed"),
    el(
      "p",
      { class: "says" },
      left
        ? `With these the same attempt can go on, in the same order: ${plural(left, "more check")} if all go well. `
        : "With these the same attempt is decided already. ",
      "Nothing more of the error budget is spent, and what the model has labeled under it is open till then.",
    ),
    el(
      "div",
      { class: "act-row" },
      el(
        "button",
        { type: "button", class: "primary", onclick: () => act("autolabel/resume", {}) },
        "Go on with its checks",
      ),
    ),
  );
}

async function takeBack(n) {
  const value = await dialog({
    title: `Take back ${plural(n, "label")} of the model?`,
    body: el(
      "p",
      {},
      "The last batch of its labels is taken back as a whole. The items are open again; the certificate " +
        "goes with them. What was spent on proving it stays spent.",
    ),
    buttons: [
      { label: "Keep them", value: "", kind: "primary" },
      { label: "Take them back", value: "undo", kind: "danger" },
    ],
  });
  if (value === "undo") await act("autolabel/undo", {}, "The model's labels were taken back.");
}

function attempts({ attempts: made }) {
  if (!made.length) return null;
  const ended = (a) => (a.taken_back ? "taken back" : a.outcome === "open" ? "under way" : a.outcome);
  return el(
    "section",
    { class: "panel", "aria-label": "Attempts" },
    el("h2", {}, "Attempts"),
    el(
      "div",
      { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Table of attempts" },
      el(
        "table",
        { class: "numbers" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ...["attempt", "class", "at most", "of", "items", "checks", "wrong", "outcome"].map((h) =>
              el("th", { scope: "col" }, h),
            ),
          ),
        ),
        el(
          "tbody",
          {},
          ...made.map((a) =>
            el(
              "tr",
              {},
              el("th", { scope: "row" }, String(a.number)),
              ...[
                a.label ?? "all",
                share(a.max_error),
                OF[a.target]?.[1] ?? "",
                count(a.region),
                count(a.checks),
                count(a.wrong),
                ended(a),
              ].map((c) => el("td", {}, c)),
            ),
          ),
        ),
      ),
    ),
  );
}
