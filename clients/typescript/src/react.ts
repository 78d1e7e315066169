"use client";

import {
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  type ReactElement,
  type ReactNode,
} from "react";

import type { Bienvenue, Credentials, CurrentSession, Problem, Result, Session } from "./client.js";

/** Whether somebody is signed in, as far as is known. */
export type SignedIn =
  | { status: "loading" }
  | { status: "signed-in"; user: CurrentSession["user"]; session: Session }
  | { status: "signed-out" }
  /** The service can't be reached, or can't say. */
  | { status: "failed"; error: unknown };

/** Who is signed in, and what changes that. */
export type Account = SignedIn & {
  signIn(credentials: Credentials): Promise<Result<Session>>;
  signOut(): Promise<{ error?: Problem }>;
  /** Asks again: after `failed`, or when another tab may have changed something. */
  refresh(): Promise<void>;
};

export interface ProviderProps {
  /** What `createBienvenue` returned: made once, outside of components. */
  client: Bienvenue;
  /** Who is signed in, where the server that made the page has asked: `null` for nobody. Then it is not asked again at the start. */
  initialSession?: CurrentSession | null;
  children?: ReactNode;
}

const AccountContext = createContext<Account | undefined>(undefined);

/** Asks once who is signed in, and lets the components within know. */
export function BienvenueProvider({ client, initialSession, children }: ProviderProps): ReactElement {
  const [signedIn, setSignedIn] = useState<SignedIn>(() =>
    initialSession === undefined ? { status: "loading" } : shown(initialSession),
  );
  // Answers may come in another order than they were asked for: the last question counts.
  const asked = useRef(0);

  const refresh = useCallback(async () => {
    asked.current += 1;
    const question = asked.current;
    const answer = await client.getSession().then(shown, (error: unknown): SignedIn => ({ status: "failed", error }));
    if (question === asked.current) {
      setSignedIn(answer);
    }
  }, [client]);

  useEffect(() => {
    if (initialSession === undefined) {
      void refresh();
    }
  }, [initialSession, refresh]);

  const account = useMemo<Account>(
    () => ({
      ...signedIn,
      refresh,
      async signIn(credentials) {
        const result = await client.signIn(credentials);
        if (result.error === undefined) {
          await refresh();
        }
        return result;
      },
      async signOut() {
        const result = await client.signOut();
        if (result.error === undefined) {
          await refresh();
        }
        return result;
      },
    }),
    [client, refresh, signedIn],
  );
  return createElement(AccountContext.Provider, { value: account }, children);
}

/** Returns who is signed in, and what changes that. */
export function useBienvenue(): Account {
  const account = useContext(AccountContext);
  if (account === undefined) {
    throw new Error("useBienvenue needs a BienvenueProvider around it");
  }
  return account;
}

function shown(current: CurrentSession | null): SignedIn {
  return current === null ? { status: "signed-out" } : { status: "signed-in", ...current };
}
