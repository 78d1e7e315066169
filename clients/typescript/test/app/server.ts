import { createBienvenue } from "bienvenue-client";
import express from "express";

const bienvenue = createBienvenue({ baseUrl: process.env["BIENVENUE_URL"] ?? "http://localhost:8000" });

const app = express();
app.get("/whoami", async (request, response) => {
  const current = await bienvenue.getSession(request, { clientAddress: request.ip });
  response.json({ email: current?.user.email ?? null });
});

const server = app.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(typeof address === "object" ? address?.port : address);
});
