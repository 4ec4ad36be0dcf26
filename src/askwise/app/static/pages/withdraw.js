// Items out of the project for good: the owner's button beside the chosen items of the Data page, which asks first.

import { call } from "../lib/api.js";
import { dialog, toast } from "../lib/dialogs.js";
import { el } from "../lib/dom.js";
import { plural } from "../lib/numbers.js";

const MOST = 5000; // items of one request

/** The button for the chosen ids; `done` is called when they are gone. */
export function leaving(items, done) {
  return el(
    "button",
    { type: "button", class: "plain danger", id: "b-withdraw", onclick: () => withdraw(items, done) },
    "Withdraw …",
  );
}

async function withdraw(items, done) {
  const reason = el("input", { type: "text", id: "w-reason", maxLength: 1000, autocomplete: "off", autofocus: true });
  const body = [
    el(
      "p",
      {},
      "What they hold is taken out of the session for good, with their ids; the model learns without them, and no ",
      "export has them. ",
      el("strong", {}, "This cannot be undone."),
    ),
    el(
      "p",
      { class: "small" },
      "Copies, exports and models that were saved before are yours to delete. Check items among them count for the ",
      "worst in every bound.",
    ),
    el("label", {}, el("span", { class: "small" }, "Reason, for the log (name nobody)"), reason),
  ];
  const buttons = [
    { label: "Cancel", value: "", kind: "plain" },
    { label: `Withdraw ${plural(items.length, "item")}`, value: "yes", kind: "plain danger" },
  ];
  const title = `Withdraw ${plural(items.length, "item")} for good?`;
  if ((await dialog({ title, body, buttons })) !== "yes") return;
  try {
    let said = "";
    for (let at = 0; at < items.length; at += MOST) {
      const part = { items: items.slice(at, at + MOST), reason: reason.value };
      said = (await call("items/withdraw", part, { timeout: 600_000 })).sentence;
    }
    await done();
    toast(said, { time: 20_000 });
  } catch (error) {
    await done();
    toast(error.message, { bad: true, time: 20_000 });
  }
}
