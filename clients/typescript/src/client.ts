import createClient, { type Client } from "openapi-fetch";

import type { components, paths } from "./schema.js";

export type User = components["schemas"]["User"];
export type Session = components["schemas"]["Session"];
export type Problem = components["schemas"]["Problem"];
export type Bienvenue = Client<paths>;

export interface Options {
  /** Where the service is, as `https://auth.example.com`. */
  baseUrl: string;
  /** What a sign-in with `delivery: "token"` answered with. Without one the browser's cookie is sent. */
  token?: string;
}

/** A client of the service, typed by its OpenAPI document. */
export function createBienvenue({ baseUrl, token }: Options): Bienvenue {
  if (token === undefined) {
    // Browsers leave cookies out of requests to other origins unless they are told.
    return createClient<paths>({ baseUrl, credentials: "include" });
  }
  return createClient<paths>({
    baseUrl,
    credentials: "omit",
    headers: { Authorization: `Bearer ${token}` },
  });
}
