import createClient, { type Client } from "openapi-fetch";

import { retryAfter, retryingOnce } from "./retry.js";
import type { components, paths } from "./schema.js";

export type { components, paths } from "./schema.js";

export type User = components["schemas"]["User"];
export type Session = components["schemas"]["Session"];
/** The session of a request, and the account that it belongs to. */
export type CurrentSession = components["schemas"]["CurrentSession"];
export type Registration = components["schemas"]["Registration"];
export type Credentials = components["schemas"]["Credentials"];
export type Problem = components["schemas"]["Problem"];
/** The kinds of problem, as `/problems/email-taken`. */
export type ProblemType = Problem["type"];

/** What was asked for, or the problem that prevented it. */
export type Result<T> = { data: T; error?: undefined } | { data?: undefined; error: Problem };

export interface Options {
  /** The address of the service, as `https://auth.example.com`. */
  baseUrl: string;
  /** The token that a sign-in with `delivery: "token"` answered with. Without one the browser's cookie is sent. */
  token?: string;
  /** Sends requests in the place of the global `fetch`. */
  fetch?: (request: Request) => Promise<Response>;
}

/**
 * A request that came to a backend: of Express or Node, a `Request` of Fetch or Next.js, or `{ headers: await headers() }`.
 */
export interface IncomingRequest {
  headers: { get(name: string): string | null } | Record<string, string | string[] | undefined>;
}

/** What a backend tells the service about the client of a request. */
export interface Forwarding {
  /**
   * The address of the client, as `request.ip` of Express. The service believes it where the address of the backend is one of
   * BIENVENUE_TRUSTED_PROXIES.
   */
  clientAddress?: string | undefined;
  /** The browser or program of the client, as its `User-Agent` has it: at a sign-in, for the list of sessions. */
  userAgent?: string | undefined;
  /** The languages of the client, as its `Accept-Language` has them: for the emails that follow. */
  language?: string | undefined;
}

/** A client of the service, typed by its OpenAPI document, with short ways for what every app does. */
export interface Bienvenue extends Client<paths> {
  /**
   * Opens an account. `data` is the account, or `null` where the service is set to tell nobody who has an account (`private`): an email has
   * the link that opens it then. A backend that registers somebody says from where, and in which language.
   */
  signUp(registration: Registration, forwarding?: Forwarding): Promise<Result<User | null>>;
  /**
   * Signs in. The browser keeps the cookie; with `delivery: "token"` the token is in `data.token`. A backend that signs somebody in says
   * from where.
   */
  signIn(credentials: Credentials, forwarding?: Forwarding): Promise<Result<Session>>;
  /**
   * Signs out: the browser or this client, and in a backend the session of the request that it is given. It is no error if nobody is
   * signed in.
   */
  signOut(request?: IncomingRequest, forwarding?: Forwarding): Promise<{ error?: Problem }>;
  /**
   * Returns who is signed in, or `null` if nobody is: by the cookie of the browser or the token of this client, and in a backend by the
   * cookie or the Bearer token of the request that it is given.
   *
   * @throws ProblemError if the service can't say. Answer 503 then: somebody may well be signed in.
   */
  getSession(request?: IncomingRequest, forwarding?: Forwarding): Promise<CurrentSession | null>;
}

/** A problem for which the caller made no provision. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(
    readonly problem: Problem,
    /** After how many seconds another attempt may succeed, where the service says so. */
    readonly retryAfter: number | undefined,
  ) {
    super(`${problem.type}: ${problem.detail}`);
  }
}

/** After how long `getSession` gives up, in milliseconds: a page that waits for it should not wait for ever. */
const LONGEST_CHECK = 15_000;

/** Makes a client of the service. */
export function createBienvenue({ baseUrl, token, fetch = globalThis.fetch }: Options): Bienvenue {
  const client = createClient<paths>({
    baseUrl,
    // Browsers leave cookies out of requests to other origins unless they are told.
    credentials: token === undefined ? "include" : "omit",
    ...(token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } }),
    // Called without a receiver: browsers accept no other for their own.
    fetch: retryingOnce((request) => fetch(request)),
  });

  return Object.assign(client, {
    async signUp(registration: Registration, forwarding: Forwarding = {}): Promise<Result<User | null>> {
      const { data, error, response } = await client.POST("/users", { body: registration, headers: origin(forwarding) });
      if (response.status === 202) {
        return { data: null };
      }
      return data === undefined ? { error: asProblem(error, response) } : { data };
    },

    async signIn(credentials: Credentials, forwarding: Forwarding = {}): Promise<Result<Session>> {
      const { data, error, response } = await client.POST("/sessions", { body: credentials, headers: origin(forwarding) });
      return data === undefined ? { error: asProblem(error, response) } : { data };
    },

    async signOut(request?: IncomingRequest, forwarding: Forwarding = {}): Promise<{ error?: Problem }> {
      const headers = request === undefined ? {} : forwarded(request, forwarding);
      if (headers === null) {
        return {};
      }
      const { error, response } = await client.DELETE("/sessions/current", { headers });
      if (response.ok || response.status === 401) {
        return {};
      }
      return { error: asProblem(error, response) };
    },

    async getSession(request?: IncomingRequest, forwarding: Forwarding = {}): Promise<CurrentSession | null> {
      const headers = request === undefined ? {} : forwarded(request, forwarding);
      if (headers === null) {
        return null;
      }
      const { data, error, response } = await client.GET("/sessions/current", {
        headers,
        cache: "no-store",
        signal: AbortSignal.timeout(LONGEST_CHECK),
      });
      if (data !== undefined) {
        return data;
      }
      if (response.status === 401) {
        return null;
      }
      throw new ProblemError(asProblem(error, response), retryAfter(response));
    },
  });
}

/** The cookie, by its name with TLS or on localhost. */
const COOKIE = /^(__Host-session|bienvenue-session)=[!-~]+$/;

/** The headers that show the session of a request: the cookie or the token, and nothing else of it. `null` if there is neither. */
function forwarded(request: IncomingRequest, forwarding: Forwarding): Record<string, string> | null {
  const about = origin(forwarding);
  const authorization = header(request, "authorization");
  if (authorization !== undefined && /^bearer /i.test(authorization)) {
    // As the service does: where there is a token it decides, whatever the cookie says. One with other characters is none.
    return /^[!-~]+ [!-~]+$/.test(authorization) ? { Authorization: authorization, ...about } : null;
  }
  const cookies = (header(request, "cookie") ?? "")
    .split(";")
    .map((cookie) => cookie.trim())
    .filter((cookie) => COOKIE.test(cookie));
  return cookies.length === 0 ? null : { Cookie: cookies.join("; "), ...about };
}

/** The headers that say who a request is for. */
function origin({ clientAddress, userAgent, language }: Forwarding): Record<string, string> {
  return {
    ...(clientAddress === undefined ? {} : { "X-Forwarded-For": clientAddress }),
    ...(userAgent === undefined ? {} : { "User-Agent": userAgent }),
    ...(language === undefined ? {} : { "Accept-Language": language }),
  };
}

function header({ headers }: IncomingRequest, name: string): string | undefined {
  if (typeof headers.get === "function") {
    return headers.get(name) ?? undefined;
  }
  const value = (headers as Record<string, string | string[] | undefined>)[name];
  return Array.isArray(value) ? value.join("; ") : value;
}

/** The problem in an answer. What is none comes from something between here and the service. */
function asProblem(error: unknown, response: Response): Problem {
  if (typeof error === "object" && error !== null && "type" in error && "detail" in error) {
    return error as Problem;
  }
  throw new Error(`${response.url} answered ${response.status}, but not as the service does`);
}
