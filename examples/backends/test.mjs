// Runs each backend of docs/backend.md with a running service, alone and behind each proxy, and compares what the document shows with
// what is run. Written for node's test runner.
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { answers, freePort, PASSWORD, register, run, send, signIn, start, startService } from "../../clients/typescript/test/service.mjs";

const EMAIL = "ada@example.com";
const root = fileURLToPath(new URL("../..", import.meta.url));
const examples = join(root, "examples/backends");
const made = join(root, "target/clients");

/** Has Next.js not tell its makers that it runs. */
const QUIET = { NEXT_TELEMETRY_DISABLED: "1" };

/** How each backend is made ready, and started. */
const BACKENDS = {
  express: {
    prepare: () => install("express"),
    command: () => [process.execPath, ["server.js"], join(made, "express")],
  },
  nextjs: {
    async prepare() {
      await install("nextjs");
      await done("npm", ["run", "--silent", "build"], join(made, "nextjs"), QUIET);
    },
    command: () => [process.execPath, ["node_modules/next/dist/bin/next", "start", "--hostname", "127.0.0.1"], join(made, "nextjs")],
  },
  fastapi: {
    prepare: async () => {},
    command: (port) => [join(made, "python/bin/python"), ["-m", "uvicorn", "main:app", "--port", `${port}`], join(examples, "fastapi")],
  },
  axum: {
    prepare: () => done("cargo", ["build", "--quiet", "--locked", "--target-dir", join(made, "axum")], join(examples, "axum")),
    command: () => [join(made, "axum/debug/axum-backend"), [], examples],
  },
};

for (const [name, { prepare, command }] of Object.entries(BACKENDS)) {
  describe(`the backend in ${name}`, () => {
    before(prepare);

    it("knows who calls", async (t) => {
      const service = await startService(t);
      await register(service.url, EMAIL);
      const cookie = await signIn(service.url, EMAIL);
      const token = cookie.split("=")[1];
      const backend = await startBackend(t, command, service.url);

      const me = (headers) => fetch(`${backend}/api/me`, { headers });
      for (const nobody of [{}, { cookie: "theme=dark" }, { cookie: "bienvenue-session=made-up" }, { authorization: "Bearer made-up", cookie }]) {
        assert.equal((await me(nobody)).status, 401, JSON.stringify(nobody));
      }
      for (const ada of [{ cookie: `theme=dark; ${cookie}` }, { authorization: `Bearer ${token}` }]) {
        const response = await me(ada);
        assert.equal(response.status, 200);
        assert.deepEqual(await response.json(), { email: EMAIL });
      }
      await fetch(`${service.url}/sessions/current`, { method: "DELETE", headers: { cookie } });
      assert.equal((await me({ cookie })).status, 401);
    });

    it("says where the client is", async (t) => {
      // The use of a session is noted once in a quarter of the idle limit.
      const service = await startService(t, { BIENVENUE_TRUSTED_PROXIES: "127.0.0.1", BIENVENUE_SESSION_IDLE: "4s" });
      await register(service.url, EMAIL);
      const home = { "X-Forwarded-For": "192.0.2.1" };
      const cookie = await signIn(service.url, EMAIL, home);
      const onlooker = await signIn(service.url, EMAIL, home);
      const backend = await startBackend(t, command, service.url);
      const headers = { cookie, "X-Forwarded-For": "198.51.100.1, 192.0.2.7" };
      let networks = [];
      for (let left = 100; left > 0 && networks.length < 2; left -= 1) {
        assert.equal((await fetch(`${backend}/api/me`, { headers })).status, 200);
        await new Promise((resolve) => setTimeout(resolve, 50));
        const exported = await fetch(`${service.url}/users/me/export`, { headers: { cookie: onlooker, ...home } });
        networks = (await exported.json()).known_clients.map(({ network }) => network);
      }
      assert.deepEqual(networks.sort(), ["192.0.2.1", "192.0.2.7"]);
    });

    it("signs nobody out when it can't reach the service", async (t) => {
      const nothing = `http://127.0.0.1:${await freePort()}`;
      const backend = await startBackend(t, command, nothing);
      const response = await fetch(`${backend}/api/me`, { headers: { cookie: "bienvenue-session=something" } });
      assert.equal(response.status, 503);
    });
  });
}

