import { createBienvenue } from "bienvenue-client";

const bienvenue = createBienvenue({ baseUrl: "http://localhost:8000" });

const { data, error } = await bienvenue.signIn({ email: "ada@example.com", pasword: "correct horse battery" });
if (error?.type === "/problems/invalid-credential") {
  console.log(error.details);
}
await bienvenue.GET("/session/current");
const current = await bienvenue.getSession();
console.log(current.user, current?.user.emial, data?.tokn);
