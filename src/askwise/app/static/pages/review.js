// Review: where labels disagree or look wrong, what is left for people, what the model labeled.

import { call } from "../lib/api.js";
import { chooser, media, said, tag } from "./choose.js";
import { toast } from "../lib/dialogs.js";
import { $, el } from "../lib/dom.js";
import { count, percent, plural } from "../lib/numbers.js";

const PAGE = 20;
let classes = [];
let kind = "text";
let panel = null;
let shown = "";

const KINDS = [
  ["disagreements", "Disagreements"],
  ["suspects", "Suspected errors"],
  ["duplicates", "Contradictions"],
  ["deferred", "Left for people"],
  ["spot", "Model's labels"],
];

export async function open(page, about) {
  classes = about.pulse.classes;
  kind = about.kind;
  panel = el("div", { id: "found", role: "tabpanel", tabIndex: 0 });
  page.replaceChildren(
    el(
      "div",
      { class: "tabs", role: "tablist", "aria-label": "What to review" },
      ...KINDS.map(([name, title]) =>
        el(
          "button",
          { type: "button", role: "tab", id: `t-${name}`, "aria-controls": "found", onclick: () => show(name) },
          title,
          el("span", { class: "count", id: `n-${name}` }),
        ),
      ),
    ),
    panel,
  );
  page.querySelector(".tabs").addEventListener("keydown", arrows);
  const wanted = location.hash.slice(1);
  await show(KINDS.some(([name]) => name === wanted) ? wanted : "disagreements");
  for (const [name] of KINDS)
    if (name !== shown)
      call(address(name), undefined, { timeout: 60_000 }).then(
        (reply) => tally(name, reply),
        () => {},
      );
}

/** Left and right move between the tabs. */
function arrows(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const at = KINDS.findIndex(([name]) => name === shown);
  const [next] = KINDS[(at + step + KINDS.length) % KINDS.length];
  show(next);
  $(`t-${next}`).focus();
}

const address = (name, offset = 0) =>
  `review/${name}${["disagreements", "deferred"].includes(name) ? `?offset=${offset}&limit=${PAGE}` : ""}`;
const tally = (name, reply) =>
  ($(`n-${name}`).textContent =
    reply.looked === false ? "" : count({ disagreements: reply.undecided, spot: reply.left }[name] ?? reply.total));

async function show(name, offset = 0) {
  shown = name;
  history.replaceState(null, "", `#${name}`);
  for (const [other] of KINDS) {
    $(`t-${other}`).setAttribute("aria-selected", String(other === name));
    $(`t-${other}`).tabIndex = other === name ? 0 : -1;
  }
  panel.setAttribute("aria-labelledby", `t-${name}`);
  panel.setAttribute("aria-busy", "true");
  try {
    const reply = await call(address(name, offset), undefined, { timeout: 60_000 });
    if (shown !== name) return;
    tally(name, reply);
    panel.replaceChildren(...VIEWS[name](reply, offset));
  } catch (error) {
    if (shown === name) panel.replaceChildren(el("p", { class: "nothing", role: "alert" }, error.message));
  }
  panel.removeAttribute("aria-busy");
}

/** Decide on an item's label; the card shows the outcome and a way back. */
async function decide(card, item, label, done) {
  for (const button of card.querySelectorAll("button, select")) button.disabled = true;
  try {
    const reply = await call("review/decide", { item, ...said(label) });
    const back = async () => {
      try {
        if (reply.number === null) await call("review/decide", { item, label: null });
        else await call("items/undo", { number: reply.number });
        await show(shown);
      } catch (error) {
        toast(error.message, { bad: true });
      }
    };
    const undo = el("button", { type: "button", class: "link", onclick: back }, "Undo");
    card.classList.add("done");
    card
      .querySelector(".act-row")
      .replaceChildren(el("span", { role: "status" }, done ?? "Decided: ", tag(label, classes)), undo);
    const next = [...panel.querySelectorAll(".case:not(.done)")].find(
      (other) => card.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING,
    );
    (next?.querySelector(".act-row button, .act-row select") ?? undo).focus();
  } catch (error) {
    toast(error.message, { bad: true });
    for (const button of card.querySelectorAll("button, select")) button.disabled = false;
  }
}

const intro = (text) => el("p", { class: "intro" }, text);
const nothing = (text) => el("p", { class: "nothing" }, text);

function box(entry, facts, ...acts) {
  const row = el("div", { class: "act-row" });
  const card = el(
    "article",
    { class: "panel case" },
    ...[media(entry, kind)].filter(Boolean),
    el("p", { class: "case-text", dir: "auto" }, entry.text),
    ...[facts].flat(),
    row,
  );
  row.append(...acts.map((make) => make(card)).filter(Boolean));
  return card;
}

function pager(total, offset) {
  if (total <= PAGE) return [];
  return [
    el(
      "nav",
      { class: "pager", "aria-label": "Pages of the list" },
      el(
        "button",
        { type: "button", class: "plain", disabled: offset === 0, onclick: () => show(shown, offset - PAGE) },
        "Earlier",
      ),
      el("span", {}, `${count(offset + 1)} to ${count(Math.min(total, offset + PAGE))} of ${count(total)}`),
      el(
        "button",
        { type: "button", class: "plain", disabled: offset + PAGE >= total, onclick: () => show(shown, offset + PAGE) },
        "Later",
      ),
    ),
  ];
}

const by = (name) => (name ? el("small", {}, ` by ${name}`) : null);

