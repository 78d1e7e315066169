// The package as its users get it: packed, installed in an app with strict settings, compiled there and used with a running service.
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { basename, extname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { freePort, PASSWORD, register, run, signIn, start, startService } from "./service.mjs";

const source = fileURLToPath(new URL("..", import.meta.url));

describe("the package", () => {
  let app;
  let packed;

  before(async () => {
    app = await mkdtemp(join(tmpdir(), "bienvenue-app-"));
    await cp(join(source, "test/app"), app, { recursive: true });
    await copyShownCode(join(app, "src"));
    packed = JSON.parse(await done("npm", ["pack", "--json", "--silent", "--pack-destination", app], source));
    await done("npm", ["ci", "--no-audit", "--no-fund", "--prefer-offline"], app);
    const install = ["install", "--no-save", "--no-audit", "--no-fund", "--prefer-offline"];
    await done("npm", [...install, join(app, packed[0].filename)], app);
  });

  after(() => rm(app, { recursive: true }));

  it("holds what is built, and no more", () => {
    const files = packed[0].files.map(({ path }) => path);
    const built = ["client", "react", "retry", "schema"].flatMap((name) => [`dist/src/${name}.d.ts`, `dist/src/${name}.js`]);
    assert.deepEqual(files.sort(), ["README.md", ...built, "package.json"].sort());
  });

  it("refuses misspelt names when the app is compiled, and nothing else", async () => {
    const { status, printed } = await run("npx", ["tsc"], { cwd: app });
    assert.notEqual(status, 0);
    const lines = printed.split("\n").filter((line) => line !== "" && !line.startsWith(" "));
    const errors = lines.map((line) => /^src\/misspelt\.ts\((\d+),/.exec(line)?.[1] ?? line);
    const refused = await readFile(join(app, "src/misspelt.ts"), "utf8").then((text) =>
      text.split("\n").flatMap((line, index) => (/pasword|invalid-credential"|details|\/session\/|current\./.test(line) ? [`${index + 1}`] : [])),
    );
    assert.deepEqual([...new Set(errors)], refused, printed);
  });

  it("signs in and out in the browser, with React", async (t) => {
    await done("npx", ["vite", "build", "--logLevel", "warn"], app);
    const origin = await serve(t, join(app, "dist"));
    const { url } = await startService(t, { BIENVENUE_ALLOWED_ORIGINS: origin });
    await register(url, "ada@example.com");

    const page = `${origin}/?${new URLSearchParams({ service: url, email: "ada@example.com" })}`;
    const chromium = ["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${app}/chromium`, "--virtual-time-budget=20000"];
    const { printed } = await run("chromium", [...chromium, "--dump-dom", page]);
    assert.match(printed, /<p>refused: loading, signed-out, ada@example\.com, signed-out<\/p>/);
  });

  it("tells an Express app who calls", async (t) => {
    const { url, port } = await startService(t);
    await register(url, "ada@example.com");
    const cookie = await signIn(url, "ada@example.com");

    await done("npx", ["tsc", "--project", "tsconfig.server.json"], app);
    const server = start(process.execPath, ["built/server.js"], { cwd: app, env: { BIENVENUE_URL: url } });
    t.after(server.stop);
    while (!server.log().includes("\n")) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const whoami = `http://127.0.0.1:${server.log().trim()}/whoami`;
    const asked = async (headers) => (await fetch(whoami, { headers })).json();
    assert.deepEqual(await asked({}), { email: null });
    assert.deepEqual(await asked({ cookie: "theme=dark; bienvenue-session=made-up" }), { email: null });
    assert.deepEqual(await asked({ cookie: `theme=dark; ${cookie}` }), { email: "ada@example.com" });
    const token = cookie.split("=")[1];
    assert.deepEqual(await asked({ authorization: `Bearer ${token}` }), { email: "ada@example.com" });
    assert.deepEqual(await asked({ authorization: "Bearer made-up", cookie }), { email: null });
    await fetch(`${url}/sessions/current`, { method: "DELETE", headers: { cookie } });
    assert.deepEqual(await asked({ cookie }), { email: null });
  });
});

describe("the client", () => {
  let createBienvenue;
  before(async () => {
    ({ createBienvenue } = await import("../dist/src/client.js"));
  });

  it("signs up", async (t) => {
    const { url: baseUrl } = await startService(t);
    const bienvenue = createBienvenue({ baseUrl });
    const registration = { email: "ada@example.com", password: PASSWORD };
    const { data } = await bienvenue.signUp(registration);
    assert.equal(data.email, "ada@example.com");
    const { error } = await bienvenue.signUp(registration);
    assert.equal(error.type, "/problems/email-taken");
  });

  it("signs up where the service tells nobody who has an account", async (t) => {
    const { url: baseUrl } = await startService(t, { BIENVENUE_REGISTRATION: "private" });
    const registration = { email: "ada@example.com", password: PASSWORD };
    assert.deepEqual(await createBienvenue({ baseUrl }).signUp(registration), { data: null });
  });

  it("signs in for a token, and out", async (t) => {
    const { url: baseUrl } = await startService(t);
    await register(baseUrl, "ada@example.com");
    const anybody = createBienvenue({ baseUrl });
    const refused = await anybody.signIn({ email: "ada@example.com", password: "wrong" });
    assert.equal(refused.error.type, "/problems/invalid-credentials");
    assert.equal(await anybody.getSession(), null);

    const { data } = await anybody.signIn({ email: "ada@example.com", password: PASSWORD, delivery: "token" });
    const ada = createBienvenue({ baseUrl, token: data.token });
    assert.equal((await ada.getSession()).user.email, "ada@example.com");
    assert.deepEqual(await ada.signOut(), {});
    assert.equal(await ada.getSession(), null);
    assert.deepEqual(await ada.signOut(), {}, "signing out twice is no error");
  });

  it("waits once for as long as the service asks", async (t) => {
    const { url: baseUrl } = await startService(t, { BIENVENUE_ACCOUNT_FREE_FAILURES: "1" });
    await register(baseUrl, "ada@example.com");
    const { statuses, fetch } = counting();
    const bienvenue = createBienvenue({ baseUrl, fetch });
    await bienvenue.signIn({ email: "ada@example.com", password: "wrong" });
    const { data } = await bienvenue.signIn({ email: "ada@example.com", password: PASSWORD });
    assert.notEqual(data, undefined);
    assert.deepEqual(statuses, [401, 429, 201]);
  });

  it("leaves long waits to the caller", async (t) => {
    const { url: baseUrl } = await startService(t, { BIENVENUE_ADDRESS_FAILURES: "1" });
    const { statuses, fetch } = counting();
    const bienvenue = createBienvenue({ baseUrl, fetch });
    await bienvenue.signIn({ email: "ada@example.com", password: "wrong" });
    const { error } = await bienvenue.signIn({ email: "eve@example.com", password: "wrong" });
    assert.equal(error.type, "/problems/too-many-requests");
    assert.deepEqual(statuses, [401, 429]);
  });

  it("says that it can't say", async (t) => {
    const baseUrl = `http://127.0.0.1:${await freePort()}`;
    const request = { headers: { cookie: "bienvenue-session=something" } };
    await assert.rejects(createBienvenue({ baseUrl }).getSession(request), TypeError);

    const elsewhere = await serve(t, source);
    await assert.rejects(createBienvenue({ baseUrl: elsewhere }).getSession(request), /answered 404, but not as the service does/);
  });

  it("forwards the session, the address of the client, and nothing else", async (t) => {
    const sent = [];
    const bienvenue = createBienvenue({
      baseUrl: "http://bienvenue.example",
      fetch: async (request) => {
        sent.push(Object.fromEntries(request.headers));
        return new Response(null, { status: 401 });
      },
    });
    const headers = { cookie: "theme=dark; __Host-session=one; other=2", "x-forwarded-for": "192.0.2.1", authorization: "Basic x" };
    await bienvenue.getSession({ headers }, { clientAddress: "192.0.2.7" });
    await bienvenue.getSession({ headers: new Headers({ ...headers, authorization: "Bearer two" }) });
    await bienvenue.getSession({ headers: { ...headers, cookie: "theme=dark" } });
    assert.deepEqual(sent, [
      { cookie: "__Host-session=one", "x-forwarded-for": "192.0.2.7" },
      { authorization: "Bearer two" },
    ]);
  });

  it("says for whom a backend registers somebody", async (t) => {
    const { url: baseUrl } = await startService(t);
    const sent = [];
    const bienvenue = createBienvenue({
      baseUrl,
      fetch: (request) => {
        sent.push(request.headers.get("x-forwarded-for"), request.headers.get("accept-language"));
        return fetch(request);
      },
    });
    const { error } = await bienvenue.signUp({ email: "ada@example.com", password: "password" }, { clientAddress: "192.0.2.7", language: "fr" });
    assert.equal(error.type, "/problems/weak-password");
    assert.deepEqual(sent, ["192.0.2.7", "fr"]);
  });

  it("knows the problems that the service explains", async (t) => {
    const { url } = await startService(t);
    const schema = await readFile(new URL("../src/schema.ts", import.meta.url), "utf8");
    const types = [...new Set(schema.match(/(?<=")\/problems\/[a-z-]+(?=")/g))];
    assert.ok(types.length > 20);
    for (const type of types) {
      assert.equal((await fetch(url + type)).status, 200, type);
    }
  });
});

/** Copies what the documents show, so that it is compiled with the app. */
async function copyShownCode(folder) {
  for (const document of ["../README.md", "../../../docs/frontend.md"]) {
    const text = await readFile(new URL(document, import.meta.url), "utf8");
    const [, code] = /```ts\n([^]*?)```/.exec(text);
    await writeFile(join(folder, `${basename(document, ".md")}.ts`), code);
  }
}

/** A `fetch` that keeps the status of each answer. */
function counting() {
  const statuses = [];
  return {
    statuses,
    fetch: async (request) => {
      const response = await fetch(request);
      statuses.push(response.status);
      return response;
    },
  };
}

/** Runs a program that must succeed, and returns what it printed. */
async function done(command, parameters, cwd) {
  const { status, printed } = await run(command, parameters, { cwd });
  assert.equal(status, 0, `${command} ${parameters.join(" ")}:\n${printed}`);
  return printed;
}

/** Serves the files of a folder, on an origin of its own. */
async function serve(t, folder) {
  const types = { ".html": "text/html", ".js": "text/javascript" };
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://localhost").pathname;
    const file = path === "/" ? "/index.html" : path;
    const content = await readFile(join(folder, file)).catch(() => undefined);
    response.writeHead(content === undefined ? 404 : 200, { "Content-Type": types[extname(file)] ?? "text/plain" });
    response.end(content ?? "nothing");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://localhost:${server.address().port}`;
}
