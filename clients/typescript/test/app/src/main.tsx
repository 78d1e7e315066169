import { createBienvenue, type Problem } from "bienvenue-client";
import { BienvenueProvider, useBienvenue } from "bienvenue-client/react";
import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

const parameters = new URLSearchParams(location.search);
const bienvenue = createBienvenue({ baseUrl: parameters.get("service") ?? "http://localhost:8000" });
const email = parameters.get("email") ?? "";

/** Goes through the whole story by itself, and writes down what it sees. */
function Story() {
  const account = useBienvenue();
  const [seen, setSeen] = useState<string[]>([]);
  const [refused, setRefused] = useState<Problem>();

  useEffect(() => {
    setSeen((before) => [...before, account.status === "signed-in" ? account.user.email : account.status]);
  }, [account]);

  const been = seen.includes(email);
  useEffect(() => {
    if (account.status === "signed-out" && refused === undefined) {
      void account.signIn({ email, password: "wrong" }).then(({ error }) => setRefused(error));
    } else if (account.status === "signed-out" && !been) {
      void account.signIn({ email, password: "correct horse battery" });
    } else if (account.status === "signed-in" && been) {
      void account.signOut();
    }
  }, [account, refused, been]);

  return (
    <p>
      {refused?.type === "/problems/invalid-credentials" ? "refused" : "?"}: {seen.join(", ")}
    </p>
  );
}

const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <BienvenueProvider client={bienvenue}>
        <Story />
      </BienvenueProvider>
    </StrictMode>,
  );
}
