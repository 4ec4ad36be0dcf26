// The team's page: projects, people, tokens, webhooks.

import { Refused, call } from "../lib/api.js";
import { dialog, toast } from "../lib/dialogs.js";
import { $, el } from "../lib/dom.js";
import { count, percent } from "../lib/numbers.js";

const ROLES = ["annotator", "reviewer", "owner"];
const EVENTS = {
  "certificate.issued": "a certificate is issued",
  "certificate.void": "a certificate no longer holds",
  "project.ready": "a project is ready to finish",
  "labels.step": "a step of labels is done",
  "project.finished": "a project has a label for every item",
};
let me = null;

const day = (stamp) => new Date(1000 * stamp).toLocaleDateString(undefined, { dateStyle: "medium" });
const when = (stamp) =>
  stamp ? new Date(1000 * stamp).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "never";
const button = (text, act, kind = "link") => el("button", { type: "button", class: kind, onclick: act }, text);
const list = (id, rows, none) =>
  $(id).replaceChildren(...(rows.length ? rows : none ? [el("li", { class: "small" }, none)] : []));

/** Do it, then show what is there now; a refusal is said. */
async function change(act, done = "") {
  try {
    await act();
    if (done) toast(done);
  } catch (error) {
    if (error instanceof Refused && error.status === 401) location.href = "/login?next=/team";
    else toast(error.message, { bad: true, time: 10_000 });
  }
  await show();
}

/** Something that is shown once: to be copied. */
function once(title, value, text) {
  const field = el("input", { type: "text", readOnly: true, value, "aria-label": title });
  field.addEventListener("focus", () => field.select());
  const copy = button("Copy", () => navigator.clipboard?.writeText(value).then(() => toast("Copied.")), "plain");
  return dialog({
    title,
    body: [el("p", {}, text), el("div", { class: "line" }, field, copy)],
    buttons: [{ label: "Done", value: "", kind: "primary" }],
    wide: true,
  });
}

async function sure(title, text, label) {
  return (
    "yes" ===
    (await dialog({
      title,
      body: [el("p", {}, text)],
      buttons: [
        { label: "Cancel", value: "", kind: "plain" },
        { label, value: "yes", kind: "danger" },
      ],
    }))
  );
}

// ── projects ────────────────────────────────────────────────────────────────────────────────

function project({ name, title, items, labeled, accuracy, ready }) {
  const facts = [
    `${count(labeled)} of ${count(items)} labeled`,
    accuracy !== null && `${percent(accuracy)} right on the rest`,
    ready && "ready to finish",
  ];
  return el(
    "li",
    {},
    el(
      "a",
      { href: `/p/${encodeURIComponent(name)}/` },
      el("b", { dir: "auto" }, title),
      el("span", { class: "small" }, facts.filter(Boolean).join(" · ")),
    ),
  );
}

// ── people ──────────────────────────────────────────────────────────────────────────────────

function person({ number, name, role, active, seen }) {
  const choice = el("select", {
    "aria-label": `Role of ${name}`,
    disabled: !active,
    onchange: () =>
      change(
        () => call(`people/${number}`, { role: choice.value }, { method: "PATCH" }),
        `${name} is ${choice.value} now.`,
      ),
  });
  choice.append(...ROLES.map((word) => el("option", { selected: word === role }, word)));
  const toggle = async () => {
    if (
      active &&
      !(await sure(`Disable ${name}?`, "Their logins, tokens and links end at once. Their answers stay.", "Disable"))
    )
      return;
    await change(() => call(`people/${number}`, { active: !active }, { method: "PATCH" }));
  };
  return el(
    "tr",
    { class: active ? "" : "off" },
    el("td", { dir: "auto" }, name, active ? "" : el("span", { class: "small" }, " disabled")),
    el("td", {}, choice),
    el("td", { class: "small" }, when(seen)),
    el(
      "td",
      { class: "acts" },
      active && button("New password", () => reset(number, name)),
      active &&
        button("Log out", () => change(() => call(`people/${number}/logout`, {}), `${name} is logged out everywhere.`)),
      button(active ? "Disable" : "Enable", toggle),
    ),
  );
}

async function reset(number, name) {
  await change(async () => {
    const { link } = await call(`people/${number}/reset`, {});
    await once(
      "A link to set a new password",
      link.replace("/join#", "/join?reset#"),
      `Send it to ${name}. It works once, for a day.`,
    );
  });
}

