import { createBienvenue } from "bienvenue-client";

const bienvenue = createBienvenue({ baseUrl: process.env.BIENVENUE_URL ?? "http://localhost:8000" });

/** Returns who is signed in. Next.js does not know where a request comes from, but the proxy in front notes it, behind what others noted. */
export function getSession(request: { headers: { get(name: string): string | null } }) {
  const clientAddress = request.headers.get("x-forwarded-for")?.split(",").at(-1)?.trim();
  return bienvenue.getSession(request, { clientAddress });
}
