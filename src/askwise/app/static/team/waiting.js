// The page that waits for a session; then the labeling page is at the same address.

import { $, el } from "../lib/dom.js";
import { showWork } from "../lib/progress.js";

let lost = 0; // when the server last stopped answering
for (;;) {
  try {
    const reply = await fetch("api/v1/new/progress", { cache: "no-store" });
    lost = 0;
    if (reply.status === 404) {
      location.reload();
      break;
    }
    if (reply.ok) showWork($("work"), await reply.json());
  } catch {
    lost ||= performance.now(); // between this server and the next one nobody answers
    if (performance.now() - lost > 10_000)
      $("work").replaceChildren(
        el("p", { class: "error" }, "The server does not answer any more; the terminal says why."),
      );
  }
  await new Promise((go) => setTimeout(go, 400));
}