$("f-invite").addEventListener("submit", (event) => {
  event.preventDefault();
  change(async () => {
    const role = $("invite-role").value;
    const { link, expires } = await call("invitations", { role });
    await once(`A link for one ${role}`, link, `It works once, until ${day(expires)}. It is not shown again.`);
  });
});

const invitation = ({ number, role, created_by: by, expires, resets }) =>
  el(
    "li",
    {},
    el(
      "span",
      {},
      resets ? `New password for ${resets}` : `Invitation as ${role}`,
      el("span", { class: "small" }, ` · by ${by || "the terminal"} · until ${day(expires)}`),
    ),
    button("Withdraw", () => change(() => call(`invitations/${number}`, undefined, { method: "DELETE" }))),
  );

// ── what was done ───────────────────────────────────────────────────────────────────────────

const ACTS = {
  login: () => "logged in",
  "login.failed": ({ about }) => `A wrong password for ${about || "a name that does not exist"}`,
  logout: () => "logged out",
  "logout.everywhere": ({ about }) => `ended every login of ${about}`,
  joined: ({ detail }) => `joined as ${detail}`,
  "password.changed": () => "changed their password",
  "password.reset": ({ detail }) => `set a new password, with a ${detail}`,
  "link.invitation": ({ detail }) => `made an invitation as ${detail}`,
  "link.reset": ({ about }) => `made a link to set a new password for ${about}`,
  "link.withdrawn": ({ about }) => `withdrew ${about}`,
  role: ({ about, detail }) => `changed the role of ${about}: ${detail}`,
  disabled: ({ about }) => `disabled ${about}`,
  enabled: ({ about }) => `enabled ${about}`,
  "token.made": ({ detail }) => `made the token ${detail}`,
  "token.revoked": ({ about, detail }) => `revoked the token ${detail} of ${about}`,
  "webhook.added": ({ about, detail }) => `added ${about} to ${detail}`,
  "webhook.removed": ({ about }) => `removed ${about}`,
  "project.begun": ({ about }) => `began the project ${about}`,
};

function deed(one) {
  const who = one.act === "login.failed" ? [] : [el("b", { dir: "auto" }, one.who || "The terminal"), " "];
  const text = ACTS[one.act]?.(one) ?? `${one.act} ${one.about} ${one.detail}`;
  return el(
    "li",
    {},
    el("span", { dir: "auto" }, ...who, text),
    el("span", { class: "small" }, `${when(one.at)}${one.address ? ` · ${one.address}` : ""}`),
  );
}

/** The newest acts, or those that follow what is shown. */
async function record(more) {
  const shown = more ? $("acts").children.length : 0;
  const { total, acts } = await call(`audit?offset=${shown}&limit=30`);
  if (more) $("acts").append(...acts.map(deed));
  else $("acts").replaceChildren(...acts.map(deed));
  $("b-acts").hidden = $("acts").children.length >= total;
}

$("record").addEventListener("toggle", () => $("record").open && change(() => record(false)));
$("b-acts").addEventListener("click", async () => {
  try {
    await record(true);
  } catch (error) {
    toast(error.message, { bad: true, time: 10_000 });
  }
});

// ── tokens ──────────────────────────────────────────────────────────────────────────────────

const token = ({ number, name, account, role, used, expires }) =>
  el(
    "li",
    {},
    el(
      "span",
      { dir: "auto" },
      name,
      el(
        "span",
        { class: "small" },
        ` · ${account === me.name ? "" : `${account}, `}${role} · used ` +
          `${when(used)}${expires ? ` · until ${day(expires)}` : ""}`,
      ),
    ),
    button("Revoke", () => change(() => call(`tokens/${number}`, undefined, { method: "DELETE" }), "Revoked.")),
  );

$("f-token").addEventListener("submit", (event) => {
  event.preventDefault();
  change(async () => {
    const made = await call("tokens", { name: $("token-name").value, role: $("token-role").value });
    $("token-name").value = "";
    await once("The new token", made.secret, "Keep it where only your program reads it. It is not shown again.");
  });
});

// ── webhooks ────────────────────────────────────────────────────────────────────────────────