it("a page of Next.js is for people who are signed in", async (t) => {
  const service = await startService(t);
  await register(service.url, EMAIL);
  const cookie = await signIn(service.url, EMAIL);
  const backend = await startBackend(t, BACKENDS.nextjs.command, service.url);
  const stranger = await fetch(`${backend}/account`, { redirect: "manual" });
  assert.equal(stranger.status, 307);
  assert.match(stranger.headers.get("location"), /\/sign-in$/);
  const page = await fetch(`${backend}/account`, { headers: { cookie }, redirect: "manual" });
  assert.match(await page.text(), /ada@example\.com/);
});

it("a backend signs people in, and out, with a cookie of its own", async (t) => {
  const service = await startService(t, { BIENVENUE_TRUSTED_PROXIES: "127.0.0.1" });
  const backend = await startBackend(t, BACKENDS.express.command, service.url);
  const from = { "X-Forwarded-For": "192.0.2.7", "User-Agent": "Telephone/1.0" };
  const signedUp = await send("POST", `${backend}/api/sign-up`, { email: EMAIL, password: PASSWORD }, from);
  assert.equal(signedUp.status, 201);
  assert.equal((await signedUp.json()).email, EMAIL);
  const taken = await send("POST", `${backend}/api/sign-up`, { email: EMAIL, password: PASSWORD }, from);
  assert.equal(taken.status, 409);
  assert.equal((await taken.json()).type, "/problems/email-taken");

  const refused = await send("POST", `${backend}/api/sign-in`, { email: EMAIL, password: "wrong" }, from);
  assert.equal(refused.status, 401);
  assert.equal((await refused.json()).type, "/problems/invalid-credentials");

  const signedIn = await send("POST", `${backend}/api/sign-in`, { email: EMAIL, password: PASSWORD }, from);
  assert.equal(signedIn.status, 204);
  const [setCookie] = signedIn.headers.getSetCookie();
  assert.match(setCookie, /; Path=\/; .*HttpOnly; SameSite=Lax/);
  const cookie = setCookie.split(";")[0];
  const me = await fetch(`${backend}/api/me`, { headers: { cookie, ...from } });
  assert.deepEqual(await me.json(), { email: EMAIL });
  const { session } = await (await fetch(`${service.url}/sessions/current`, { headers: { cookie } })).json();
  assert.deepEqual([session.ip, session.user_agent], ["192.0.2.7", "Telephone/1.0"]);

  const signedOut = await send("POST", `${backend}/api/sign-out`, {}, { cookie });
  assert.equal(signedOut.status, 204);
  assert.equal((await fetch(`${backend}/api/me`, { headers: { cookie } })).status, 401);
});

it("a backend registers people where the service tells nobody who has an account", async (t) => {
  const service = await startService(t, { BIENVENUE_REGISTRATION: "private" });
  const backend = await startBackend(t, BACKENDS.express.command, service.url);
  for (const attempt of ["first", "second"]) {
    const answer = await send("POST", `${backend}/api/sign-up`, { email: EMAIL, password: PASSWORD });
    assert.equal(answer.status, 202, attempt);
    assert.equal(await answer.json(), null, attempt);
  }
});

/** How each proxy is started in a folder, on a port, with the configuration as the document has it but for these addresses. */
const PROXIES = {
  async Caddyfile(folder, text, port) {
    // Caddy is its own authority for localhost. It is not to bother the system with that.
    const options = "{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n}\n";
    await writeFile(join(folder, "Caddyfile"), options + text.replace("app.example.com", `https://localhost:${port}`));
    return ["caddy", ["run", "--adapter", "caddyfile", "--config", "Caddyfile"]];
  },
  async "nginx.conf"(folder, text, port) {
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "1"];
    await done("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...subject, "-keyout", "privkey.pem", "-out", "fullchain.pem"], folder);
    const server = text
      .replaceAll("/etc/letsencrypt/live/app.example.com", folder)
      .replace("listen 443 ssl", `listen 127.0.0.1:${port} ssl`)
      .replace("app.example.com", "localhost");
    const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join("\n");
    const whole = `pid ${folder}/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n${places}\n${server}}\n`;
    await writeFile(join(folder, "nginx.conf"), whole);
    return ["nginx", ["-p", folder, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]];
  },
};