const VIEWS = {
  disagreements({ total, undecided, items }, offset) {
    return [
      intro(
        "Items that several people labeled differently. What you decide stands; everybody's answers stay " +
          "in the log and count in the agreement.",
      ),
      ...(total
        ? []
        : [
            nothing(
              "Nobody disagrees. Items get labels by several people where the session asks for overlap, or " +
                "where somebody labels an item again.",
            ),
          ]),
      ...(total && !undecided ? [nothing("All of them are decided.")] : []),
      ...items.map((entry) =>
        box(
          entry,
          el(
            "ul",
            { class: "votes" },
            ...entry.votes.map((vote) =>
              el(
                "li",
                {},
                tag(vote.label, classes),
                by(vote.annotator),
                vote.late &&
                  el(
                    "span",
                    { class: "small", title: "Asked earlier, answered after somebody else had; it decides nothing." },
                    " late",
                  ),
              ),
            ),
          ),
          (card) =>
            entry.decided
              ? el(
                  "span",
                  {},
                  "Decided: ",
                  tag(entry.label, classes),
                  by(entry.decided),
                  el("button", { type: "button", class: "link", onclick: () => lift(entry.item) }, "Undo"),
                )
              : chooser({
                  classes,
                  called: "Decide",
                  first: entry.votes.map((v) => v.label),
                  pick: (label) => decide(card, entry.item, label),
                }),
          () => (entry.decided ? null : el("small", {}, "now: ", tag(entry.label, classes))),
        ),
      ),
      ...pager(total, offset),
    ];
  },
  suspects({ total, checks, labeled, items, looked }) {
    if (!looked) return [nothing("Answers of this kind are not looked through for errors.")];
    const left = `${plural(checks, "check item")} left out: seeing the model's opinion would spoil the check.`;
    return [
      intro(
        "Labels that a model which did not see them takes for another class (confident learning, cross-validated " +
          `on ${plural(labeled, "label")}). It is often right, not always.${checks ? ` ${left}` : ""}`,
      ),
      ...(total ? [] : [nothing("No label looks wrong.")]),
      ...items.map((entry) =>
        box(
          entry,
          el(
            "p",
            { class: "case-facts" },
            "labeled ",
            tag(entry.label, classes),
            by(entry.annotator),
            " · looks like ",
            tag(entry.likely, classes),
            el("small", {}, ` ${percent(entry.other)} against ${percent(entry.own)}`),
          ),
          (card) =>
            chooser({
              classes,
              called: "Decide",
              first: [entry.label, entry.likely],
              pick: (label) => decide(card, entry.item, label, label === entry.label ? "Kept: " : "Changed to "),
            }),
        ),
      ),
    ];
  },
  duplicates({ total, compared, items }) {
    return [
      intro(
        `Nearly equal items with different labels, among ${plural(compared, "labeled item")}. Words that ` +
          "only one of the two has are marked.",
      ),
      ...(total ? [] : [nothing("No two items that are nearly equal have different labels.")]),
      ...items.map((pair) =>
        el(
          "section",
          { class: "pair", "aria-label": `A pair with similarity ${pair.similarity.toFixed(2)}` },
          el("p", { class: "small" }, `similarity ${pair.similarity.toFixed(2)}`),
          ...pair.items.map((entry) => {
            const card = box(
              entry,
              el("p", { class: "case-facts" }, "labeled ", tag(entry.label, classes), by(entry.annotator)),
              (self) =>
                chooser({
                  classes,
                  called: "Decide",
                  first: [entry.label],
                  pick: (label) => decide(self, entry.item, label, label === entry.label ? "Kept: " : "Changed to "),
                }),
            );
            card
              .querySelector(".case-text")
              .replaceChildren(...entry.pieces.map(([text, differs]) => (differs ? el("mark", {}, text) : text)));
            return card;
          }),
        ),
      ),
    ];
  },
  deferred({ total, items }, offset) {
    return [
      intro(
        "Items that still need a person, the most useful first. The model's guess stays hidden, as any of " +
          "them may become a blind check.",
      ),
      ...(total ? [] : [nothing("Nothing is left for people.")]),
      ...items.map((entry) =>
        box(
          entry,
          entry.flag === null
            ? []
            : el("p", { class: "case-facts" }, el("small", {}, `flagged${entry.flag ? `: ${entry.flag}` : ""}`)),
          (card) => chooser({ classes, called: "Label", pick: (label) => decide(card, entry.item, label, "Labeled ") }),
        ),
      ),
      ...pager(total, offset),
    ];
  },
  spot({ total, left, looked, wrong, items }) {
    return [
      intro(
        total
          ? `A random sample of the ${plural(total, "label")} that the model gave. Looked at in order: ` +
              `${count(looked)}, changed: ${count(wrong)}${looked ? ` (${percent(wrong / looked, 1)})` : ""}. ` +
              "The certificate does not rest on this; a label you change becomes yours."
          : "A random sample of the model's labels, to look at.",
      ),
      ...(total ? [] : [nothing("The model has labeled nothing yet. See Finish.")]),
      ...(total && !left ? [nothing("All of them were looked at.")] : []),
      ...items.map((entry) =>
        box(
          entry,
          el(
            "p",
            { class: "case-facts" },
            "the model says ",
            tag(entry.label, classes),
            el("small", {}, ` ${percent(entry.confidence)}`),
          ),
          (card) =>
            chooser({
              classes,
              called: "Confirm or change",
              first: [entry.label],
              pick: (label) => decide(card, entry.item, label, label === entry.label ? "Confirmed: " : "Changed to "),
            }),
        ),
      ),
      ...(left > items.length
        ? [el("p", {}, el("button", { type: "button", class: "plain", onclick: () => show("spot") }, "The next ones"))]
        : []),
    ];
  },
};

async function lift(item) {
  try {
    await call("review/decide", { item, label: null });
    await show(shown);
  } catch (error) {
    toast(error.message, { bad: true });
  }
}