const webhook = ({ number, url, events, step }) =>
  el(
    "li",
    {},
    el(
      "span",
      { dir: "auto" },
      url,
      el(
        "span",
        { class: "small" },
        " · " +
          `${events.map((name) => (name === "labels.step" ? `every ${count(step)} labels` : EVENTS[name])).join(", ")}`,
      ),
    ),
    el(
      "span",
      { class: "acts" },
      button("Test", () => change(() => call(`webhooks/${number}/test`, {}), "Queued; see the calls in a moment.")),
      button("Calls", () => calls(number)),
      button("Delete", () => change(() => call(`webhooks/${number}`, undefined, { method: "DELETE" }))),
    ),
  );

async function calls(number) {
  await change(async () => {
    const found = await call(`webhooks/${number}/deliveries`);
    const rows = found.map((d) =>
      el(
        "li",
        {},
        el(
          "span",
          {},
          d.event,
          el(
            "span",
            { class: "small" },
            ` · ${d.project} · ${when(d.created)} · ${d.status}${d.trouble ? `: ${d.trouble}` : ""}`,
            d.status === "waiting" && d.tries ? `, next try ${when(d.due)}` : "",
          ),
        ),
      ),
    );
    await dialog({
      title: "Calls",
      body: [el("ul", { class: "rows" }, ...(rows.length ? rows : [el("li", { class: "small" }, "None yet.")]))],
      buttons: [{ label: "Close", value: "", kind: "primary" }],
      wide: true,
    });
  });
}

$("webhook-events").append(
  ...Object.entries(EVENTS).map(([name, text]) =>
    el(
      "label",
      { class: "check" },
      el("input", { type: "checkbox", value: name, checked: name !== "labels.step" }),
      text,
    ),
  ),
);
$("f-webhook").addEventListener("submit", (event) => {
  event.preventDefault();
  change(async () => {
    const events = [...$("webhook-events").querySelectorAll("input:checked")].map((box) => box.value);
    const made = await call("webhooks", { url: $("webhook-url").value, events, step: Number($("webhook-step").value) });
    $("webhook-url").value = "";
    await once(
      "The webhook's secret",
      made.secret,
      "The receiver checks the signature of each call with it. It is not shown again.",
    );
  });
});

// ── oneself ─────────────────────────────────────────────────────────────────────────────────

$("b-logout").addEventListener("click", async () => {
  try {
    await call("logout", {});
    location.href = "/login";
  } catch (error) {
    toast(error.message, { bad: true });
  }
});

$("b-password").addEventListener("click", async () => {
  const old = el("input", { type: "password", autocomplete: "current-password", maxLength: 200, autofocus: true });
  const fresh = el("input", { type: "password", autocomplete: "new-password", maxLength: 200 });
  const value = await dialog({
    title: "Change password",
    body: [
      el(
        "div",
        { class: "stack" },
        el("label", {}, "Old password", old),
        el("label", {}, "New password, 10 characters or more", fresh),
      ),
      el("p", { class: "small" }, "You log in anew afterwards, everywhere, and your API tokens end."),
    ],
    buttons: [
      { label: "Cancel", value: "", kind: "plain" },
      { label: "Change", value: "yes", kind: "primary" },
    ],
  });
  if (value !== "yes") return;
  try {
    await call("me/password", { old: old.value, new: fresh.value });
    location.href = "/login";
  } catch (error) {
    toast(error.message, { bad: true, time: 10_000 });
  }
});

// ── showing ─────────────────────────────────────────────────────────────────────────────────

async function show() {
  const owner = me.role === "owner";
  const [projects, tokens, people, invitations, webhooks] = await Promise.all(
    ["projects", "tokens", ...(owner ? ["people", "invitations", "webhooks"] : [])].map((path) => call(path)),
  );
  list("projects", projects.map(project), "No project is served.");
  list("tokens", tokens.map(token), "None yet.");
  $("s-people").hidden = $("s-webhooks").hidden = !owner;
  if (!owner) return;
  $("people").replaceChildren(...people.map(person));
  list("invitations", invitations.map(invitation), "");
  list("webhooks", webhooks.map(webhook), "None yet.");
}

try {
  me = await call("me");
  $("me").replaceChildren(el("b", { dir: "auto" }, me.name), ` · ${me.role}`);
  $("token-role").append(
    ...ROLES.slice(0, ROLES.indexOf(me.role) + 1).map((word) => el("option", { selected: word === me.role }, word)),
  );
  $("new").hidden = !me.begin;
  await show();
} catch (error) {
  if (error instanceof Refused && error.status === 401) location.href = "/login?next=/team";
  else toast(error.message, { bad: true, time: 60_000 });
}