for (const [name, configure] of Object.entries(PROXIES)) {
  it(`one cookie is good for the service and the app behind the proxy of ${name}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "bienvenue-proxy-"));
    t.after(() => rm(folder, { recursive: true }));
    const port = await freePort();
    const origin = `https://localhost:${port}`;
    const service = await startService(t, { BIENVENUE_PUBLIC_URL: origin, BIENVENUE_TRUSTED_PROXIES: "127.0.0.1", BIENVENUE_BCRYPT_COST: "10" });
    const backend = await startBackend(t, BACKENDS.express.command, service.url);
    const text = await readFile(join(examples, "same-origin", name), "utf8");
    const addressed = text.replaceAll("127.0.0.1:8000", `127.0.0.1:${service.port}`).replaceAll("127.0.0.1:3000", new URL(backend).host);
    const [command, parameters] = await configure(folder, addressed, port);
    const env = { HOME: folder, XDG_DATA_HOME: folder, PATH: `${process.env.PATH}:/usr/sbin` };
    const proxy = start(command, parameters, { cwd: folder, env });
    t.after(proxy.stop);

    /** Curl is the browser: it keeps cookies by the rules. */
    const curl = async (path, ...parameters) => {
      const url = `${origin}${path}`;
      const all = ["--silent", "--ipv4", "--insecure", "--max-time", "10", "--cookie", "jar", "--cookie-jar", "jar", "--write-out", "\n%{http_code}", ...parameters, url];
      const { printed } = await run("curl", all, { cwd: folder });
      const [, body, status] = /^([^]*)\n(\d+)$/.exec(printed);
      return { status: Number(status), body };
    };
    const json = (body) => ["--header", "Content-Type: application/json", "--header", `Origin: ${origin}`, "--data", JSON.stringify(body)];
    for (let left = 200; left > 0 && (await curl("/auth/health/ready")).status !== 200; left -= 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }

    assert.equal((await curl("/api/me")).status, 401, proxy.log());
    assert.equal((await curl("/auth/users", ...json({ email: EMAIL, password: PASSWORD }))).status, 201);
    const elsewhere = ["--interface", "127.0.0.2", "--header", "X-Forwarded-For: 192.0.2.7"];
    assert.equal((await curl("/auth/sessions", ...json({ email: EMAIL, password: PASSWORD }), ...elsewhere)).status, 201);
    assert.match(await readFile(join(folder, "jar"), "utf8"), /__Host-session/);
    assert.deepEqual(JSON.parse((await curl("/api/me")).body), { email: EMAIL });
    const { session } = JSON.parse((await curl("/auth/sessions/current")).body);
    assert.equal(session.ip, "127.0.0.2", "what the proxy saw is believed, and not what the client said");
    for (const path of ["/verify-email", "/reset-password", "/undo-email-change", "/pages/page.js"]) {
      assert.equal((await curl(path)).status, 200, path);
    }
    assert.equal((await curl("/password-reset", ...json({ email: EMAIL }))).status, 202);
    assert.equal((await curl("/auth/sessions/current", "--request", "DELETE", "--header", `Origin: ${origin}`)).status, 204);
    assert.equal((await curl("/api/me")).status, 401);
  });
}

it("the document shows what is run here", async () => {
  const text = await readFile(join(root, "docs/backend.md"), "utf8");
  const shown = [...text.matchAll(/\]\(\.\.\/(examples\/backends\/[^)]+)\)[^\n]*\n\n```\w+\n([^]*?)```/g)];
  assert.equal(shown.length, text.split("](../examples/backends/").length - 1, "each link is followed by what it leads to");
  for (const [, path, quoted] of shown) {
    const file = await readFile(join(root, path), "utf8");
    assert.ok(file.includes(quoted), `docs/backend.md does not show ${path} as it is:\n${quoted}`);
  }
});

/** Copies an example to a folder, and installs what it needs there, the packed client included. */
async function install(name) {
  const folder = join(made, name);
  await mkdir(folder, { recursive: true });
  await cp(join(examples, name), folder, { recursive: true });
  const quiet = ["--no-audit", "--no-fund", "--prefer-offline"];
  const [{ filename }] = JSON.parse(await done("npm", ["pack", "--json", "--silent", "--pack-destination", folder], join(root, "clients/typescript")));
  await done("npm", ["ci", ...quiet], folder);
  await done("npm", ["install", "--no-save", ...quiet, `./${filename}`], folder);
}

/** Starts a backend that asks a service, and returns its origin. */
async function startBackend(t, command, service) {
  const port = await freePort();
  const [program, parameters, cwd] = command(port);
  const backend = start(program, parameters, { cwd, env: { BIENVENUE_URL: service, PORT: `${port}`, ...QUIET } });
  t.after(backend.stop);
  const origin = `http://127.0.0.1:${port}`;
  await answers(`${origin}/api/me`, backend.log, () => true);
  return origin;
}

async function done(command, parameters, cwd, env = {}) {
  const { status, printed } = await run(command, parameters, { cwd, env });
  assert.equal(status, 0, `${command} ${parameters.join(" ")}:\n${printed}`);
  return printed;
}
