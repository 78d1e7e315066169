"use strict";

// The token is in the fragment, which browsers send to nobody. Opening the page does nothing with it: a form must be
// sent.
const main = document.querySelector("main");
const message = document.getElementById("message");
const paste = document.getElementById("paste");
const again = document.getElementById("again");
const fields = [...document.querySelectorAll("input[name=token]")];
const token = findToken(location.hash);

/** The token in a link, or in whatever else holds it whole: mail programs break lines, and pack links into others. */
function findToken(text) {
  return text.replace(/\s/g, "").match(/bienvenue_[a-z]+_[\w-]{48}/)?.[0];
}

function say(text, isProblem) {
  message.textContent = text;
  message.classList.toggle("problem", isProblem);
  message.focus();
}

/** Says what went wrong: in the words of the page, or where it has none for that, in the service's. */
function explain(problem) {
  const name = (problem.type || "").replace("/problems/", "");
  say(main.getAttribute(`data-${name}`) || problem.detail || main.dataset.failed, true);
  if (name !== "invalid-token") return;
  close();
  again.hidden = false;
}

/** Nothing more is done with this link. */
function close() {
  for (const field of fields) field.form.hidden = true;
  again.hidden = true;
}

async function send(form) {
  const body = {};
  for (const [name, value] of new FormData(form)) if (value) body[name] = value;
  const answer = await fetch(form.dataset.path, {
    method: form.dataset.method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) return explain(await answer.json());
  close();
  // The token is spent: it need not stay in the history.
  history.replaceState(null, "", location.pathname);
  say(form.dataset.done, false);
  const next = document.getElementById(form.dataset.next);
  if (next) next.hidden = false;
}

for (const form of document.querySelectorAll("form[data-path]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const buttons = document.querySelectorAll("button");
    for (const button of buttons) button.disabled = true;
    say("", false);
    try {
      await send(form);
    } catch {
      say(main.dataset.failed, true);
    }
    for (const button of buttons) button.disabled = false;
  });
}

// What a mail program cut off the link can be pasted.
paste.addEventListener("submit", (event) => {
  event.preventDefault();
  const pasted = findToken(new FormData(paste).get("link"));
  if (pasted) location.replace(`#token=${pasted}`);
  else say(main.dataset.noToken, true);
});

for (const choice of document.querySelectorAll("input[data-shows]")) {
  const field = document.getElementById(choice.dataset.shows);
  choice.addEventListener("change", () => { field.type = choice.checked ? "text" : "password"; });
}

// Another link that is opened in this tab changes nothing but the fragment.
addEventListener("hashchange", () => location.reload());

for (const field of fields) {
  field.value = token ?? "";
  field.form.hidden = !token;
}
if (!token) {
  paste.hidden = false;
  again.hidden = false;
  // Without even a part of a token, the page is where people begin who want a link.
  if (document.getElementById("ask") && !location.hash) main.append(paste);
  else say(main.dataset.noToken, true);
}
