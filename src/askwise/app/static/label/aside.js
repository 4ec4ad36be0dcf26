// What the server will not take: shown, to be copied, sent once more, or forgotten.

import { dialog, toast } from "../lib/dialogs.js";
import { el } from "../lib/dom.js";
import { plural } from "../lib/numbers.js";

const DID = { tell: "Label", skip: "Skipped", unsure: "Unsure", flag: "Flagged", retract: "Took the answer back" };

/** One line of what was set aside, to be read and copied. */
export function toldOf({ verb, item, about, label, labels, note, sentence }) {
  const parts = [DID[verb] ?? verb, labels?.join(", ") || label, note && `note: ${note}`];
  return `${about || item}\n${parts.filter(Boolean).join(" · ")}\nNot saved: ${sentence}`;
}

export async function showAside(outbox) {
  const text = outbox.aside.map(toldOf).join("\n\n");
  const field = el("textarea", { rows: 8, readOnly: true, value: text, "aria-label": "Not saved" });
  const about = "The server does not take these; what was answered after them is saved. They are kept in this browser.";
  const value = await dialog({
    title: `${plural(outbox.aside.length, "answer")} not saved`,
    body: [el("p", {}, about), field],
    buttons: [
      { label: "Forget them", value: "forget" },
      { label: "Copy", value: "copy" },
      { label: "Try again", value: "again", kind: "primary" },
    ],
  });
  if (value === "forget") outbox.forgetAside();
  if (value === "again") outbox.retryAside();
  if (value !== "copy") return;
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("This browser does not let a page copy: mark the text and press Ctrl C.", { bad: true });
  }
}
