// Logging in, and joining with an invitation; an invitation's secret is the part of the address after #.

import { call } from "../lib/api.js";
import { $ } from "../lib/dom.js";

const joining = location.pathname === "/join";
const resetting = joining && new URLSearchParams(location.search).has("reset");
const secret = location.hash.slice(1);

/** Where to go afterwards: a page of ours, or the list of projects. */
function next() {
  const wanted = new URLSearchParams(location.search).get("next") ?? "";
  return /^\/(team|p\/[^/\\]+\/[a-z]*)$/.test(wanted) ? wanted : "/team";
}

function say(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

if (joining) {
  document.title = "Join · Askwise";
  $("title").textContent = resetting ? "Set a new password" : "Join the team";
  $("about").textContent = resetting
    ? "The link works once."
    : "Choose the name your answers are recorded under, and a password of at least 10 characters. The link works once.";
  $("go").textContent = resetting ? "Set password" : "Join";
  $("password").autocomplete = "new-password";
  $("name-row").hidden = resetting;
  $("name").required = !resetting;
  if (!secret) say("This link is incomplete. Open the whole link, with the part after #.");
}
$("about").hidden = !$("about").textContent;
(resetting ? $("password") : $("name")).focus();

$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  say("");
  $("go").disabled = true;
  const password = $("password").value;
  const name = $("name").value;
  try {
    if (joining) await call("join", resetting ? { secret, password } : { secret, name, password });
    else await call("login", { name, password });
    location.replace(joining ? "/team" : next());
  } catch (error) {
    say(error.message);
    $("go").disabled = false;
    $("password").focus();
  }
});
