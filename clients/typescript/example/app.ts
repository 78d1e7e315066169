import { createBienvenue, type Problem, type Session } from "../src/client.js";

const baseUrl = new URLSearchParams(location.search).get("service") ?? "http://localhost:8000";
const bienvenue = createBienvenue({ baseUrl });

function element<T extends HTMLElement = HTMLElement>(selector: string): T {
  const found = document.querySelector<T>(selector);
  if (found === null) {
    throw new Error(`the page has no ${selector}`);
  }
  return found;
}

const signedOut = element("#signed-out");
const account = element("#account");
const email = element("#email");
const sessions = element("#sessions");
const problemText = element("#problem");

/** Shows the account of whoever is signed in, or the forms. */
async function show(): Promise<void> {
  const { data, error } = await bienvenue.GET("/sessions/current");
  if (error !== undefined && error.type !== "/problems/not-signed-in") {
    return tell(error);
  }
  if (data !== undefined) {
    email.textContent = data.user.email;
    await listSessions();
  }
  signedOut.hidden = data !== undefined;
  account.hidden = data === undefined;
}

async function listSessions(): Promise<void> {
  const { data, error } = await bienvenue.GET("/sessions");
  if (error !== undefined) {
    return tell(error);
  }
  sessions.replaceChildren(...data.sessions.map(entry));
}

function entry(session: Session): HTMLLIElement {
  const item = document.createElement("li");
  item.dataset["id"] = session.id;
  const since = new Date(session.created_at).toLocaleString();
  item.textContent = `${session.user_agent ?? "Something"}, since ${since} `;
  if (session.current) {
    item.append("(this one)");
    return item;
  }
  const button = document.createElement("button");
  button.textContent = "End";
  button.addEventListener("click", () => act(() => endSession(session.id)));
  item.append(button);
  return item;
}

async function endSession(id: string): Promise<void> {
  const { error } = await bienvenue.DELETE("/sessions/{id}", { params: { path: { id } } });
  // One that has ended meanwhile is as good.
  if (error !== undefined && error.type !== "/problems/not-found") {
    return tell(error);
  }
  await listSessions();
}

async function signIn(credentials: { email: string; password: string }): Promise<void> {
  const { error } = await bienvenue.signIn(credentials);
  if (error !== undefined) {
    return tell(error);
  }
  await show();
}

async function register(credentials: { email: string; password: string }): Promise<void> {
  const { error } = await bienvenue.signUp(credentials);
  if (error !== undefined) {
    return tell(error);
  }
  await signIn(credentials);
}

async function signOut(): Promise<void> {
  const { error } = await bienvenue.signOut();
  if (error !== undefined) {
    return tell(error);
  }
  await show();
}

function tell(problem: Problem): void {
  problemText.textContent = problem.detail;
}

/** Does what somebody asked for; what was told of the last time is over. */
async function act(action: () => Promise<void>): Promise<void> {
  problemText.textContent = "";
  try {
    await action();
  } catch {
    // There was no answer, or none that this page may read.
    problemText.textContent = `${baseUrl} can't be reached, or does not allow pages of ${location.origin}.`;
  }
}

for (const [selector, submit] of [
  ["#sign-in", signIn],
  ["#register", register],
] as const) {
  const form = element<HTMLFormElement>(selector);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = new FormData(form);
    const credentials = { email: String(fields.get("email")), password: String(fields.get("password")) };
    void act(() => submit(credentials));
  });
}
element("#sign-out").addEventListener("click", () => void act(signOut));

await act(show);
