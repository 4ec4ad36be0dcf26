// The labeling page: starts it, and hears from the server while nothing is sent.

import { call } from "../lib/api.js";
import { $, el } from "../lib/dom.js";
import { rail } from "../lib/rail.js";
import { buildActs, host, showKeys } from "./acts.js";
import { ask, lost, outbox, take } from "./deck.js";
import { definitions, prose } from "./guidelines.js";
import { useKeys } from "./keys.js";
import { render } from "./screen.js";
import { AHEAD, listen, state } from "./state.js";
import { dress, widgetFor } from "./widgets/index.js";

const POLL = 2000;

/** Hear of the training, the estimate, and new questions where there were none. */
async function poll() {
  if (!document.hidden && !outbox.waiting && performance.now() - state.heard > POLL - 300) {
    if (!state.about) await boot();
    else if (state.deck.length < AHEAD || state.gone) await ask();
    else await call("pulse").then((pulse) => take({ pulse }), lost);
  }
  setTimeout(poll, POLL);
}

async function boot() {
  try {
    const { pulse, history, ...about } = await call("state");
    useWidget(pulse.task);
    Object.assign(state, { about, pulse, history });
    state.told = toldOf(about);
    showAbout(about);
    outbox.open(about.session);
    await ask();
  } catch (error) {
    lost(error);
  }
}

/** Put the widget of the kind of answers on the page; once, since a session keeps its kind. */
function useWidget(task) {
  if (state.widget) return;
  state.kind = widgetFor(task);
  useKeys(state.kind.keys);
  dress(state.kind);
  state.widget = state.kind.create(host());
  showKeys();
}

/** label in small letters → what is said of it, in the guidelines or by itself. */
function toldOf({ guidelines, descriptions }) {
  const own = Object.entries(descriptions).map(([name, text]) => [name.toLowerCase(), text]);
  return new Map([...definitions(guidelines), ...own]);
}

function showAbout({ me, kind, title, team, guidelines }) {
  rail("./", me.role);
  document.body.dataset.kind = kind;
  document.body.dataset.role = me.role; // what the role may not do is not shown
  document.title = title ? `${title} · Askwise` : "Askwise";
  const name = title || "Askwise";
  $("title").replaceChildren(team ? el("a", { href: "/team", title: "All projects" }, name) : name);
  $("b-guide").hidden = !guidelines;
  $("guide-text").replaceChildren(prose(guidelines));
  $("guide").hidden = !guidelines || localStorage.getItem("askwise-guide") === "hidden";
}

listen(render);
buildActs();
await boot();
setTimeout(poll, POLL);
