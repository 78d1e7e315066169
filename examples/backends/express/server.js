import { createBienvenue } from "bienvenue-client";
import express from "express";

const bienvenue = createBienvenue({ baseUrl: process.env.BIENVENUE_URL ?? "http://localhost:8000" });

const app = express();
// The proxy in front runs on this machine: what it says of the client's address is believed.
app.set("trust proxy", "loopback");

/** Lets requests through of people who are signed in. */
async function signedIn(request, response, next) {
  const current = await bienvenue.getSession(request, { clientAddress: request.ip });
  if (current === null) {
    response.status(401).json({ detail: "Sign in first." });
    return;
  }
  response.locals.user = current.user;
  next();
}

app.get("/api/me", signedIn, (request, response) => {
  response.json({ email: response.locals.user.email });
});

/** The cookie of this backend: named as the service names its own, by its public URL, so that `getSession` finds it. */
const isPublic = (process.env.BIENVENUE_PUBLIC_URL ?? "").startsWith("https:");
const cookieName = isPublic ? "__Host-session" : "bienvenue-session";
const cookie = { httpOnly: true, secure: isPublic, sameSite: "lax", path: "/" };

app.post("/api/sign-up", express.json(), async (request, response) => {
  const { email, password } = request.body ?? {};
  const { data, error } = await bienvenue.signUp(
    { email, password },
    { clientAddress: request.ip, language: request.get("accept-language") },
  );
  if (error !== undefined) {
    // Show `detail` beside the field that `errors` names.
    response.status(error.status).json(error);
    return;
  }
  // Without an account an email is on its way: the service is set to tell nobody who has one.
  response.status(data === null ? 202 : 201).json(data);
});

app.post("/api/sign-in", express.json(), async (request, response) => {
  const { email, password } = request.body ?? {};
  const { data, error } = await bienvenue.signIn(
    { email, password, delivery: "token" },
    { clientAddress: request.ip, userAgent: request.get("user-agent") },
  );
  if (error !== undefined) {
    response.status(error.status).json(error);
    return;
  }
  response.cookie(cookieName, data.token, { ...cookie, maxAge: 30 * 24 * 60 * 60 * 1000 });
  response.status(204).end();
});

app.post("/api/sign-out", async (request, response) => {
  const { error } = await bienvenue.signOut(request, { clientAddress: request.ip });
  if (error !== undefined) {
    response.status(error.status).json(error);
    return;
  }
  response.clearCookie(cookieName, cookie);
  response.status(204).end();
});

// An error without a status comes from `getSession`: the service can't be reached, or can't say. That signs nobody out.
app.use((error, request, response, next) => {
  console.error(error);
  const status = error.status ?? 503;
  response.status(status).json({ detail: status === 503 ? "Try again in a moment." : error.message });
});

app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1");
